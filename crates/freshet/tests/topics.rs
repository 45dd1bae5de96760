//! Ready only while the topics of bound tables exist, on a real Kafka.

mod support;

use std::fs;

use support::deployment::Deployment;
use support::registry::SHOP;

const ITEMS: &str = "shop.public.items";
const NOTES: &str = "shop.public.notes";

fn readiness(deployment: &Deployment) -> (u16, String) {
    deployment.get("/readyz").unwrap_or_default()
}

#[test]
fn p2_a_bound_topic_that_does_not_exist_is_named_until_it_does_unless_it_is_optional() {
    let mut deployment = Deployment::new(&[SHOP], None);
    let source = deployment.registry_folder().join("sources/shop.yaml");
    let text = fs::read_to_string(&source).expect("the source file");
    let notes = format!("  - table: {NOTES}\n");
    assert!(text.contains(&notes), "{text}");
    let text = text.replace(&notes, &format!("{notes}    optional: true\n"));
    fs::write(&source, text).expect("written");
    deployment.start();
    deployment.until("the missing topic is named", || {
        let (code, text) = readiness(&deployment);
        let named = format!("topics: 1 of 2 topics do not exist: {ITEMS}; ");
        code == 503 && text.contains(&named) && text.lines().count() == 2
    });
    let missing =
        |topic: &str| deployment.metric(&format!("freshet_topic_missing{{topic=\"{topic}\"}}"));
    assert_eq!((missing(ITEMS), missing(NOTES)), (Some(1.0), Some(1.0)));
    deployment.kafka.create_topic(ITEMS, 1).expect("topic");
    deployment.until("ready without the optional topic", || {
        readiness(&deployment).0 == 200
    });
    assert_eq!((missing(ITEMS), missing(NOTES)), (Some(0.0), Some(1.0)));
    deployment.kafka.delete_topic(ITEMS).expect("deleted");
    deployment.until("a topic that was there is missed", || {
        let (code, text) = readiness(&deployment);
        code == 503 && text.contains(&format!("do not exist: {ITEMS}"))
    });
}
