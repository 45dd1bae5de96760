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

#[test]
fn what_follows_comes_after_all_of_a_long_batch() {
    let keys: Vec<String> = (0..2_500).map(|at| format!("key-{at}")).collect();
    let purges: Vec<(u32, &str)> = keys.iter().map(|it| (1, it.as_str())).collect();
    let outer = batch(1, &[(1, "tag")]);
    let requests = requests_of(&registry(), &batch(0, &purges), &[&outer], WallMicros(9));
    let lengths: Vec<(usize, usize)> = requests
        .iter()
        .map(|it| (it.purges.len(), it.then.len()))
        .collect();
    assert_eq!(lengths, [(1_000, 0), (1_000, 0), (500, 1)]);
}
