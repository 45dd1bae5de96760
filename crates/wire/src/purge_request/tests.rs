use freshet_core::position::UnixMicros;
use freshet_core::registry::{PurgeMode, Scope};
use proptest::prelude::*;

use super::{PurgeRequest, RequestedPurge};
use crate::RecordError;

fn any_purge() -> impl Strategy<Value = RequestedPurge> {
    let scope = prop_oneof![Just(Scope::Keys), Just(Scope::Tag), Just(Scope::Family)];
    let mode = prop_oneof![Just(PurgeMode::Soft), Just(PurgeMode::Hard)];
    let name = prop::collection::vec(any::<u8>(), 0..40);
    (any::<String>(), scope, mode, name, 0..i64::MAX as u64).prop_map(
        |(family, scope, mode, name, committed)| RequestedPurge {
            family,
            scope,
            mode,
            name,
            committed: UnixMicros(committed),
        },
    )
}

fn any_request() -> impl Strategy<Value = PurgeRequest> {
    let purges = prop::collection::vec(any_purge(), 0..5);
    (any::<String>(), any::<String>(), purges, 0..i64::MAX as u64).prop_map(
        |(target, revision, purges, requested)| PurgeRequest {
            target,
            revision,
            purges,
            requested: UnixMicros(requested),
        },
    )
}

proptest! {
    #[test]
    fn any_request_comes_back(request in any_request()) {
        prop_assert_eq!(PurgeRequest::decode(&request.encode()), Ok(request));
    }

    #[test]
    fn damaged_requests_never_panic(
        request in any_request(),
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let mut record = request.encode();
        let at = at.index(record.len());
        record[at] = byte;
        let _ = PurgeRequest::decode(&record);
        record.truncate(at);
        prop_assert!(PurgeRequest::decode(&record).is_err());
    }
}

#[test]
fn a_dead_letter_is_no_request() {
    let letter = crate::DeadLetter::default().encode();
    let answer = PurgeRequest::decode(&letter);
    assert!(
        matches!(answer, Err(RecordError::UnknownSchema { .. })),
        "{answer:?}"
    );
}
