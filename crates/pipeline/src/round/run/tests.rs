//! Who waits for whom: tiers for each other, and nobody for a lane that is late.

use std::sync::Mutex;
use std::time::Duration;

use freshet_core::ports::{OutboxError, OutboxRecord};
use freshet_core::position::{Steady, WallMicros};
use freshet_core::purge::{PurgeOutcome, PurgeReport, WantedPurge};
use freshet_core::registry::{
    FamilyId, PurgeMode, Registry, RegistryRevision, Scope, Target as NamedTarget, TargetId,
};
use freshet_core::template::NameForm;
use tokio::time::Instant;

use super::*;
use crate::lanes::backoff::{Backoff, Dice};
use crate::lanes::lane::Policy;
use crate::lanes::target::{NewTarget, Target};
use crate::lanes::turns::Turns;
use crate::rules::Rules;
use crate::watch::status::Status;

/// What was asked and answered, in order: `main?` and `main!`, with the milliseconds since the start.
type Log = Arc<Mutex<Vec<(String, u64)>>>;

/// A cache that answers after a time, in milliseconds.
struct Slow {
    name: &'static str,
    answers_after_ms: u64,
    begun: Instant,
    log: Log,
}

impl Slow {
    fn note(&self, what: &str) {
        let at = self.begun.elapsed().as_millis() as u64;
        let mut log = self.log.lock().expect("unpoisoned");
        log.push((format!("{}{what}", self.name), at));
    }
}

impl Purger for Slow {
    async fn purge(&self, batch: &PurgeBatch) -> PurgeReport {
        self.note("?");
        tokio::time::sleep(Duration::from_millis(self.answers_after_ms)).await;
        self.note("!");
        let mut report = PurgeReport::all(PurgeOutcome::Purged, batch.len());
        for (outcome, purge) in report.outcomes.iter_mut().zip(batch.wanted()) {
            if purge.name == OF_A_DEAD_NODE {
                (*outcome, report.nodes_down) = (PurgeOutcome::NodeDown, 1);
            }
        }
        report
    }

    async fn ping(&self) -> Result<(), String> {
        Ok(())
    }
}

/// A name that nobody answers for.
const OF_A_DEAD_NODE: &[u8] = b"of a dead node";

/// Keeps the topics of what was appended.
#[derive(Default)]
struct Topics(Mutex<Vec<Arc<str>>>);

impl Outbox for Topics {
    async fn append(&self, record: OutboxRecord) -> Result<(), OutboxError> {
        self.0.lock().expect("unpoisoned").push(record.topic);
        Ok(())
    }
}

/// A store, another store, a shield and an edge.
const TARGETS: [(&str, Tier); 4] = [
    ("main", Tier::Store),
    ("side", Tier::Store),
    ("shield", Tier::Shield),
    ("edge", Tier::Edge),
];

struct Scene {
    run: RunRound<Slow, Topics>,
    rules: Arc<Rules>,
    log: Log,
    begun: Instant,
}

/// Targets that answer after so many milliseconds each.
fn scene(answers_after_ms: [u64; 4]) -> Scene {
    let (begun, log) = (Instant::now(), Log::default());
    let clock = Clock::from_hands(
        move || Steady(begun.elapsed().as_micros() as u64),
        move || WallMicros(begun.elapsed().as_micros() as u64),
    );
    let backoff = Backoff::default();
    let store = Arc::new(Store {
        outbox: Arc::new(Topics::default()),
        clock: clock.clone(),
        status: Status::default(),
        backoff,
        dice: Dice::from_fn(|| 1.0),
        dead_letter_topic: Arc::from("letters"),
    });
    let lanes: BTreeMap<_, _> = TARGETS
        .iter()
        .zip(answers_after_ms)
        .map(|(&(name, _), answers_after_ms)| {
            let slow = Slow {
                name,
                answers_after_ms,
                begun,
                log: Arc::clone(&log),
            };
            let new = NewTarget {
                name: Arc::from(name),
                purger: Arc::new(slow),
                backlog: Arc::from(format!("backlog.{name}")),
                keep: None,
            };
            let lane = Lane {
                target: Arc::new(Target::new(new, backoff, clock.now())),
                policy: Policy::Inline(Duration::from_secs(1)),
                store: Arc::clone(&store),
                turns: Turns::new(2),
            };
            (Arc::from(name), Arc::new(lane))
        })
        .collect();
    let targets = TARGETS.map(|(name, tier)| NamedTarget {
        name: Arc::from(name),
        tier,
        names: NameForm::RedisKey,
    });
    let revision = RegistryRevision {
        sequence: 1,
        content_hash: Arc::from("none"),
    };
    let registry = Registry::new(revision, vec![], vec![], targets.into());
    Scene {
        run: RunRound { lanes, store },
        rules: Arc::new(Rules::new(registry)),
        log,
        begun,
    }
}

