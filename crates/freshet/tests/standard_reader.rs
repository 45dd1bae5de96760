//! Our own records, read by an implementation of Avro that is not ours: `schemas/read.py` with `fastavro`, as
//! `docs/dead-letters.md` tells operators to.

mod support;

use std::sync::Arc;

use freshet_core::cause::{Cause, Reason};
use freshet_core::intent::{Asked, Intent, NamedPurge};
use freshet_core::position::WallMicros;
use freshet_core::registry::{FreshnessClass, LetterPolicy, PurgeMode, Scope};
use freshet_wire::{
    DeadLetter, DeadLetterResolution, OuterPurges, PurgeRequest, ReadPosition, RequestedPurge,
    ResolutionAction, RowBytes, encode_intent,
};
use serde_json::json;
use support::standard_reader::read;

const AT: WallMicros = WallMicros(1_795_406_543_404_140);

fn request() -> PurgeRequest {
    let purge = |scope, name: &str| RequestedPurge {
        family: "catalog.item".to_owned(),
        scope,
        mode: PurgeMode::Hard,
        name: name.as_bytes().to_vec(),
        committed: AT,
        cause: None,
    };
    PurgeRequest {
        target: "main".to_owned(),
        revision: "0123456789abcdef".to_owned(),
        purges: vec![
            purge(Scope::Keys, "catalog:v1:item:7"),
            RequestedPurge {
                cause: Some(cause()),
                ..purge(Scope::Family, "catalog:v1:item:*:reviews")
            },
        ],
        then: vec![OuterPurges {
            target: "edge".to_owned(),
            purges: vec![
                purge(Scope::Tag, "item-7"),
                purge(Scope::Family, "catalog.item"),
            ],
        }],
        requested: AT,
    }
}

fn letter() -> DeadLetter {
    DeadLetter {
        topic: "shop.public.items".to_owned(),
        partition: 3,
        offset: 1 << 40,
        reason: "bad_avro".to_owned(),
        families: vec!["catalog.item".to_owned()],
        at: AT,
        policy: LetterPolicy::KeysOnly,
        key: Some(RowBytes(b"{\"id\":7}".to_vec())),
        ..DeadLetter::default()
    }
}

fn intent() -> Intent {
    Intent {
        cause: cause(),
        asked: Asked::Names(vec![NamedPurge {
            target: "main".into(),
            family: "catalog.item".into(),
            scope: Scope::Keys,
            mode: PurgeMode::Hard,
            name: b"catalog:v1:item:7".to_vec(),
        }]),
        class: FreshnessClass::Strict,
        since: AT,
    }
}

/// A letter that somebody tried again.
fn cause() -> Arc<Cause> {
    Arc::new(Cause {
        actor: "ann@host".into(),
        reason: Reason::Letter,
        detail: "3:14".into(),
    })
}

#[test]
fn a_standard_reader_reads_every_record_of_ours() {
    let resolution = DeadLetterResolution {
        letter_partition: 0,
        letter_offset: 5,
        action: ResolutionAction::FamiliesPurged,
        because: "looked into".to_owned(),
        actor: "ann@host".to_owned(),
        families: vec!["catalog.item".to_owned()],
        purges: 2,
        at: AT,
    };
    let position = ReadPosition {
        group: "freshet".to_owned(),
        topic: "shop.public.items".to_owned(),
        partition: 1,
        offset: 9,
        at: AT,
    };
    let records = [
        letter().encode(),
        resolution.encode(),
        request().encode(),
        position.encode(),
        encode_intent(&intent()),
    ];
    let found = read(&records);
    let at = "2026-11-23T04:02:23.404140+00:00";
    assert_eq!(found.len(), 5);
    assert_eq!(found[0]["schema"], "freshet.DeadLetter");
    assert_eq!(found[0]["offset"], 1_u64 << 40);
    assert_eq!(
        (&found[0]["policy"], &found[0]["key"]),
        (&json!("keys-only"), &json!("{\"id\":7}"))
    );
    assert_eq!(found[0]["at"], at);
    assert_eq!(found[1]["schema"], "freshet.DeadLetterResolution");
    assert_eq!(
        (&found[1]["action"], &found[1]["actor"]),
        (&json!("families_purged"), &json!("ann@host"))
    );
    assert_eq!(found[2]["schema"], "freshet.PurgeRequest");
    let scopes = |purges: &serde_json::Value| -> Vec<(String, String)> {
        let purges = purges.as_array().expect("an array").iter();
        let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
        purges
            .map(|it| (text(&it["scope"]), text(&it["name"])))
            .collect()
    };
    let named = |scope: &str, name: &str| (scope.to_owned(), name.to_owned());
    let wanted = [
        named("keys", "catalog:v1:item:7"),
        named("shape", "catalog:v1:item:*:reviews"),
    ];
    assert_eq!(scopes(&found[2]["purges"]), wanted);
    let wanted = [named("tag", "item-7"), named("family", "catalog.item")];
    assert_eq!(scopes(&found[2]["then"][0]["purges"]), wanted);
    assert_eq!(found[3]["schema"], "freshet.Position");
    assert_eq!(
        (&found[3]["group"], &found[3]["offset"]),
        (&json!("freshet"), &json!(9))
    );
    assert_causes(&found);
}

/// Who asked for the purges of the request and of the intent, and why.
fn assert_causes(found: &[serde_json::Value]) {
    let cause = json!({"actor": "ann@host", "reason": "letter", "detail": "3:14"});
    let change = json!({"actor": "freshet", "reason": "change", "detail": ""});
    assert_eq!(found[2]["causes"], json!([change, cause]));
    assert_eq!(
        (
            &found[2]["purges"][0]["cause"],
            &found[2]["purges"][1]["cause"]
        ),
        (&json!(0), &json!(1))
    );
    assert_eq!(found[4]["schema"], "freshet.Intent");
    assert_eq!(
        (&found[4]["asked"], &found[4]["cause"]),
        (&json!("names"), &cause)
    );
}
