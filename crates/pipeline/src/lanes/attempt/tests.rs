use freshet_core::purge::PurgeOutcome::{Forgotten, NodeDown, Purged, Refused, Unreachable};
use freshet_core::purge::Refusal::{OfCaller, OfPurge};

use std::sync::{Arc, Mutex};
use std::time::Duration;

use freshet_core::ports::{OutboxError, OutboxRecord};
use freshet_core::position::{Steady, WallMicros};
use freshet_core::registry::{
    FamilyId, PurgeMode, Registry, RegistryRevision, Scope, Target as NamedTarget, TargetId, Tier,
};
use freshet_core::template::NameForm;

use super::*;
use crate::clock::Clock;
use crate::lanes::backoff::{Backoff, Dice};
use crate::lanes::target::{NewTarget, is_answer};
use crate::watch::status::Status;

fn report(outcomes: &[PurgeOutcome], nodes_down: u32) -> PurgeReport {
    PurgeReport {
        outcomes: outcomes.to_vec(),
        nodes_down,
        ..PurgeReport::all(Purged, 0)
    }
}

#[test]
fn p6_a_silent_node_speaks_against_its_target_only_when_no_other_answers() {
    let throttled = PurgeOutcome::Throttled { retry_after_ms: 0 };
    for (outcomes, nodes_down, is_one) in [
        (&[Purged, Refused(OfPurge)][..], 0, true),
        (&[Purged, Refused(OfCaller)], 0, false),
        (&[Unreachable], 1, true),
        (&[Unreachable], 0, false),
        (&[NodeDown, Purged], 1, true),
        (&[NodeDown, Unreachable], 2, true),
        // Nothing that a node says, or forgets, is excused by another one that is silent.
        (&[NodeDown, throttled], 1, false),
        (&[Forgotten], 1, false),
    ] {
        let report = report(outcomes, nodes_down);
        assert_eq!(is_answer(&report), is_one, "{report:?}");
    }
}

#[test]
fn p6_what_is_not_asked_for_is_not_waited_for() {
    assert!(is_deferred(&report(&[NodeDown, Purged], 1)));
    assert!(!is_deferred(&report(&[NodeDown, Unreachable], 1)));
    assert!(!is_deferred(&report(&[NodeDown, Refused(OfPurge)], 1)));
}

/// A target that refuses every batch of several purges and answers nothing to the others.
#[derive(Debug, Default)]
struct RefusesThenHangs(Mutex<Vec<usize>>);

impl RefusesThenHangs {
    fn attempts(&self) -> Vec<usize> {
        self.0.lock().expect("unpoisoned").clone()
    }
}

const WHOLE: usize = 8;
/// A port bounds each attempt; this one by so much.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

impl Purger for RefusesThenHangs {
    async fn purge(&self, batch: &PurgeBatch) -> PurgeReport {
        self.0.lock().expect("unpoisoned").push(batch.len());
        if batch.len() == WHOLE {
            return PurgeReport::all(Refused(OfPurge), batch.len());
        }
        tokio::time::sleep(ANSWER_WITHIN).await;
        PurgeReport::all(Unreachable, batch.len())
    }

    async fn ping(&self) -> Result<(), String> {
        Ok(())
    }
}

struct NoOutbox;

impl Outbox for NoOutbox {
    async fn append(&self, _record: OutboxRecord) -> Result<(), OutboxError> {
        Ok(())
    }
}

struct Scene {
    target: Target<RefusesThenHangs>,
    store: Store<NoOutbox>,
    rules: Rules,
    batch: PurgeBatch,
}

impl Scene {
    fn attempts(&self, deadline: Option<Instant>) -> Attempts<'_, RefusesThenHangs, NoOutbox> {
        Attempts {
            rules: &self.rules,
            target: &self.target,
            store: &self.store,
            deadline,
        }
    }
}

fn rules() -> Rules {
    let revision = RegistryRevision {
        sequence: 1,
        content_hash: Arc::from("none"),
    };
    let target = NamedTarget {
        name: Arc::from("main"),
        tier: Tier::Store,
        names: NameForm::RedisKey,
    };
    Rules::new(Registry::new(revision, vec![], vec![], vec![target]))
}

fn scene() -> Scene {
    let start = Instant::now();
    let clock = Clock::from_hands(
        move || Steady(start.elapsed().as_micros() as u64),
        || WallMicros(0),
    );
    let backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
    let new = NewTarget {
        name: Arc::from("main"),
        purger: Arc::new(RefusesThenHangs::default()),
        backlog: Arc::from("b"),
        keep: None,
    };
    let target = Target::new(new, backoff, clock.now());
    let store = Store {
        outbox: Arc::new(NoOutbox),
        clock,
        status: Status::default(),
        backoff,
        dice: Dice::from_fn(|| 1.0),
        dead_letter_topic: Arc::from("letters"),
    };
    let mut batch = PurgeBatch::new(TargetId(0));
    for at in 0..WHOLE {
        batch.add(WantedPurge {
            family: FamilyId(0),
            scope: Scope::Keys,
            mode: PurgeMode::Hard,
            committed: WallMicros(1),
            name: format!("key-{at}").as_bytes(),
            cause: None,
        });
    }
    Scene {
        target,
        store,
        rules: rules(),
        batch,
    }
}

#[tokio::test(start_paused = true)]
async fn p6_the_halves_of_a_refused_batch_keep_its_deadline() {
    let within = Duration::from_millis(100);
    let scene = scene();
    let begun = Instant::now();
    let left = scene
        .attempts(Some(begun + within))
        .settle(&scene.batch, &mut Tried::default())
        .await;
    let took = begun.elapsed();
    let halves = scene.target.purger.attempts();
    assert!(halves.len() > 1 && halves[0] == WHOLE, "split: {halves:?}");
    assert!(took <= within, "took {took:?} of {within:?}");
    let left = left.expect("nothing was purged");
    assert_eq!(left.len(), WHOLE, "all of it goes to the backlog");
}

#[tokio::test(start_paused = true)]
async fn p6_the_halves_of_a_refused_batch_open_the_breaker_and_stop_at_it() {
    let scene = scene();
    let attempts = scene.attempts(None);
    for _ in 0..2 {
        let left = attempts
            .split(scene.batch.clone(), &mut Tried::default())
            .await;
        assert_eq!(left.expect("nothing was purged").len(), WHOLE);
    }
    assert_eq!(
        scene.target.purger.attempts().len(),
        3,
        "three failures in a row open it, and the fourth half makes no attempt"
    );
    let now = scene.store.clock.now();
    assert_ne!(scene.target.breaker.admit(now), Admission::Pass);
}
