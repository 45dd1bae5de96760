use freshet_core::registry::LetterPolicy;
use freshet_wire::ResolutionAction;

use super::*;

const HOUR: u64 = 3_600_000_000;

fn record(partition: i32, offset: i64, value: Vec<u8>) -> StoredRecord {
    StoredRecord {
        topic: "freshet.dead-letters".to_owned(),
        partition,
        offset,
        key: Some(b"shop.public.items".to_vec()),
        value: Some(value),
        appended: WallMicros(0),
    }
}

fn letter(reason: &str, topic: &str, families: &[&str], at: u64) -> Vec<u8> {
    let mut letter = DeadLetter {
        topic: topic.to_owned(),
        reason: reason.to_owned(),
        families: families.iter().map(|it| (*it).to_owned()).collect(),
        at: WallMicros(at),
        ..DeadLetter::default()
    };
    letter.keep(LetterPolicy::Full, Some(b"key"), Some(b"value"));
    letter.encode()
}

fn resolution(partition: i32, offset: i64, action: ResolutionAction, at: u64) -> Vec<u8> {
    let resolution = DeadLetterResolution {
        letter_partition: partition,
        letter_offset: offset,
        action,
        because: "why".to_owned(),
        actor: "ada@ops".to_owned(),
        families: Vec::new(),
        purges: 0,
        at: WallMicros(at),
    };
    resolution.encode()
}

/// Three open letters and one that was closed twice, its resolutions read before it, and a record of no kind.
fn letters(whole: Option<LetterId>) -> Letters {
    let mut letters = Letters::default();
    let records = [
        record(0, 0, resolution(1, 1, ResolutionAction::Discarded, 20)),
        record(0, 1, resolution(1, 1, ResolutionAction::Retried, 10)),
        record(0, 2, letter("bad_json", "a", &["f.one", "f.two"], HOUR)),
        record(0, 3, letter("bad_avro", "b", &["f.two"], 3 * HOUR)),
        record(1, 0, letter("bad_json", "b", &["f.three"], 2 * HOUR)),
        record(1, 1, letter("bad_json", "a", &["f.one"], 4 * HOUR)),
        record(1, 2, b"nothing of ours".to_vec()),
    ];
    for it in records {
        letters.add(it, whole);
    }
    letters.join();
    letters
}

fn ids(filter: &Filter, all: bool) -> Vec<String> {
    let letters = letters(None);
    let found = letters.matching(filter, all);
    found.iter().map(|letter| letter.id.to_string()).collect()
}

#[test]
fn open_letters_come_newest_first_and_closed_ones_on_demand() {
    assert_eq!(ids(&Filter::default(), false), ["0:3", "1:0", "0:2"]);
    assert_eq!(ids(&Filter::default(), true), ["1:1", "0:3", "1:0", "0:2"]);
    let letters = letters(None);
    assert_eq!(letters.unreadable(), 1);
    let closed = letters.get("1:1".parse().expect("an id")).expect("there");
    assert_eq!(closed.state(), "retried", "the first closed it");
}

#[test]
fn every_filter_narrows_and_all_of_them_must_hold() {
    let some = |text: &str| Some(text.to_owned());
    let family = |name| Filter {
        family: some(name),
        ..Filter::default()
    };
    assert_eq!(ids(&family("f.two"), false), ["0:3", "0:2"]);
    assert_eq!(ids(&family("f.tw"), false), [""; 0]);
    let reason = Filter {
        reason: some("bad_json"),
        ..Filter::default()
    };
    assert_eq!(ids(&reason, false), ["1:0", "0:2"]);
    let topic = Filter {
        topic: some("b"),
        ..reason.clone()
    };
    assert_eq!(ids(&topic, false), ["1:0"]);
    let since = |hour: u64| Filter {
        since: Some(WallMicros(hour * HOUR)),
        ..Filter::default()
    };
    assert_eq!(ids(&since(3), false), ["0:3"]);
    assert_eq!(ids(&since(2), false), ["0:3", "1:0"]);
}

#[test]
fn only_the_letter_that_is_shown_keeps_its_record() {
    let wanted: LetterId = "0:3".parse().expect("an id");
    let letters = letters(Some(wanted));
    for letter in letters.letters.values() {
        assert_eq!(letter.content.value.is_some(), letter.id == wanted);
        assert_eq!(letter.content.key.is_some(), letter.id == wanted);
    }
}

/// An id twice is one letter, and a filter means open letters only.
#[test]
fn what_is_meant_must_be_open_and_be_there() {
    let letters = letters(None);
    let id = |text: &str| text.parse::<LetterId>().expect("an id");
    let meant = |which: &Which| letters.open(which).map(|found| found.len());
    assert_eq!(
        meant(&Which::Ids(vec![id("0:3"), id("0:2"), id("0:3")])),
        Ok(2)
    );
    assert_eq!(meant(&Which::Matching(Filter::default())), Ok(3));
    let none = Which::Ids(vec![id("0:3"), id("7:7")]);
    assert_eq!(meant(&none), Err(DeskError::NoSuchLetter(id("7:7"))));
    let Err(DeskError::Closed { resolution, .. }) = letters.open(&Which::Ids(vec![id("1:1")]))
    else {
        panic!("it is closed");
    };
    assert_eq!(resolution.action, ResolutionAction::Retried);
}
