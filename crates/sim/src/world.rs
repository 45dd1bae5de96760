//! Plays a scenario: writes changes, lets things go wrong, heals them, and asks the oracle.

use std::sync::Arc;
use std::time::Duration;

use freshet_core::ports::{WriterSchemaError, WriterSchemas};
use freshet_core::position::{Steady, WallMicros};
use freshet_pipeline::backoff::{Backoff, Dice};
use freshet_pipeline::beacon::Beacons;
use freshet_pipeline::clock::Clock;
use freshet_pipeline::heartbeat::Heartbeats;
use freshet_pipeline::parts::{BacklogLane, Drive, LiveLane, Parts, Settings, TargetParts};
use freshet_pipeline::round::{Bounds, Window};
use freshet_pipeline::rules::RulesInForce;
use freshet_pipeline::run::run;
use freshet_pipeline::status::Status;
use freshet_pipeline::transactions::Transactions;
use freshet_wire::Limits;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::cache::SimCache;
use crate::changes;
use crate::faults::{Fault, Mode};
use crate::log::{DEAD_LETTERS, GROUP};
use crate::oracle::{Shared, State, micros};
use crate::outbox::SimOutbox;
use crate::rules::{ITEMS, NOTES, registry};
use crate::scenario::{Scenario, Summary, Violation};
use crate::source::SimSource;

const LIVE_EDGE: &str = "freshet.purges.edge";
const ROUND_RECORDS: usize = 16;
const ROUNDS_IN_FLIGHT: usize = 2;
const PING_EVERY: Duration = Duration::from_secs(2);
/// Shorter than the longer outages, and longer than a store takes to be noticed as another one.
const REPLAY_WINDOW: Duration = Duration::from_millis(2_500);
const OPEN_MAX: usize = 96;
/// Steps of the loops; small against every timeout.
const STEP: Duration = Duration::from_millis(5);

/// No Avro in the simulation.
struct NoSchemas;

impl WriterSchemas for NoSchemas {
    fn fetch(&self, id: u32) -> Result<String, WriterSchemaError> {
        Err(WriterSchemaError::NotConfigured { id })
    }
}

/// One process of the group.
struct Process {
    stop: watch::Sender<bool>,
    end: JoinHandle<bool>,
}

enum Event {
    Change,
    Begin(Fault),
    End(Fault),
}

struct World {
    shared: Shared,
    processes: Vec<Option<Process>>,
    pace: u32,
}

pub(crate) async fn play(scenario: &Scenario) -> Result<Summary, Violation> {
    let broken = |what: String| Violation {
        seed: scenario.seed,
        what,
    };
    let mut state = State::new(ChaCha8Rng::seed_from_u64(scenario.seed));
    for topic in [ITEMS, NOTES] {
        state.log.create(topic, 3);
    }
    for topic in [
        LIVE_EDGE,
        DEAD_LETTERS,
        "freshet.backlog.main",
        "freshet.backlog.edge",
    ] {
        state.log.create(topic, 2);
    }
    // What the ledger may hold, what one step adds to it, and what settled since the last commit.
    // A gap holds commits back while nothing is open, and its offsets were never handed out at all.
    let mut faults = scenario.schedule.0.iter();
    if !faults.any(|(.., fault)| *fault == Fault::Truncated) {
        state.open_allowed = (OPEN_MAX + 6 * ROUND_RECORDS) as u64;
    }
    let events = events(scenario, &mut state.chance);
    let mut world = World {
        shared: Shared::new(state),
        processes: Vec::new(),
        pace: scenario.backlog_purges_per_second,
    };
    for _ in 0..scenario.members {
        let process = world.start();
        world.processes.push(Some(process));
    }
    let began = Instant::now();
    for (at, event) in events {
        sleep_until(began + at).await;
        world.happen(event).await;
        if let Some(what) = world.shared.lock().broken.clone() {
            return Err(broken(what));
        }
    }
    world.heal();
    let healed = Instant::now();
    loop {
        if let Some(what) = world.shared.lock().broken.clone() {
            return Err(broken(what));
        }
        // A failover is noticed with the next ping at the latest.
        if world.is_quiet() && healed.elapsed() > PING_EVERY + Duration::from_millis(500) {
            break;
        }
        if healed.elapsed() > scenario.heal_within {
            let state = world.shared.lock();
            let missing = state
                .unpurged()
                .unwrap_or_else(|| "offsets are not committed".to_owned());
            return Err(broken(format!(
                "not done {:?} after healing: {missing}",
                healed.elapsed()
            )));
        }
        sleep(Duration::from_millis(50)).await;
    }
    let recovery = healed.elapsed();
    world.end().await.map_err(broken)?;
    let mut summary = std::mem::take(&mut world.shared.lock().summary);
    summary.recovery = recovery;
    summary.faults = scenario.schedule.0.len();
    Ok(summary)
}

