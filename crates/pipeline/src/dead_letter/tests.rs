use std::sync::Arc;
use std::time::Duration;

use freshet_core::ports::Origin;
use freshet_core::position::{StreamId, StreamPosition};
use freshet_core::registry::{Freshness, FreshnessClass, OnSnapshot, OnTruncate, RegistryRevision};

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
        redis: None,
        cdn: None,
        fan_out_max: 64,
        on_truncate: OnTruncate::Family,
        on_snapshot: OnSnapshot::Ignore,
        dead_letters,
        entry_version: None,
        canary: None,
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
            partition: 0,
            offset: 7,
        },
        key: Some(b"the key"),
        value: Some(SECRET),
        appended: WallMicros(0),
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
fn families_are_named_once_and_in_order() {
    let registry = registry(&[LetterPolicy::Full; 3]);
    let ids = [2, 0, 2, 1, 9].map(FamilyId);
    let concerned = Concerned::by(&registry, ids.into_iter());
    assert_eq!(concerned.families, ["shop.f0", "shop.f1", "shop.f2"]);
}
