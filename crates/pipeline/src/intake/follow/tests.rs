use freshet_core::position::{StreamId, StreamPosition};

use super::*;
use crate::pieces::registry_of as registry;

#[test]
fn a_registrys_topics_are_read_when_the_open_round_resolves_by_it() {
    let rules = RulesInForce::new(registry(&["items"]));
    let mut follow = Follow::tables(rules.clone(), vec!["beside".to_owned()]);
    let mut open = Round::new(rules.current());
    assert_eq!(follow.adopt(&mut open), None, "nothing is new");
    let stream = StreamId(1);
    let position = StreamPosition { stream, ordinal: 5 };
    open.purges.add_position(position);
    rules.swap(registry(&["items", "prices"]));
    assert_eq!(follow.adopt(&mut open), None, "the round is of the old one");
    let mut next = Round::new(follow.current());
    let topics = ["items", "prices", "beside"].map(str::to_owned);
    assert_eq!(follow.adopt(&mut next), Some(topics.to_vec()));
    assert_eq!(follow.adopt(&mut next), None, "asked for once");
}

#[test]
fn an_empty_round_is_begun_anew_under_a_new_registry_with_the_same_topics() {
    let rules = RulesInForce::new(registry(&["items"]));
    let mut follow = Follow::tables(rules.clone(), Vec::new());
    let mut open = Round::new(rules.current());
    rules.swap(registry(&["items"]));
    assert_eq!(follow.adopt(&mut open), None, "no rebalance for nothing");
    assert_eq!(open.rules.registry.revision.sequence, 2);
}

#[test]
fn whoever_reads_a_topic_of_ours_follows_no_tables() {
    let rules = RulesInForce::new(registry(&["items"]));
    let mut follow = Follow::own_topic(rules.clone());
    let mut open = Round::new(rules.current());
    rules.swap(registry(&["items", "prices"]));
    assert_eq!(follow.adopt(&mut open), None);
    assert_eq!(open.rules.registry.revision.sequence, 2);
}
