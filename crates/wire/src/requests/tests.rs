use std::sync::Arc;

use freshet_core::purge::WantedPurge;
use freshet_core::registry::{PurgeMode, RegistryRevision, Scope, TargetId};

use super::*;

fn registry() -> Registry {
    let revision = RegistryRevision {
        sequence: 1,
        content_hash: Arc::from("none"),
    };
    Registry::new(revision, vec![], vec![], vec![])
}

fn batch(target: u32, purges: &[(u32, &str)]) -> PurgeBatch {
    let mut batch = PurgeBatch::new(TargetId(target));
    for &(family, name) in purges {
        batch.add(WantedPurge {
            family: FamilyId(family),
            scope: Scope::Keys,
            mode: PurgeMode::Hard,
            committed: WallMicros(7),
            name: name.as_bytes(),
            cause: None,
        });
    }
    batch
}

fn names(purges: &[RequestedPurge]) -> Vec<(String, u64)> {
    let name = |it: &RequestedPurge| String::from_utf8_lossy(&it.name).into_owned();
    purges.iter().map(|it| (name(it), it.committed.0)).collect()
}

#[test]
fn a_repeated_purge_is_measured_only_for_families_that_had_to_wait() {
    let late = batch(0, &[(1, "key")]);
    let outer = batch(1, &[(1, "tag-of-it"), (2, "tag-of-another")]);
    let requests = requests_of(&registry(), &late, &[&outer], WallMicros(9));
    let [request] = requests.as_slice() else {
        panic!("one record: {requests:?}");
    };
    assert_eq!(names(&request.purges), [("key".to_owned(), 7)]);
    let [then] = request.then.as_slice() else {
        panic!("one target behind it: {requests:?}");
    };
    let expected = [
        ("tag-of-it".to_owned(), 7),
        ("tag-of-another".to_owned(), 0),
    ];
    assert_eq!(names(&then.purges), expected);
}

/// How many purges each record has, and how many follow in it.
fn lengths(requests: &[PurgeRequest]) -> Vec<(usize, Vec<usize>)> {
    let behind = |it: &PurgeRequest| it.then.iter().map(|then| then.purges.len()).collect();
    let lengths = requests.iter().map(|it| (it.purges.len(), behind(it)));
    lengths.collect()
}

#[test]
fn what_follows_comes_after_all_of_a_long_batch() {
    let keys: Vec<String> = (0..2_500).map(|at| format!("key-{at}")).collect();
    let purges: Vec<(u32, &str)> = keys.iter().map(|it| (1, it.as_str())).collect();
    let (long, short) = (&purges[..], &[(1, "tag")][..]);
    let requests = |own, outer| {
        let (own, outer) = (batch(0, own), batch(1, outer));
        lengths(&requests_of(&registry(), &own, &[&outer], WallMicros(9)))
    };
    let expected = [(1_000, vec![]), (1_000, vec![]), (500, vec![1])];
    assert_eq!(requests(long, short), expected);
    let expected = [(1, vec![1_000]), (0, vec![1_000]), (0, vec![500])];
    assert_eq!(requests(short, long), expected);
}

#[test]
fn all_that_follows_waits_with_the_batch_while_there_is_room() {
    let names = |count: u32, letter: char| -> Vec<String> {
        (0..count).map(|at| format!("{letter}{at}")).collect()
    };
    let requests = |shield: u32, edge: u32| {
        let (shield, edge) = (names(shield, 's'), names(edge, 'e'));
        let of = |target, names: &[String]| {
            let purges: Vec<(u32, &str)> = names.iter().map(|name| (1, name.as_str())).collect();
            batch(target, &purges)
        };
        let (key, shield, edge) = (batch(0, &[(1, "key")]), of(1, &shield), of(2, &edge));
        lengths(&requests_of(
            &registry(),
            &key,
            &[&shield, &edge],
            WallMicros(9),
        ))
    };
    assert_eq!(requests(1, 2), [(1, vec![1, 2])]);
    assert_eq!(requests(400, 600), [(1, vec![400, 600])]);
    assert_eq!(requests(400, 601), [(1, vec![400]), (0, vec![601])]);
}

#[test]
fn a_record_has_so_many_bytes_of_names_at_most() {
    let quarter = "n".repeat(BYTES_PER_REQUEST / 4);
    let names: Vec<String> = (0..4).map(|at| format!("{at}{}", &quarter[1..])).collect();
    let mut purges: Vec<(u32, &str)> = names.iter().map(|it| (1, it.as_str())).collect();
    let requests = |purges: &[(u32, &str)]| {
        let requests = requests_of(&registry(), &batch(0, purges), &[], WallMicros(9));
        requests
            .iter()
            .map(|it| it.purges.len())
            .collect::<Vec<_>>()
    };
    assert_eq!(requests(&purges), [4]);
    purges.push((1, "x"));
    assert_eq!(requests(&purges), [4, 1]);
    // One that is too long stands alone.
    let long = "n".repeat(BYTES_PER_REQUEST + 1);
    assert_eq!(requests(&[(1, &long), (1, "x")]), [1, 1]);
}