impl Scene {
    /// The lane of the innermost target.
    fn main(&mut self) -> &mut Lane<Slow, Topics> {
        let lane = self.run.lanes.get_mut("main").expect("there");
        Arc::get_mut(lane).expect("nobody else has it")
    }

    /// From now on the innermost target answers after so many milliseconds.
    fn answers_after(&mut self, answers_after_ms: u64) {
        let target = Arc::get_mut(&mut self.main().target).expect("nobody else has it");
        let slow = Arc::get_mut(&mut target.purger).expect("nobody else has it");
        slow.answers_after_ms = answers_after_ms;
    }

    /// A round with one purge for each target.
    fn round(&self, number: u64) -> Round {
        let mut round = Round::new(Arc::clone(&self.rules));
        for at in 0..TARGETS.len() {
            add(
                &mut round,
                TargetId(at as u32),
                number.to_string().as_bytes(),
            );
        }
        round
    }

    fn log(&self) -> Vec<(String, u64)> {
        self.log.lock().expect("unpoisoned").clone()
    }

    /// When something first stands in the log, in milliseconds.
    fn first(&self, what: &str) -> u64 {
        let log = self.log();
        let found = log.iter().find(|(it, _)| it == what);
        found.unwrap_or_else(|| panic!("no {what}: {log:?}")).1
    }

    fn count(&self, what: &str) -> usize {
        self.log().iter().filter(|(it, _)| it == what).count()
    }
}

fn add(round: &mut Round, target: TargetId, name: &[u8]) {
    let wanted = WantedPurge {
        family: FamilyId(0),
        scope: Scope::Keys,
        mode: PurgeMode::Hard,
        committed: WallMicros(1),
        cause: None,
        name,
    };
    round.purges.add(target, wanted);
}

#[tokio::test(start_paused = true)]
async fn outer_tiers_wait_for_inner_ones_that_answer_in_time() {
    let scene = scene([10, 20, 5, 1]);
    let mut was_late = false;
    let settled = scene.run.run(scene.round(1), |_| was_late = true).await;
    assert!(!was_late);
    let order: Vec<String> = scene.log().into_iter().map(|(what, _)| what).collect();
    let wanted = [
        "main?", "side?", "main!", "side!", "shield?", "shield!", "edge?", "edge!",
    ];
    assert_eq!(order, wanted);
    let answered: Vec<_> = settled.places().iter().map(|place| place.tier).collect();
    let wanted = [Tier::Store, Tier::Store, Tier::Shield, Tier::Edge];
    assert_eq!(answered, wanted);
}

#[tokio::test(start_paused = true)]
async fn p6_what_is_outside_of_a_late_store_is_purged_now_and_once_more_behind_it() {
    let scene = scene([400, 1, 1, 1]);
    let (mut late_at, mut late) = (None, Vec::new());
    let begun = Instant::now();
    let told = |targets| (late_at, late) = (Some(begun.elapsed()), targets);
    scene.run.run(scene.round(1), told).await;
    assert_eq!(late, ["main".into()]);
    assert!(scene.first("shield?") < 40, "{:?}", scene.log());
    assert!(scene.first("edge?") < 40, "{:?}", scene.log());
    let late_at = late_at.expect("it was late");
    assert!(late_at < Duration::from_millis(40), "{late_at:?}");
    // The edge may have refilled from what the store still held.
    assert_eq!((scene.count("shield?"), scene.count("edge?")), (2, 2));
    let log = scene.log();
    let at = |what: &str| log.iter().rposition(|(it, _)| it == what).expect("there");
    assert!(
        at("main!") < at("shield?") && at("shield!") < at("edge?"),
        "{log:?}"
    );
    assert_eq!(scene.count("side?"), 1, "nothing of its own tier");
}

#[tokio::test(start_paused = true)]
async fn p6_a_round_behind_a_late_one_waits_for_it_not_at_all() {
    let scene = scene([400, 1, 1, 1]);
    let behind = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begun = Instant::now();
        let mut late_at = None;
        scene
            .run
            .run(scene.round(2), |_| late_at = Some(begun.elapsed()))
            .await;
        late_at.expect("it was late")
    };
    let (_, late_at) = tokio::join!(scene.run.run(scene.round(1), |_| {}), behind);
    assert!(late_at <= Duration::from_millis(5), "{late_at:?}");
}

