//! Everything that a fault may befall: Kafka, Redis in one of its forms, a CDN, and two members of one group.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use freshet_testbed::{
    FaultProxy, KafkaBroker, RedisCluster, RedisSentinel, RedisServer, Reply, server_folder,
};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tempfile::TempDir;

use crate::book::{Book, Target};
use crate::cache::{Cache, Command, Place};
use crate::edge::Edge;
use crate::member::Member;
use crate::setup::{Addresses, TOPIC, config, entry_of_row, write_registry};
use crate::traffic::{Traffic, Wanted};
use crate::watch::Watch;

pub(crate) const PARTITIONS: i32 = 6;
/// A member that waits for a dead one's session takes longer than usual.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(60);

const WARM_UP: Duration = Duration::from_secs(5);

/// The form of the main Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One server behind a proxy.
    Alone,
    /// A primary and its replica behind Sentinel.
    Sentinel,
    /// Three primaries.
    Cluster,
}

/// The main Redis.
#[derive(Debug)]
pub(crate) enum MainRedis {
    Alone(Box<RedisServer>, FaultProxy),
    Sentinel(Box<RedisSentinel>),
    Cluster(Box<RedisCluster>),
}

/// What the suite is asked to do.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) program: PathBuf,
    pub(crate) seed: u64,
    pub(crate) rate: u64,
    pub(crate) kills: u32,
    pub(crate) is_short: bool,
    pub(crate) backlog_purges_per_second: u32,
}

/// All of it. Fields are dropped in their order: the members first.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) members: Vec<Member>,
    _watches: [Watch; 2],
    pub(crate) book: Arc<Book>,
    pub(crate) main: MainRedis,
    pub(crate) main_place: Place,
    side: RedisServer,
    pub(crate) edge: Edge,
    pub(crate) kafka: KafkaBroker,
    pub(crate) settings: Settings,
    pub(crate) dice: SmallRng,
    _folder: TempDir,
}

impl World {
    /// Starts the servers and both members.
    pub(crate) fn start(form: Form, settings: &Settings) -> Result<Self> {
        // A topic that is deleted stays away until somebody makes it anew.
        let kafka = KafkaBroker::start_with(&[("auto.create.topics.enable", "false")])?;
        kafka.create_topic(TOPIC, PARTITIONS)?;
        let side = RedisServer::start()?;
        let (main, main_place, main_yaml) = start_main(form)?;
        let book = Arc::new(Book::new());
        let edge = Edge::start(Arc::clone(&book))?;
        let folder = server_folder("faults")?;
        write_registry(folder.path())?;
        let addresses = Addresses {
            brokers: kafka.bootstrap(),
            main: main_yaml,
            side: side.address(),
            edge: edge.address.clone(),
            backlog_purges_per_second: settings.backlog_purges_per_second,
        };
        let members = start_members(&settings.program, folder.path(), &addresses)?;
        let watch = |target, place: &Place| Watch::start(Arc::clone(&book), target, place.clone());
        let side_place = Place::Alone(side.address());
        let world = Self {
            members,
            _watches: [
                watch(Target::Main, &main_place),
                watch(Target::Side, &side_place),
            ],
            book,
            main,
            main_place,
            side,
            edge,
            kafka,
            dice: SmallRng::seed_from_u64(settings.seed),
            settings: settings.clone(),
            _folder: folder,
        };
        world.warm_up()?;
        Ok(world)
    }

    /// A young group moves its partitions once more, and a young broker is slow.
    fn warm_up(&self) -> Result<()> {
        let traffic = Traffic::start(Arc::clone(&self.book), self.wanted(WARM_UP))?;
        std::thread::sleep(WARM_UP);
        traffic.stop()?;
        if !self.is_done_within(1, READY_WITHIN) {
            bail!("purges are missing although nothing fails");
        }
        Ok(())
    }

    /// How the writer reaches everything.
    pub(crate) fn wanted(&self, ahead: Duration) -> Wanted {
        Wanted {
            brokers: self.kafka.bootstrap(),
            main: self.main_place.clone(),
            side: Place::Alone(self.side.address()),
            rate: self.settings.rate,
            ahead,
            is_filled_once: false,
            seed: self.settings.seed,
        }
    }