/// Changes at random moments, faults as scheduled, in order.
fn events(scenario: &Scenario, chance: &mut ChaCha8Rng) -> Vec<(Duration, Event)> {
    let mut events = Vec::new();
    let mut at = 0.0;
    loop {
        // Exponential: changes come in bursts and leave gaps.
        let dice: f64 = chance.random_range(f64::EPSILON..1.0);
        at -= dice.ln() / scenario.changes_per_second;
        if at >= scenario.trouble.as_secs_f64() {
            break;
        }
        events.push((Duration::from_secs_f64(at), Event::Change));
    }
    for &(begin, lasts, fault) in &scenario.schedule.0 {
        events.push((begin, Event::Begin(fault)));
        events.push((begin + lasts, Event::End(fault)));
    }
    events.sort_by_key(|(at, _)| *at);
    events
}

impl World {
    async fn happen(&mut self, event: Event) {
        match event {
            Event::Change => changes::write(&self.shared),
            Event::Begin(fault) => self.begin(fault).await,
            Event::End(fault) => self.mend(fault),
        }
    }

    async fn begin(&mut self, fault: Fault) {
        match fault {
            Fault::Kill { member } => {
                if let Some(process) = self.processes.get_mut(member).and_then(Option::take) {
                    process.end.abort();
                    // Everything of it is dropped before anything else happens.
                    let _ = process.end.await;
                    self.shared.lock().summary.kills += 1;
                }
            }
            Fault::Stop { member } => {
                if let Some(process) = self.processes.get_mut(member).and_then(Option::take) {
                    process.stop.send_replace(true);
                    let _ = process.end.await;
                }
            }
            Fault::Fence => self.shared.lock().log.fence(GROUP),
            Fault::BrokersAway => self.shared.lock().log.away = true,
            Fault::LosingAppends(odds) => self.shared.lock().lose_appends = odds,
            Fault::ClockJump(seconds) => self.shared.lock().clock_off_seconds += seconds,
            Fault::Truncated => {
                let mut state = self.shared.lock();
                [ITEMS, NOTES]
                    .iter()
                    .for_each(|topic| state.log.truncate(topic));
            }
            Fault::Failover => self.shared.lock().fail_over(),
            Fault::Refusing => self.shared.lock().refuse = true,
            Fault::Burst(changes) => (0..changes).for_each(|_| changes::write(&self.shared)),
            Fault::Replaced => self.set("main", Mode::Away),
            Fault::Away(target) => self.set(target, Mode::Away),
            Fault::Silent(target) => self.set(target, Mode::Silent),
            Fault::Throttling(target) => self.set(target, Mode::Throttling),
            Fault::Careless(target) => self.set(target, Mode::Careless),
            Fault::Slow(target) => self.set(target, Mode::Slow),
        }
    }

    fn mend(&mut self, fault: Fault) {
        match fault {
            Fault::Kill { member } | Fault::Stop { member } => {
                if self.processes.get(member).is_some_and(Option::is_none) {
                    self.processes[member] = Some(self.start());
                }
            }
            Fault::Fence | Fault::Truncated | Fault::Failover | Fault::Burst(_) => {}
            Fault::BrokersAway => self.shared.lock().log.away = false,
            Fault::LosingAppends(_) => self.shared.lock().lose_appends = 0.0,
            Fault::ClockJump(seconds) => self.shared.lock().clock_off_seconds -= seconds,
            Fault::Refusing => self.shared.lock().refuse = false,
            Fault::Replaced => {
                self.shared.lock().fail_over();
                self.set("main", Mode::Well);
            }
            Fault::Away(target)
            | Fault::Silent(target)
            | Fault::Throttling(target)
            | Fault::Careless(target)
            | Fault::Slow(target) => self.set(target, Mode::Well),
        }
    }

    fn set(&self, target: &'static str, mode: Mode) {
        self.shared.lock().modes.insert(target, mode);
    }

    fn heal(&mut self) {
        {
            let mut state = self.shared.lock();
            state.modes.clear();
            (state.log.away, state.lose_appends, state.refuse) = (false, 0.0, false);
        }
        for member in 0..self.processes.len() {
            self.mend(Fault::Kill { member });
        }
    }

    /// Everything that was written is purged and committed, in every lane.
    fn is_quiet(&self) -> bool {
        let state = self.shared.lock();
        let lanes = [
            ("freshet.lane.edge", LIVE_EDGE),
            ("freshet.backlog.main", "freshet.backlog.main"),
            ("freshet.backlog.edge", "freshet.backlog.edge"),
            (GROUP, ITEMS),
            (GROUP, NOTES),
        ];
        lanes
            .iter()
            .all(|(group, topic)| state.log.behind(group, topic) == 0)
    }