#[tokio::test(start_paused = true)]
async fn p6_a_lane_that_has_answered_and_is_busy_with_another_round_is_not_waited_for() {
    let scene = scene([400, 10, 1, 1]);
    let [first, second, third] = [1, 2, 3].map(|number| scene.round(number));
    let wait = |ms| tokio::time::sleep(Duration::from_millis(ms));
    let watched = async {
        wait(100).await;
        let (begun, mut late_at) = (Instant::now(), None);
        scene
            .run
            .run(second, |_| late_at = Some(begun.elapsed()))
            .await;
        late_at.expect("it was late")
    };
    let busy = async {
        wait(105).await;
        scene.run.run(third, |_| {}).await;
    };
    let (_, late_at, ()) = tokio::join!(scene.run.run(first, |_| {}), watched, busy);
    assert!(late_at <= Duration::from_millis(15), "{late_at:?}");
}

#[tokio::test(start_paused = true)]
async fn p6_a_lane_that_was_late_is_not_waited_for_until_it_answers_in_time() {
    let mut scene = scene([400, 1, 1, 1]);
    let mut waits = Vec::new();
    for answers_after_ms in [400, 10, 10] {
        scene.answers_after(answers_after_ms);
        let (round, begun) = (scene.round(1), Instant::now());
        let before = scene.log().len();
        scene.run.run(round, |_| {}).await;
        let log = scene.log();
        let shield = log[before..].iter().find(|(what, _)| what == "shield?");
        let asked_at = shield.expect("the shield follows").1;
        waits.push(asked_at - (begun - scene.begun).as_millis() as u64);
    }
    assert!((20..40).contains(&waits[0]), "{waits:?}");
    assert!(waits[1] <= 1, "{waits:?}");
    assert!((10..20).contains(&waits[2]), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn p6_what_is_outside_of_a_late_store_follows_what_it_did_though_a_part_is_stored() {
    let scene = scene([400, 1, 1, 1]);
    let mut round = scene.round(1);
    add(&mut round, TargetId(0), OF_A_DEAD_NODE);
    let settled = scene.run.run(round, |_| {}).await;
    let main = settled
        .places()
        .iter()
        .find(|place| place.target == TargetId(0));
    assert_eq!(main.map(|it| it.stored), Some(Stored::Part));
    assert_eq!((scene.count("shield?"), scene.count("edge?")), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn what_is_outside_of_a_backlog_follows_it_however_long_it_takes() {
    let mut scene = scene([400, 1, 1, 1]);
    scene.main().policy = Policy::Backlog(None);
    let mut was_late = false;
    scene.run.run(scene.round(1), |_| was_late = true).await;
    assert!(scene.first("shield?") >= 400, "{:?}", scene.log());
    assert_eq!((scene.count("shield?"), scene.count("edge?")), (1, 1));
    assert!(!was_late, "its round stays the only one");
}

#[tokio::test(start_paused = true)]
async fn p6_what_comes_while_a_lane_is_busy_is_purged_together() {
    let scene = scene([50, 1, 1, 1]);
    let rounds: Vec<Round> = (0..10).map(|number| scene.round(number)).collect();
    let all = rounds.into_iter().map(|round| scene.run.run(round, |_| {}));
    let rounds = futures_util::future::join_all(all).await;
    // Two at once, and the other eight as one.
    assert_eq!(scene.count("main?"), 3, "{:?}", scene.log());
    for settled in &rounds {
        let main = settled
            .places()
            .iter()
            .find(|place| place.target == TargetId(0));
        assert_eq!(main.map(|it| it.stored), Some(Stored::Nothing));
    }
}

#[tokio::test(start_paused = true)]
async fn p6_what_no_turn_comes_for_in_time_is_stored() {
    let scene = scene([5_000, 1, 1, 1]);
    let rounds: Vec<Round> = (0..4).map(|number| scene.round(number)).collect();
    let begun = Instant::now();
    let all = rounds.into_iter().map(|round| scene.run.run(round, |_| {}));
    let rounds = futures_util::future::join_all(all).await;
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(scene.count("main?"), 2, "nobody is asked without a turn");
    let topics = scene.run.store.outbox.0.lock().expect("unpoisoned").clone();
    assert!(!topics.is_empty());
    assert!(
        topics.iter().all(|topic| **topic == *"backlog.main"),
        "{topics:?}"
    );
    for settled in &rounds {
        let main = settled
            .places()
            .iter()
            .find(|place| place.target == TargetId(0));
        assert_eq!(main.map(|it| it.stored), Some(Stored::All));
    }
}
