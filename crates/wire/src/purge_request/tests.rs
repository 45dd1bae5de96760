use std::sync::Arc;

use apache_avro::types::Value;
use freshet_core::cause::{Cause, Reason};
use freshet_core::position::WallMicros;
use freshet_core::registry::{PurgeMode, Scope};
use proptest::prelude::*;

use super::{OuterPurges, PurgeRequest, RequestedPurge, SCHEMA};
use crate::RecordError;
use crate::single_object::Fields;

fn any_purge() -> impl Strategy<Value = RequestedPurge> {
    let scope = prop_oneof![Just(Scope::Keys), Just(Scope::Tag), Just(Scope::Family)];
    let mode = prop_oneof![Just(PurgeMode::Soft), Just(PurgeMode::Hard)];
    let name = prop::collection::vec(any::<u8>(), 0..40);
    let cause = prop::option::of((any::<String>(), 1..Reason::ALL.len(), any::<String>()));
    let head = (any::<String>(), 0..i64::MAX as u64, cause);
    (head, scope, mode, name).prop_map(|((family, committed, cause), scope, mode, name)| {
        RequestedPurge {
            family,
            scope,
            mode,
            name,
            committed: WallMicros(committed),
            cause: cause.map(|(actor, reason, detail)| {
                Arc::new(Cause {
                    actor: actor.into(),
                    reason: Reason::ALL[reason],
                    detail: detail.into(),
                })
            }),
        }
    })
}

fn any_request() -> impl Strategy<Value = PurgeRequest> {
    let purges = || prop::collection::vec(any_purge(), 0..5);
    let outer = (any::<String>(), purges());
    let outer = outer.prop_map(|(target, purges)| OuterPurges { target, purges });
    let then = prop::collection::vec(outer, 0..3);
    let head = (any::<String>(), any::<String>(), 0..i64::MAX as u64);
    (head, purges(), then).prop_map(
        |((target, revision, requested), purges, then)| PurgeRequest {
            target,
            revision,
            purges,
            then,
            requested: WallMicros(requested),
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

/// A record without fields that an earlier form had not.
fn without(value: Value, fields: &[&str]) -> Value {
    match value {
        Value::Record(mut all) => {
            all.retain(|(name, _)| !fields.contains(&name.as_str()));
            let all = all.into_iter();
            Value::Record(
                all.map(|(name, value)| (name, without(value, fields)))
                    .collect(),
            )
        }
        Value::Array(items) => {
            let items = items.into_iter().map(|item| without(item, fields));
            Value::Array(items.collect())
        }
        other => other,
    }
}

/// The release before named a Redis family by a prefix. It stays distinguishable from a shape.
#[test]
fn a_family_is_read_as_a_prefix_from_the_second_form_and_as_a_shape_from_this_one() {
    let second = include_str!("../../../../schemas/earlier/purge_request.2.avsc");
    let second = crate::single_object::RecordSchema::new(second, &[]);
    let request = |name: &[u8]| PurgeRequest {
        target: "main".to_owned(),
        revision: "abc".to_owned(),
        purges: vec![RequestedPurge {
            family: "catalog.item".to_owned(),
            scope: Scope::Family,
            mode: PurgeMode::Hard,
            name: name.to_vec(),
            committed: WallMicros(7),
            cause: None,
        }],
        then: Vec::new(),
        requested: WallMicros(9),
    };
    let prefix = request(b"catalog:v1:item:");
    let record = second.encode(without(prefix.to_value(), &["causes", "cause"]));
    assert_eq!(PurgeRequest::decode(&record), Ok(prefix));
    let shape = request(b"catalog:v1:item:*:reviews");
    let record = shape.encode();
    assert_eq!(PurgeRequest::decode(&record), Ok(shape));
    // A process of the release before would take a shape for a prefix and purge nothing: it must not read it.
    let answer = second.decode(&record);
    let is_unknown = matches!(answer, Err(RecordError::UnknownSchema { .. }));
    assert!(is_unknown, "{answer:?}");
}

/// Who reads requests without this crate tells by it what a name covers.
#[test]
fn the_scope_says_whether_the_name_of_a_family_is_a_tag_or_a_shape() {
    for (name, wanted) in [
        (&b"catalog:v1:item:*"[..], "shape"),
        (b"catalog.item", "family"),
    ] {
        let purge = RequestedPurge {
            family: "catalog.item".to_owned(),
            scope: Scope::Family,
            mode: PurgeMode::Hard,
            name: name.to_vec(),
            committed: WallMicros(7),
            cause: None,
        };
        let mut fields = Fields::of(purge.to_avro(0)).expect("a record");
        assert_eq!(fields.text("scope"), Ok(wanted.to_owned()));
    }
}

/// Requests wait in topics while releases change. One of the first form is read as having nothing to do after it.
#[test]
fn a_request_of_the_first_form_is_still_read() {
    let first = crate::single_object::RecordSchema::new(
        include_str!("../../../../schemas/earlier/purge_request.1.avsc"),
        &[],
    );
    let request = PurgeRequest {
        target: "edge".to_owned(),
        revision: "abc".to_owned(),
        purges: vec![RequestedPurge {
            family: "catalog.item".to_owned(),
            scope: Scope::Tag,
            mode: PurgeMode::Soft,
            name: b"item-1".to_vec(),
            committed: WallMicros(7),
            cause: None,
        }],
        then: Vec::new(),
        requested: WallMicros(9),
    };
    let record = first.encode(without(request.to_value(), &["then", "causes", "cause"]));
    assert_eq!(PurgeRequest::decode(&record), Ok(request.clone()));
    // And one of a form that this release has never seen is told apart from damage.
    let newer =
        include_str!("../../../../schemas/purge_request.avsc").replace("PurgeRequest", "Newer");
    let newer = crate::single_object::RecordSchema::new(&newer, &[]);
    let answer = PurgeRequest::decode(&newer.encode(request.to_value()));
    assert!(
        matches!(answer, Err(RecordError::UnknownSchema { .. })),
        "{answer:?}"
    );
    assert!(SCHEMA.decode(&record).is_ok());
}