    /// Stops all processes in order and asks the oracle for the last time.
    async fn end(&mut self) -> Result<(), String> {
        for process in self.processes.iter_mut().filter_map(Option::take) {
            process.stop.send_replace(true);
            match process.end.await {
                Ok(true) => {}
                Ok(false) => return Err("a process ended with a failure".to_owned()),
                Err(error) => return Err(format!("a process ended badly: {error}")),
            }
        }
        let mut state = self.shared.lock();
        if let Some(what) = state.broken.clone() {
            return Err(what);
        }
        if let Some(missing) = state.unpurged() {
            return Err(format!("committed and never purged: {missing}"));
        }
        if let Some(what) = state.refilled_from_old() {
            return Err(format!("inside out: {what}"));
        }
        let assignments = state.log.groups.get(GROUP).map_or(0, |it| it.assignments);
        state.summary.assignments = assignments;
        Ok(())
    }

    fn start(&self) -> Process {
        let parts = self.parts();
        let (stop, stopped) = watch::channel(false);
        let end = tokio::spawn(async move {
            let ended = run(parts, stopped).await;
            ended.is_ok()
        });
        Process { stop, end }
    }

    fn parts(&self) -> Parts<SimSource, SimCache, SimOutbox, NoSchemas> {
        let shared = &self.shared;
        let topics = [ITEMS.to_owned(), NOTES.to_owned()];
        let source = |group: &str, topic: &str| SimSource::join(shared, group, &[topic.to_owned()]);
        let backlog = |target: &str, after: Duration| {
            let topic = format!("freshet.backlog.{target}");
            BacklogLane {
                source: source(&topic, &topic),
                topic: Arc::from(topic),
                after,
                replay: (target == "main").then_some(REPLAY_WINDOW),
                purges_per_second: Some(self.pace),
            }
        };
        let cache = |target| {
            let shared = shared.clone();
            Arc::new(SimCache { shared, target })
        };
        Parts {
            rules: RulesInForce::new(registry()),
            status: Status::default(),
            clock: clock_of(shared),
            settings: settings(shared),
            intakes: vec![(SimSource::join(shared, GROUP, &topics), NoSchemas)],
            targets: vec![
                TargetParts {
                    name: Arc::from("main"),
                    purger: cache("main"),
                    live: None,
                    backlog: backlog("main", Duration::from_millis(500)),
                },
                TargetParts {
                    name: Arc::from("edge"),
                    purger: cache("edge"),
                    live: Some(LiveLane {
                        topic: Arc::from(LIVE_EDGE),
                        source: source("freshet.lane.edge", LIVE_EDGE),
                        window: Window {
                            quiet: Duration::from_millis(50),
                            max_wait: Duration::from_millis(500),
                        },
                    }),
                    backlog: backlog("edge", Duration::from_secs(3)),
                },
            ],
            outbox: Arc::new(SimOutbox(shared.clone())),
            samples: None,
            settled: None,
            beacons: Beacons::default(),
            reads: None,
        }
    }
}

/// Time goes on as it does; what it is called may be wrong.
fn clock_of(shared: &Shared) -> Clock {
    let (began, shared) = (shared.lock().began(), shared.clone());
    let wall = move || {
        let off = shared.lock().clock_off_seconds * 1_000_000;
        WallMicros(micros(began).0.saturating_add_signed(off))
    };
    Clock::from_hands(move || Steady(micros(began).0), wall)
}

fn settings(shared: &Shared) -> Settings {
    let bounds = Bounds {
        round_records_max: ROUND_RECORDS,
        rounds_in_flight_max: ROUNDS_IN_FLIGHT,
        open_max: OPEN_MAX,
        commit_every: Duration::from_millis(20),
        idle_wait: Duration::ZERO,
        ..Bounds::default()
    };
    let dice = shared.clone();
    Settings {
        intake: bounds,
        lane: Bounds {
            round_records_max: 4096,
            rounds_in_flight_max: 1,
            pull_max: 32,
            open_max: 8192,
            ..bounds
        },
        backoff: Backoff::default(),
        dice: Dice::from_fn(move || dice.lock().chance.random()),
        sample_every: None,
        dead_letter_topic: Arc::from(DEAD_LETTERS),
        ping_every: PING_EVERY,
        drain_within: Duration::from_secs(5),
        limits: Limits::default(),
        heartbeats: Heartbeats::default(),
        transactions: Transactions::default(),
        drive: Drive::Steps(STEP),
    }
}