    /// Server and proxy of a Redis that stands alone.
    pub(crate) fn alone(&mut self) -> Result<(&mut RedisServer, &FaultProxy)> {
        match &mut self.main {
            MainRedis::Alone(server, proxy) => Ok((server, proxy)),
            _ => bail!("this fault wants one server"),
        }
    }

    pub(crate) fn wait_ready(&mut self) -> Result<()> {
        for member in &mut self.members {
            member.process.wait_ready(READY_WITHIN)?;
        }
        Ok(())
    }

    /// Whether everything written from change `from` on and before now is done within `deadline`.
    pub(crate) fn is_done_within(&self, from: u64, deadline: Duration) -> bool {
        let before = self.book.now();
        let waited = freshet_testbed::wait_until("all purges", deadline, || {
            Ok(self.book.is_done(from, before))
        });
        waited.is_ok()
    }

    /// Waits, once nothing is written any more, until all changes from `from` on are done and no row is stale; the
    /// rows that stay stale for longer than `deadline`.
    pub(crate) fn settle(&self, from: u64, deadline: Duration) -> Result<Vec<u32>> {
        let until = Instant::now() + deadline;
        self.is_done_within(from, deadline);
        // A purge that waits in a backlog shows only here when all else that it names is gone for another reason.
        let mut stale = self.stale_rows()?;
        while !stale.is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
            stale = self.stale_rows()?;
        }
        Ok(stale)
    }

    /// Rows whose entry is as old as the last change of the row, or older.
    fn stale_rows(&self) -> Result<Vec<u32>> {
        let last = self.book.last_of_rows();
        let commands: Vec<Command> = last
            .iter()
            .map(|&(row, _)| Command::new(&["GET", &entry_of_row(row)]))
            .collect();
        let replies = Cache::new(self.main_place.clone()).run(&commands)?;
        let is_stale = |number: u64, reply: &Reply| match reply {
            Reply::Text(held) => held.parse::<u64>().is_ok_and(|held| held <= number),
            _ => false,
        };
        Ok(last
            .iter()
            .zip(&replies)
            .filter(|((_, number), reply)| is_stale(*number, reply))
            .map(|((row, _), _)| *row)
            .collect())
    }
}

fn start_members(program: &Path, folder: &Path, addresses: &Addresses) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    for at in 0..2 {
        let mut member = Member::new(program, folder, at, &config(addresses))?;
        member.process.start()?;
        members.push(member);
    }
    for member in &mut members {
        member.process.wait_ready(READY_WITHIN)?;
    }
    Ok(members)
}

/// The main Redis, how an application reaches it, and how the config names it.
fn start_main(form: Form) -> Result<(MainRedis, Place, String)> {
    let list = |urls: &[String]| format!("[\"{}\"]", urls.join("\", \""));
    let addresses = |urls: &[String]| -> Vec<String> {
        urls.iter()
            .map(|url| url.trim_start_matches("redis://").to_owned())
            .collect()
    };
    match form {
        Form::Alone => {
            // Entries must outlive a killed server, or there would be nothing left to purge.
            let server = RedisServer::start_with(&["--appendonly", "yes"])?;
            let proxy = FaultProxy::before(&server.address())?;
            let yaml = format!("{{ url: \"redis://{}\" }}", proxy.address());
            let place = Place::Alone(server.address());
            Ok((MainRedis::Alone(Box::new(server), proxy), place, yaml))
        }
        Form::Sentinel => {
            let redis = RedisSentinel::start()?;
            let (urls, master) = (redis.urls(), redis.master());
            let yaml = format!(
                "{{ sentinel: {{ nodes: {}, master: {master} }} }}",
                list(&urls)
            );
            let place = Place::Sentinel(addresses(&urls), master);
            Ok((MainRedis::Sentinel(Box::new(redis)), place, yaml))
        }
        Form::Cluster => {
            let redis = RedisCluster::start()?;
            let urls = redis.urls();
            let yaml = format!("{{ cluster: {{ nodes: {} }} }}", list(&urls));
            let place = Place::Cluster(addresses(&urls));
            Ok((MainRedis::Cluster(Box::new(redis)), place, yaml))
        }
    }
}
