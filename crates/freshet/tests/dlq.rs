//! `freshet dlq` against a running `freshet` on real servers: what is put aside is listed, shown, tried again and
//! closed, and whoever did so is told.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use freshet_core::position::WallMicros;
use freshet_testbed::{TopicReader, TopicRecord, TopicWriter};
use freshet_wire::{DeadLetter, DeadLetterResolution, ResolutionAction};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::{Value, json};
use support::deployment::Deployment;
use support::registry::SHOP;
use support::schemas::Schemas;

const ITEMS: &str = "shop.public.items";
const NOTES: &str = "shop.public.notes";
const NOTE_KEYS: [&str; 2] = ["shop:v1:note:1", "shop:v1:item_notes:5"];
/// A value that must never be seen in a log, or in an answer where no policy lets it.
const SECRET: &str = "row-data-nobody-may-see";

/// An answer of the command: exit code, standard output, standard error.
struct Answer {
    code: Option<i32>,
    out: String,
    told: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

fn dlq(folder: &Path, args: &[&str]) -> Answer {
    let output = Command::new(env!("CARGO_BIN_EXE_freshet"))
        .arg("dlq")
        .args(args)
        .current_dir(folder)
        .output()
        .expect("freshet runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Answer {
        code: output.status.code(),
        out: text(output.stdout),
        told: text(output.stderr),
    }
}

struct World {
    deployment: Deployment,
    writer: TopicWriter,
    schemas: Schemas,
}

impl World {
    fn start() -> Self {
        let schemas = Schemas::start();
        let mut deployment = Deployment::new(&[SHOP], Some(&schemas.url));
        for topic in [ITEMS, NOTES] {
            deployment.kafka.create_topic(topic, 1).expect("topic");
        }
        let families = deployment.registry_folder().join("families/shop");
        for (family, policy) in [
            ("note", "full"),
            ("item_notes", "redacted"),
            ("doc", "keys-only"),
        ] {
            let path = families.join(format!("{family}.yaml"));
            let text = fs::read_to_string(&path).expect("the family");
            fs::write(&path, format!("{text}dead_letters: {policy}\n")).expect("written");
        }
        let folder = deployment.registry_folder();
        let folder = folder.parent().expect("a folder");
        let none = dlq(folder, &["list"]);
        assert_eq!(none.code, Some(1), "{}", none.told);
        assert!(none.told.contains("there is no topic freshet.dead-letters"));
        deployment.start_ready();
        let writer = TopicWriter::new(&deployment.kafka.bootstrap()).expect("writer");
        Self {
            deployment,
            writer,
            schemas,
        }
    }

    fn dlq(&self, args: &[&str]) -> Answer {
        let folder = self.deployment.registry_folder();
        dlq(folder.parent().expect("a folder"), args)
    }

    /// Writes a record and waits for its letter; its id.
    fn poison(&self, topic: &str, value: &[u8], open: usize) -> String {
        let record = TopicRecord {
            topic: topic.to_owned(),
            key: Some(b"{\"id\":7}".to_vec()),
            value: Some(value.to_vec()),
            ..TopicRecord::default()
        };
        self.writer.write(&record).expect("written");
        self.writer.flush().expect("stored");
        self.deployment
            .until("the letter is listed", || self.open().len() == open);
        let newest = self.open().remove(0);
        newest["id"].as_str().expect("an id").to_owned()
    }

    fn open(&self) -> Vec<Value> {
        let answer = self.dlq(&["list", "-o", "json"]);
        assert_eq!(answer.code, Some(0), "{}", answer.told);
        answer.json().as_array().expect("a list").clone()
    }

    fn fill(&self, keys: &[&str]) {
        self.deployment.fill(&owned(keys));
    }

