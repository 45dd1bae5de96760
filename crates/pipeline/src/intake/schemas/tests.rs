use std::collections::BTreeSet;
use std::sync::Mutex;

use freshet_core::ports::{Origin, RawRecord};
use freshet_core::position::{StreamId, StreamPosition, WallMicros};
use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;

/// Has the schemas below 100, does not know those from there on, and does not answer from 200 on.
#[derive(Clone, Default)]
struct Registry(Arc<Mutex<Vec<u32>>>);

impl WriterSchemas for Registry {
    fn fetch(&self, id: u32) -> Answer {
        self.0.lock().expect("unpoisoned").push(id);
        match id {
            0..100 => Ok(format!("schema {id}")),
            100..200 => Err(WriterSchemaError::Unknown { id }),
            _ => Err(unreachable(id, "it is away")),
        }
    }
}

struct Scene {
    registry: Registry,
    fetches: Fetches<Registry>,
}

impl Scene {
    /// Answers come at once, and waits are as long as they may be.
    fn new() -> Self {
        let registry = Registry::default();
        let (drive, dice) = (Drive::Steps(Duration::ZERO), Dice::from_fn(|| 1.0));
        let fetches = Fetches::new(registry.clone(), drive, dice);
        Self { registry, fetches }
    }

    fn asked(&self) -> Vec<u32> {
        self.registry.0.lock().expect("unpoisoned").clone()
    }

    /// Ids of what came at `now`, and whether it is a schema.
    fn came(&mut self, now: Steady) -> Vec<(u32, bool)> {
        let answers = std::iter::from_fn(|| self.fetches.next_answer(now));
        answers.map(|(id, answer)| (id, answer.is_ok())).collect()
    }
}

fn at(ms: u64) -> Steady {
    Steady(ms * 1_000)
}

#[test]
fn a_schema_that_is_wanted_is_asked_for_until_it_comes_or_is_refused() {
    let mut scene = Scene::new();
    assert!(scene.fetches.is_idle());
    for id in [7, 107, 207, 7] {
        scene.fetches.want(id, at(10));
    }
    assert_eq!(scene.came(at(9)), [], "not before its time");
    assert!(scene.asked().is_empty());
    assert_eq!(scene.came(at(10)), [(7, true), (107, false)]);
    assert_eq!(scene.asked(), [7, 107, 207]);
    assert!(!scene.fetches.is_idle() && !scene.fetches.is_under_way());
    let failing: Vec<_> = scene.fetches.failing().collect();
    assert_eq!(failing, [(207, "it is away")]);
    // Again after 50 ms, then after twice that.
    for (now, asked) in [(59, 3), (60, 4), (159, 4), (160, 5)] {
        assert_eq!(scene.came(at(now)), []);
        assert_eq!(scene.asked().len(), asked, "{now}");
    }
    scene.fetches.keep(|id| id != 207);
    assert!(scene.fetches.is_idle());
}

#[test]
fn what_the_registry_does_not_have_is_remembered_for_a_time() {
    let mut scene = Scene::new();
    for id in [107, 108] {
        scene.fetches.want(id, at(0));
    }
    assert_eq!(scene.came(at(0)).len(), 2);
    for id in [107, 108] {
        let refused = Some(&WriterSchemaError::Unknown { id });
        assert_eq!(scene.fetches.refusal(id, at(29_999)), refused);
        assert_eq!(scene.fetches.refusal(id, at(30_000)), None);
    }
    assert_eq!(scene.fetches.refusal(7, at(0)), None);
}

#[test]
fn of_too_many_refused_ids_the_oldest_is_forgotten() {
    let mut scene = Scene::new();
    let most = REFUSED_MAX as u32;
    for id in 0..=most {
        // From high to low, so that the oldest is not the first by number.
        let (id, now) = (most - id, Steady(u64::from(id)));
        let error = WriterSchemaError::Unknown { id };
        scene.fetches.refuse(id, error, now);
    }
    let refused = (0..=most).filter(|id| scene.fetches.refusal(*id, Steady(0)).is_some());
    assert_eq!(refused.collect::<Vec<_>>(), (0..most).collect::<Vec<_>>());
}

#[test]
fn p14_few_are_asked_for_at_a_time_and_who_waits_longest_is_first() {
    let mut scene = Scene::new();
    for id in 0..20 {
        scene.fetches.want(id, at(20 - u64::from(id)));
    }
    scene.fetches.ask(at(20));
    assert!(scene.fetches.is_under_way());
    let first: Vec<u32> = (12..20).rev().collect();
    assert_eq!(scene.asked(), first);
    scene.fetches.ask(at(20));
    assert_eq!(scene.asked(), first, "until one has come");
    scene.fetches.keep(|_| false);
    assert!(!scene.fetches.is_idle(), "who was asked may still answer");
    let came: BTreeSet<(u32, bool)> = scene.came(at(20)).into_iter().collect();
    assert_eq!(came, first.iter().map(|id| (*id, true)).collect());
    assert!(scene.fetches.is_idle());
}

#[test]
fn each_answer_is_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        let mut scene = Scene::new();
        for id in [1, 2, 3, 101, 102, 201] {
            scene.fetches.want(id, at(0));
        }
        scene.came(at(0));
    });
    let told = recorder.handle().render();
    for (outcome, count) in [("fetched", 3), ("refused", 2), ("failed", 1)] {
        let line = format!("{{outcome=\"{outcome}\"}} {count}\n");
        assert!(told.contains(&line), "{told}");
    }
}

#[test]
fn who_waits_for_what_is_said_until_nobody_does() {
    let mut scene = Scene::new();
    let (mut blame, status) = (Blame::new("schemas".to_owned()), Status::default());
    let mut parked = Parked::default();
    blame.say(&scene.fetches, &parked, &status, at(0));
    assert!(status.parts().is_empty());
    for (stream, id) in [(3, 203), (4, 204), (5, 204)] {
        let record = RawRecord {
            position: StreamPosition {
                stream: StreamId(stream),
                ordinal: 1,
            },
            origin: Origin {
                topic: "items",
                partition: stream as i32,
                offset: 1,
            },
            key: None,
            value: None,
            appended: WallMicros(1),
        };
        parked.park(&record, id);
        scene.fetches.want(id, at(0));
    }
    scene.fetches.want(205, at(0));
    assert_eq!(scene.came(at(0)), []);
    blame.say(&scene.fetches, &parked, &status, at(0));
    let unready = status.unready();
    assert_eq!(
        unready[0].reason,
        "schema 203: it is away; items[3] waits for it, and 1 more schemas are unavailable; waiting partitions: 3"
    );
    for stream in [3, 4, 5] {
        parked.forget(StreamId(stream));
    }
    blame.say(&scene.fetches, &parked, &status, at(1));
    assert!(status.is_ready("schemas"));
}
