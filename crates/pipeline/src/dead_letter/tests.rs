use std::sync::Arc;
use std::time::Duration;

use freshet_core::ports::Origin;
use freshet_core::position::{StreamId, StreamPosition};
use freshet_core::registry::{
    Freshness, FreshnessClass, OnSnapshot, OnTruncate, PurgeMode, RegistryRevision, Scope,
};

use super::*;

const SECRET: &[u8] = b"{\"after\": {\"name\": \"row-data-nobody-may-see\"}}";

/// A registry of one family for each policy.
fn registry(policies: &[LetterPolicy]) -> Registry {
    let family = |(at, &dead_letters): (usize, &LetterPolicy)| Family {
        name: Arc::from(format!("shop.f{at}")),
        owner: Arc::from("testers"),
        freshness: Freshness {
            class: FreshnessClass::Strict,
            within: Duration::from_secs(1),
            objective: 0.999,
            window: Duration::from_secs(3600),
        },
        max_ttl: Duration::from_secs(3600),
        places: Vec::new(),
        fan_out_max: 64,
        on_truncate: OnTruncate::Family,
        on_snapshot: OnSnapshot::Ignore,
        dead_letters,
        entry_version: None,
        beacon: None,
    };
    let revision = RegistryRevision {
        sequence: 1,
        content_hash: Arc::from("0"),
    };
    let families = policies.iter().enumerate().map(family).collect();
    Registry::new(revision, families, Vec::new(), Vec::new())
}

fn letter(policies: &[LetterPolicy]) -> DeadLetter {
    let registry = registry(policies);
    let ids = (0..policies.len() as u32).map(FamilyId);
    let record = RawRecord {
        position: StreamPosition {
            stream: StreamId(0),
            ordinal: 0,
        },
        origin: Origin {
            topic: "shop.public.items",
            partition: 3,
            offset: 7,
        },
        key: Some(b"the key"),
        value: Some(SECRET),
        appended: WallMicros(4),
    };
    let reason = Reason {
        label: "bad_json",
        detail: "why".to_owned(),
    };
    of_record(
        &record,
        reason,
        Concerned::by(&registry, ids),
        WallMicros(9),
    )
}

#[test]
fn p12_the_strictest_policy_of_all_families_wins() {
    use LetterPolicy::{Full, KeysOnly, None, Redacted};
    for (policies, expected) in [
        (&[][..], None),
        (&[Full], Full),
        (&[Full, None], None),
        (&[Full, KeysOnly, Redacted], KeysOnly),
        (&[Redacted, Full], Redacted),
    ] {
        let letter = letter(policies);
        assert_eq!(letter.policy, expected, "{policies:?}");
        assert_eq!(letter.key.is_some(), expected != None, "{policies:?}");
        let secret = letter.value.is_some_and(|value| value.0 == SECRET);
        assert_eq!(secret, expected == Full, "{policies:?}");
        assert_eq!(letter.value_bytes, SECRET.len() as u64);
    }
}

#[test]
fn a_letter_says_which_record_it_is_about_and_why() {
    let wanted = DeadLetter {
        topic: "shop.public.items".to_owned(),
        partition: 3,
        offset: 7,
        reason: "bad_json".to_owned(),
        detail: "why".to_owned(),
        families: vec!["shop.f0".to_owned()],
        value_bytes: SECRET.len() as u64,
        attempts: 1,
        at: WallMicros(9),
        appended: WallMicros(4),
        policy: LetterPolicy::None,
        ..DeadLetter::default()
    };
    assert_eq!(letter(&[LetterPolicy::None]), wanted);
}

#[test]
fn families_are_named_once_and_in_order() {
    let registry = registry(&[LetterPolicy::Full; 3]);
    let ids = [2, 0, 2, 1, 9].map(FamilyId);
    let concerned = Concerned::by(&registry, ids.into_iter());
    assert_eq!(concerned.families, ["shop.f0", "shop.f1", "shop.f2"]);
}

#[test]
fn a_purge_that_is_refused_names_no_record() {
    let purge = WantedPurge {
        family: FamilyId(0),
        scope: Scope::Keys,
        mode: PurgeMode::Hard,
        committed: WallMicros(5),
        name: b"shop:v1:7",
        cause: None,
    };
    let letter = of_purge(&purge, "why".to_owned(), "shop.f0", WallMicros(9));
    let wanted = DeadLetter {
        topic: String::new(),
        partition: -1,
        offset: -1,
        reason: "refused".to_owned(),
        detail: "why".to_owned(),
        families: vec!["shop.f0".to_owned()],
        value_bytes: 9,
        attempts: 1,
        at: WallMicros(9),
        appended: WallMicros(5),
        ..DeadLetter::default()
    };
    assert_eq!(letter, wanted);
}

#[test]
fn a_schema_that_is_there_and_bad_is_told_from_one_that_is_missing() {
    let of = |error| Reason::of_schema(&error).label;
    let (id, reason) = (7, "why".to_owned());
    assert_eq!(of(WriterSchemaError::Unusable { id, reason }), "bad_schema");
    assert_eq!(of(WriterSchemaError::Unknown { id }), "unknown_schema");
}