    fn present(&self, keys: &[&str]) -> Vec<String> {
        self.deployment.present(&owned(keys))
    }
}

fn owned(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

#[test]
fn letters_are_worked_through() {
    let mut world = World::start();
    let poison = poison_is_listed_and_shown(&world);
    what_stays_poison_is_retried_by_its_families(&world, &poison);
    what_can_be_read_now_purges_its_exact_keys(&world);
    a_request_that_can_be_read_now_goes_to_its_lane_again(&world);
    what_retention_took_is_said_to_be_gone(&world);
    discard_closes(&world);
    the_audit_trail_has_everything(&world, &poison);
    let log = world.deployment.log();
    assert!(!log.contains(SECRET), "P12: row data in the log");
    brokers_that_are_away_are_told_in_time(&mut world);
}

fn poison_is_listed_and_shown(world: &World) -> String {
    world.fill(&NOTE_KEYS);
    let value = format!("{{\"op\": \"x\", \"after\": {{\"text\": \"{SECRET}\"}}}}");
    let id = world.poison(NOTES, value.as_bytes(), 1);
    world.deployment.until("the families were purged", || {
        world.present(&NOTE_KEYS).is_empty()
    });
    let listed = world.open().remove(0);
    assert_eq!(listed["reason"], "unknown_op");
    assert_eq!(listed["record"]["topic"], NOTES);
    assert_eq!(listed["record"]["offset"], 0);
    assert_eq!(listed["families"], json!(["shop.item_notes", "shop.note"]));
    let text = world.dlq(&["list", "--since", "1h", "--family", "shop.note"]);
    assert!(
        text.out.contains(&id) && text.out.ends_with("1 letter\n"),
        "{}",
        text.out
    );
    let other = world.dlq(&["list", "--reason", "bad_avro"]);
    assert_eq!(other.out, "no letters\n");
    let shown = world.dlq(&["show", &id, "-o", "json"]);
    let letter = shown.json();
    assert_eq!(letter["policy"], "redacted", "the stricter of two");
    assert_eq!(letter["key"]["text"], "{\"id\":7}");
    let value = letter["value"]["text"].as_str().expect("a value");
    let value: Value = serde_json::from_str(value).expect("JSON");
    assert_eq!(value["after"]["text"], "string(23)");
    assert!(
        letter["advice"]
            .as_str()
            .expect("advice")
            .contains("Upgrade")
    );
    let shown = world.dlq(&["show", &id]);
    assert!(
        shown.out.contains("Was Debezium upgraded?"),
        "{}",
        shown.out
    );
    assert!(!shown.out.contains(SECRET), "P12: {}", shown.out);
    id
}

fn what_stays_poison_is_retried_by_its_families(world: &World, id: &str) {
    world.fill(&NOTE_KEYS);
    world.deployment.cache_page("/p/shop-note-1,shop.note");
    let because = ["--because", "looked into"];
    let still = world.dlq(&[&["retry", id], &because[..]].concat());
    assert_eq!(still.code, Some(1), "{}{}", still.out, still.told);
    assert!(still.out.contains("still unknown_op") && still.out.contains("--family-scope"));
    let scope = [&["retry", id, "--family-scope"], &because[..]].concat();
    let dry = world.dlq(&[&scope[..], &["--dry-run"]].concat());
    assert_eq!(dry.code, Some(0), "{}", dry.told);
    assert!(
        dry.out.contains("dry run: 1 would be closed"),
        "{}",
        dry.out
    );
    assert_eq!(world.open().len(), 1, "nothing was done");
    let done = world.dlq(&scope);
    assert_eq!(done.code, Some(0), "{}{}", done.out, done.told);
    assert!(
        done.out
            .contains("families_purged, 3 purges for shop.item_notes, shop.note")
    );
    world.deployment.until("the families are purged again", || {
        world.present(&NOTE_KEYS).is_empty()
            && !world.deployment.page_is_cached("/p/shop-note-1,shop.note")
    });
    assert_eq!(world.open(), [Value::Null; 0], "closed");
    let again = world.dlq(&scope);
    assert_eq!(again.code, Some(2));
    assert!(
        again.told.contains("is closed: families_purged by"),
        "{}",
        again.told
    );
}

/// An Avro record whose schema nobody knows yet.
fn what_can_be_read_now_purges_its_exact_keys(world: &World) {
    let gone = [
        "shop:v1:item:5",
        "shop:v1:listing:2:region:eu",
        "shop:v1:listing:2:region:us",
    ];
    let stay = [
        "shop:v1:item:6",
        "shop:v1:listing:3:region:eu",
        "shop:v1:note:1",
    ];
    world.fill(&gone);
    world.deployment.cache_page("/p/shop.item");
    let id = world.poison(ITEMS, &avro_item(), 1);
    let listed = world.open().remove(0);
    assert_eq!(listed["reason"], "unknown_schema");
    assert_eq!(listed["policy"], "none", "the strictest of three");
    world.deployment.until("the families were purged", || {
        world.present(&gone).is_empty() && !world.deployment.page_is_cached("/p/shop.item")
    });
    let retry = [
        "retry",
        "--reason",
        "unknown_schema",
        "--because",
        "registered",
        "-o",
        "json",
    ];
    let still = world.dlq(&retry);
    assert_eq!(still.code, Some(1));
    let why = still.json()["letters"][0]["detail"].to_string();
    assert!(why.contains("no schema with id 9"), "{why}");
    world.fill(&gone);
    world.fill(&stay);
    for page in ["/p/shop-item-5", "/p/shop-item-6"] {
        world.deployment.cache_page(page);
    }
    world.schemas.register(9, &AVRO_SCHEMA.replace('\n', " "));
    let done = world.dlq(&retry);
    assert_eq!(done.code, Some(0), "{}{}", done.out, done.told);
    let letter = &done.json()["letters"][0];
    assert_eq!(
        (&letter["id"], &letter["action"]),
        (&json!(id), &json!("retried"))
    );
    assert_eq!(letter["families"], json!(["shop.item", "shop.listing"]));
    world.deployment.until("its keys and its page go", || {
        world.present(&gone).is_empty() && !world.deployment.page_is_cached("/p/shop-item-5")
    });
    assert_eq!(world.present(&stay), owned(&stay), "no other key goes");
    assert!(world.deployment.page_is_cached("/p/shop-item-6"));
    assert_eq!(world.open().len(), 0);
}

/// A letter about a lane's record, as a release writes it that cannot read that record yet.
fn a_request_that_can_be_read_now_goes_to_its_lane_again(world: &World) {
    let lane = "freshet.backlog.main";
    let mut reader = TopicReader::new(&world.deployment.kafka.bootstrap()).expect("reader");
    let records = reader.read_new().expect("read");
    let requests = records.iter().filter(|record| record.topic == lane);
    let last = requests
        .max_by_key(|record| record.timestamp_ms)
        .expect("the retry's");
    let letter = DeadLetter {
        topic: lane.to_owned(),
        partition: last.partition,
        offset: last.offset,
        reason: "bad_request".to_owned(),
        at: WallMicros(u64::MAX >> 12),
        ..DeadLetter::default()
    };
    let record = TopicRecord {
        topic: "freshet.dead-letters".to_owned(),
        value: Some(letter.encode()),
        ..TopicRecord::default()
    };
    world.fill(&["shop:v1:item:5", "shop:v1:item:6"]);
    world.writer.write(&record).expect("written");
    world.writer.flush().expect("stored");
    let retried = world.dlq(&["retry", "--topic", lane, "--because", "upgraded"]);
    assert_eq!(retried.code, Some(0), "{}{}", retried.out, retried.told);
    world.deployment.until("what it asked for goes again", || {
        world.present(&["shop:v1:item:5"]).is_empty()
    });
    assert_eq!(world.present(&["shop:v1:item:6"]).len(), 1);
    assert_eq!(world.open().len(), 0);
}

fn what_retention_took_is_said_to_be_gone(world: &World) {
    let id = world.poison(NOTES, b"{ broken", 1);
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", world.deployment.kafka.bootstrap())
        .create()
        .expect("a client");
    let mut all = TopicPartitionList::new();
    all.add_partition_offset(NOTES, 0, Offset::End)
        .expect("an end");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime
        .block_on(admin.delete_records(&all, &AdminOptions::new()))
        .expect("deleted");
    let retried = world.dlq(&["retry", &id, "--because", "x"]);
    assert_eq!(retried.code, Some(1));
    assert!(
        retried.out.contains("its record is gone"),
        "{}",
        retried.out
    );
    assert_eq!(world.open().len(), 1, "it stays open");
}

fn discard_closes(world: &World) {
    let id = world.poison(NOTES, b"[]", 2);
    let by_topic = ["discard", "--topic", NOTES, "--because", "a \u{1b}[2Jtest"];
    let dry = world.dlq(&[&by_topic[..], &["--dry-run"]].concat());
    assert!(dry.out.contains("2 would be closed"), "{}", dry.out);
    let one = world.dlq(&["discard", &id, "--because", "ours"]);
    assert_eq!((one.code, world.open().len()), (Some(0), 1), "{}", one.told);
    let rest = world.dlq(&by_topic);
    assert_eq!(
        (rest.code, world.open().len()),
        (Some(0), 0),
        "{}",
        rest.told
    );
    assert!(!rest.out.contains('\u{1b}'), "nothing a terminal acts on");
    let nothing = world.dlq(&by_topic);
    assert_eq!(nothing.code, Some(0));
    assert!(
        nothing.out.contains("no open letter matches"),
        "{}",
        nothing.out
    );
    let all = world.dlq(&["list", "--all", "--limit", "3"]);
    assert!(
        all.out.contains("discarded") && all.out.contains("3 of 5 letters"),
        "{}",
        all.out
    );
    for (wrong, why) in [
        (
            &["discard", "7:7", "--because", "x"][..],
            "there is no letter 7:7",
        ),
        (&["show", "0:4711"], "there is no letter 0:4711"),
    ] {
        let answer = world.dlq(wrong);
        assert_eq!(answer.code, Some(2), "{}", answer.told);
        assert!(answer.told.contains(why), "{}", answer.told);
    }
}

fn the_audit_trail_has_everything(world: &World, first: &str) {
    let mut reader = TopicReader::new(&world.deployment.kafka.bootstrap()).expect("reader");
    let records = reader.read_new().expect("read");
    let trail: Vec<DeadLetterResolution> = records
        .iter()
        .filter(|record| record.topic == "freshet.dead-letters")
        .filter_map(|record| DeadLetterResolution::decode(record.value.as_deref()?).ok())
        .collect();
    let actions: Vec<ResolutionAction> = trail.iter().map(|it| it.action).collect();
    assert_eq!(actions.len(), 5, "{trail:?}");
    assert_eq!(actions[0], ResolutionAction::FamiliesPurged);
    assert_eq!(actions[1], ResolutionAction::Retried);
    for resolution in &trail {
        assert!(!resolution.because.is_empty() && resolution.at.0 > 0);
        assert!(resolution.actor.contains('@'), "{}", resolution.actor);
    }
    let shown = world.dlq(&["show", first, "-o", "json"]).json();
    let resolution = &shown["resolution"];
    assert_eq!(resolution["action"], "families_purged");
    assert_eq!(resolution["because"], "looked into");
    assert_eq!(resolution["purges"], 3);
    other_tools_read_the_topics(&records);
}

/// Everything of ours that the topics hold, as another implementation of Avro reads it.
fn other_tools_read_the_topics(records: &[TopicRecord]) {
    let ours = ["freshet.dead-letters", "freshet.backlog.main"];
    let of_topics = records
        .iter()
        .filter(|record| ours.contains(&&*record.topic));
    let values: Vec<Vec<u8>> = of_topics
        .filter_map(|record| record.value.clone())
        .collect();
    let found = support::standard_reader::read(&values);
    for schema in ["DeadLetter", "DeadLetterResolution", "PurgeRequest"] {
        let schema = format!("freshet.{schema}");
        assert!(
            found.iter().any(|it| it["schema"] == *schema),
            "{schema}: {found:?}"
        );
    }
    assert_eq!(found.len(), values.len());
}

fn brokers_that_are_away_are_told_in_time(world: &mut World) {
    world.deployment.kafka.stop();
    let begun = Instant::now();
    let answer = world.dlq(&["list", "--timeout", "1s"]);
    assert_eq!(answer.code, Some(1));
    assert!(
        answer.told.contains("no answer from the brokers within 1s"),
        "{}",
        answer.told
    );
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn wrong_flags_are_told_before_anything_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    for (wrong, why) in [
        (&["show", "seventeen"][..], "<partition>:<offset>"),
        (&["retry", "0:1"], "--because"),
        (&["retry", "0:1", "--because", ""], "--because"),
        (&["retry", "--because", "x"], "required"),
        (
            &["retry", "0:1", "--family", "f", "--because", "x"],
            "cannot be used with",
        ),
        (&["discard", "0:1"], "--because"),
        (&["discard", "--since", "2h", "--because", "x"], "required"),
        (
            &["list", "--since", "yesterday"],
            "a whole number and a unit",
        ),
        (&["list", "--timeout", "0s"], "a whole number and a unit"),
        (&["list"], "freshet.yaml"),
    ] {
        let answer = dlq(folder.path(), wrong);
        assert_eq!(answer.code, Some(2), "{wrong:?}: {}", answer.told);
        assert!(answer.told.contains(why), "{wrong:?}: {}", answer.told);
    }
    let help = dlq(folder.path(), &["--help"]);
    assert!(help.out.contains("Exit codes") && help.out.contains("discard"));
    let help = dlq(folder.path(), &["retry", "--help"]);
    assert!(help.out.contains("Examples:") && help.out.contains("--family-scope"));
}

const AVRO_SCHEMA: &str = r#"{"type": "record", "name": "Envelope", "fields": [
{"name": "before", "type": ["null", {"type": "record", "name": "Value", "fields": [
 {"name": "id", "type": "long"}, {"name": "category_id", "type": "long"},
 {"name": "tenant", "type": "int"}, {"name": "name", "type": "string"},
 {"name": "body", "type": ["null", "string"]}]}]},
{"name": "after", "type": ["null", "Value"]},
{"name": "op", "type": "string"}]}"#;

/// The insert of item 5 in category 2, framed under schema 9.
fn avro_item() -> Vec<u8> {
    let text = |text: &str| [vec![text.len() as u8 * 2], text.as_bytes().to_vec()].concat();
    let framing = vec![0, 0, 0, 0, 9];
    // Numbers are zigzag: twice themselves. No before-image; after-image; id, category, tenant.
    let head = vec![0, 2, 10, 4, 2];
    // No body.
    [framing, head, text(SECRET), vec![0], text("c")].concat()
}
