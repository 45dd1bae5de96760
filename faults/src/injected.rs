//! The faults: each befalls a world under traffic and heals it again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use freshet_testbed::Fault as Wire;
use rand::Rng;

use crate::book::Target;
use crate::edge::Mood;
use crate::setup::TOPIC;
use crate::world::{Form, MainRedis, PARTITIONS, READY_WITHIN, World};

/// One fault of the suite.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    /// Targets whose freshness it must not touch.
    pub(crate) untouched: &'static [Target],
    /// Whether the short run has it, too.
    pub(crate) is_short: bool,
    /// Befalls and heals the world; what is worth a remark.
    pub(crate) befall: Befall,
}

const NOT_MAIN: &[Target] = &[Target::Side, Target::Edge];
const NOT_EDGE: &[Target] = &[Target::Main, Target::Side];

/// A supervisor waits for this long (P10).
const LEFT_WITHIN: Duration = Duration::from_secs(25);

const BROKER_NOTICES_WITHIN: Duration = Duration::from_secs(60);

/// A kill that everybody has got over is followed by one that nobody has.
const KILLS_IN_A_ROW: u32 = 5;

pub(crate) const FAULTS: &[Fault] = &[
    alone("kill-members", &[], kill_members).also_short(),
    alone("rolling-restart", &[], rolling_restart),
    alone("kafka-killed", &[], kafka_killed).also_short(),
    alone("kafka-paused", &[], kafka_paused),
    alone("kafka-disk-full", &[], kafka_disk_full),
    alone("topic-recreated", &[], topic_recreated).also_short(),
    alone("redis-killed", NOT_MAIN, redis_killed).also_short(),
    alone("redis-paused", NOT_MAIN, redis_paused).also_short(),
    alone("redis-delayed", NOT_MAIN, redis_delayed),
    alone("redis-cut", NOT_MAIN, redis_cut).also_short(),
    alone("redis-silent", NOT_MAIN, redis_silent),
    alone("redis-mute", NOT_MAIN, redis_mute),
    alone("cdn-429", NOT_EDGE, cdn_429).also_short(),
    alone("cdn-500", NOT_EDGE, cdn_500),
    alone("cdn-hangs", NOT_EDGE, cdn_hangs).also_short(),
    alone("stop-while-all-down", &[], stop_while_all_down).also_short(),
    with(
        Form::Sentinel,
        "sentinel-failover",
        NOT_MAIN,
        sentinel_failover,
    )
    .also_short(),
    with(Form::Cluster, "cluster-reshard", NOT_MAIN, cluster_reshard).also_short(),
];

/// Befalls and heals.
type Befall = fn(&mut World) -> Result<String>;

const fn alone(name: &'static str, untouched: &'static [Target], befall: Befall) -> Fault {
    with(Form::Alone, name, untouched, befall)
}

const fn with(
    form: Form,
    name: &'static str,
    untouched: &'static [Target],
    befall: Befall,
) -> Fault {
    Fault {
        name,
        form,
        untouched,
        is_short: false,
        befall,
    }
}

impl Fault {
    const fn also_short(mut self) -> Self {
        self.is_short = true;
        self
    }
}

/// Lasts for so many seconds, in the short run for fewer.
fn last(world: &World, seconds: u64) {
    let seconds = if world.settings.is_short {
        seconds.div_ceil(3)
    } else {
        seconds
    };
    std::thread::sleep(Duration::from_secs(seconds));
}

fn kill_members(world: &mut World) -> Result<String> {
    let from = world.book.next();
    let mut late = 0;
    let mut longest = Duration::ZERO;
    for kill in 1..=world.settings.kills {
        let wait = world.dice.random_range(50..1500);
        std::thread::sleep(Duration::from_millis(wait));
        // One in five takes both.
        let first = world.dice.random_range(0..2);
        let both = world.dice.random_bool(0.2);
        for at in [first, 1 - first].into_iter().take(1 + usize::from(both)) {
            world.members[at].kill();
        }
        let away = world.dice.random_range(0..300);
        std::thread::sleep(Duration::from_millis(away));
        for member in &mut world.members {
            if !member.process.is_running() {
                member.process.start()?;
            }
        }
        if kill % KILLS_IN_A_ROW == 0 {
            let back = Instant::now();
            late += u32::from(!world.is_done_within(from, READY_WITHIN));
            longest = longest.max(back.elapsed());
        }
    }
    world.wait_ready()?;
    Ok(format!(
        "{} kills, everything done {:.1} s after them at the latest, {late} times not within {READY_WITHIN:?}",
        world.settings.kills,
        longest.as_secs_f64()
    ))
}

fn rolling_restart(world: &mut World) -> Result<String> {
    let mut longest = Duration::ZERO;
    for at in 0..world.members.len() {
        longest = longest.max(world.members[at].terminate()?);
        world.members[at].process.start()?;
        world.members[at].process.wait_ready(READY_WITHIN)?;
        last(world, 3);
    }
    left_in_time(longest)
}

fn left_in_time(longest: Duration) -> Result<String> {
    if longest > LEFT_WITHIN {
        bail!("P10: a member left after {longest:?}");
    }
    Ok(format!("left within {:.1} s", longest.as_secs_f64()))
}

fn kafka_killed(world: &mut World) -> Result<String> {
    world.kafka.stop();
    last(world, 5);
    world.kafka.restart()?;
    Ok(String::new())
}

fn kafka_paused(world: &mut World) -> Result<String> {
    world.kafka.pause()?;
    last(world, 10);
    world.kafka.resume()?;
    Ok(String::new())
}

