//! Our own records, read by an implementation of Avro that is not ours: `schemas/read.py` with `fastavro`, as
//! `docs/dead-letters.md` tells operators to.

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use freshet_core::cause::{Cause, Reason};
use freshet_core::intent::{Asked, Intent, NamedPurge};
use freshet_core::position::WallMicros;
use freshet_core::registry::{FreshnessClass, PurgeMode, Scope};
use freshet_wire::{DeadLetter, DeadLetterResolution, PurgeRequest, ReadPosition, encode_intent};
use serde_json::json;
use support::standard_reader::read;

const AT: WallMicros = WallMicros(1_795_406_543_404_140);

/// The bytes of a sample record, which the release before wrote.
fn sample(name: &str) -> Vec<u8> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/fixtures/earlier");
    let hex = fs::read_to_string(samples.join(format!("{name}.hex"))).expect("recorded");
    let pairs = (0..hex.trim().len()).step_by(2);
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    pairs.map(byte).collect()
}

/// The sample, with a cause for one of its purges, which the release before could not write.
fn request() -> PurgeRequest {
    let mut request = PurgeRequest::decode(&sample("purge_request.3")).expect("a request");
    request.purges[1].cause = Some(cause());
    request
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
    let letter = DeadLetter::decode(&sample("dead_letter.2")).expect("a letter");
    let resolution = DeadLetterResolution::decode(&sample("dead_letter_resolution.1"));
    let position = ReadPosition::decode(&sample("position.1")).expect("a position");
    let records = [
        letter.encode(),
        resolution.expect("what became of it").encode(),
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
