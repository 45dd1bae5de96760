//! A running `freshet` that cannot commit says at which offset, since when, and what it waits for.

mod support;

use freshet_testbed::{TopicRecord, TopicWriter};
use support::deployment::Deployment;
use support::registry::SHOP;

const ITEMS: &str = "shop.public.items";

#[test]
fn an_offset_that_waits_for_a_schema_is_named_with_its_age() {
    let nobody = freshet_testbed::lease_port().expect("a port");
    let mut deployment = Deployment::new(&[SHOP], Some(&format!("http://{}", nobody.address())));
    deployment.start_ready();
    let writer = TopicWriter::new(&deployment.kafka.bootstrap()).expect("writer");
    let record = TopicRecord {
        topic: ITEMS.to_owned(),
        // Avro, framed, with schema 7.
        value: Some(vec![0, 0, 0, 0, 7, 2]),
        ..TopicRecord::default()
    };
    writer.write(&record).expect("written");
    writer.flush().expect("flushed");
    let wanted =
        format!("commits of intake 0 wait at {ITEMS}[0]@0: writer schema 7 is not available (for ");
    deployment.until("readiness names it", || {
        let told = deployment.get("/readyz");
        told.is_some_and(|(_, text)| text.contains(&wanted))
    });
    let age = "freshet_commit_withheld_seconds{intake=\"intake 0\",waits_for=\"schema\"}";
    let age = deployment.metric(age).expect("its age");
    assert!((4.0..60.0).contains(&age), "{age} s");
    deployment.until("the log names it", || {
        let log = deployment.log();
        log.contains("offsets are not committed")
            && log.contains("writer schema 7 is not available")
    });
    let (code, _) = deployment.terminate();
    assert_eq!(code, Some(0), "{}", deployment.log_tail());
}