/// A broker without room ends by itself; somebody makes room and starts it.
fn kafka_disk_full(world: &mut World) -> Result<String> {
    world.kafka.fill_disk()?;
    freshet_testbed::wait_until("the broker to notice", BROKER_NOTICES_WITHIN, || {
        Ok(!world.kafka.is_running())
    })?;
    last(world, 5);
    world.kafka.restart()?;
    Ok(String::new())
}

/// What was in the topic is gone, read or not: one purge of each family makes up for it (P5), by each member for the
/// partitions that it read.
fn topic_recreated(world: &mut World) -> Result<String> {
    let before = world.edge.families();
    world.kafka.delete_topic(TOPIC)?;
    world.kafka.create_topic(TOPIC, PARTITIONS)?;
    freshet_testbed::wait_until("the purge of the family", READY_WITHIN, || {
        Ok(world.edge.families() > before)
    })?;
    world.wait_ready()?;
    last(world, 5);
    let (purges, members) = (world.edge.families() - before, world.members.len());
    // A partition that changes hands meanwhile is noticed by both of its owners; the pace of gaps keeps those purges apart.
    if purges > 2 * members as u64 {
        bail!("P5: one gap, {members} members, {purges} purges of the family");
    }
    Ok(format!("{purges} purges of the family"))
}

fn redis_killed(world: &mut World) -> Result<String> {
    world.alone()?.0.stop();
    last(world, 10);
    world.alone()?.0.restart()?;
    Ok(String::new())
}

fn redis_paused(world: &mut World) -> Result<String> {
    world.alone()?.0.pause()?;
    last(world, 10);
    world.alone()?.0.resume()?;
    Ok(String::new())
}

fn redis_delayed(world: &mut World) -> Result<String> {
    on_the_wire(world, Wire::Delay(Duration::from_millis(50)), 10)
}

fn redis_silent(world: &mut World) -> Result<String> {
    on_the_wire(world, Wire::Silent, 10)
}

fn redis_mute(world: &mut World) -> Result<String> {
    on_the_wire(world, Wire::Mute, 10)
}

fn on_the_wire(world: &mut World, fault: Wire, seconds: u64) -> Result<String> {
    world.alone()?.1.set(fault);
    last(world, seconds);
    world.alone()?.1.set(Wire::Pass);
    Ok(String::new())
}

/// Cuts replies in their middle, again and again.
fn redis_cut(world: &mut World) -> Result<String> {
    let cuts = if world.settings.is_short { 10 } else { 40 };
    for _ in 0..cuts {
        let after = world.dice.random_range(1..200);
        world.alone()?.1.set(Wire::CutAfter(after));
        std::thread::sleep(Duration::from_millis(150));
        world.alone()?.1.set(Wire::Pass);
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(format!("{cuts} cuts"))
}

fn cdn_429(world: &mut World) -> Result<String> {
    edge_is(world, Mood::Throttles)
}

fn cdn_500(world: &mut World) -> Result<String> {
    edge_is(world, Mood::Fails)
}

fn cdn_hangs(world: &mut World) -> Result<String> {
    edge_is(world, Mood::Hangs)
}

fn edge_is(world: &mut World, mood: Mood) -> Result<String> {
    world.edge.set(mood);
    last(world, 10);
    world.edge.set(Mood::Well);
    Ok(String::new())
}

/// Everything is away, and then the members are asked to leave.
fn stop_while_all_down(world: &mut World) -> Result<String> {
    world.edge.set(Mood::Hangs);
    world.alone()?.0.pause()?;
    last(world, 2);
    world.kafka.stop();
    last(world, 3);
    let asked: Vec<Result<Duration>> = std::thread::scope(|scope| {
        let leaving: Vec<_> = world
            .members
            .iter_mut()
            .map(|member| scope.spawn(|| member.terminate()))
            .collect();
        leaving
            .into_iter()
            .map(|it| it.join().unwrap_or_else(|_panic| bail!("panicked")))
            .collect()
    });
    let mut longest = Duration::ZERO;
    for took in asked {
        longest = longest.max(took?);
    }
    world.kafka.restart()?;
    world.alone()?.0.resume()?;
    world.edge.set(Mood::Well);
    for member in &mut world.members {
        member.process.start()?;
    }
    world.wait_ready()?;
    left_in_time(longest)
}

/// The primary is killed; later, when it is back as a replica, the sentinels are asked to change again.
fn sentinel_failover(world: &mut World) -> Result<String> {
    let MainRedis::Sentinel(redis) = &mut world.main else {
        bail!("this fault wants sentinels");
    };
    let old = redis.primary()?;
    redis.server_mut(old).stop();
    redis.wait_for_takeover(old)?;
    redis.server_mut(old).restart()?;
    last(world, 10);
    Ok(String::new())
}

/// Slots move under load, each with its entries.
fn cluster_reshard(world: &mut World) -> Result<String> {
    let slots = if world.settings.is_short { 100 } else { 400 };
    let mut keys = 0;
    for _ in 0..slots {
        let slot = world.dice.random_range(0..16_384_u16);
        let to = world.dice.random_range(0..3_usize);
        let MainRedis::Cluster(redis) = &world.main else {
            bail!("this fault wants a cluster");
        };
        let from = redis.owner(slot, 0)?;
        if from != to {
            let moved = redis.move_slot(slot, from, to);
            keys += moved.with_context(|| format!("slot {slot}: {from} to {to}"))?;
        }
    }
    Ok(format!("{slots} slots, {keys} entries"))
}
