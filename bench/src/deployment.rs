//! Kafka, Redis and a `freshet` process, with what each of them used.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use freshet_testbed::{KafkaBroker, RedisServer, lease_port};

use crate::events::{TOPIC, keys_of};
use crate::resp::{Resp, push};

/// The servers and the registry; `freshet` is started by [`start`](Self::start).
pub(crate) struct Deployment {
    pub(crate) kafka: KafkaBroker,
    pub(crate) redis: RedisServer,
    admin: String,
    folder: tempfile::TempDir,
}

/// A running `freshet`, killed when dropped.
pub(crate) struct Running(Child);

/// What a process used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    /// User and system time.
    pub(crate) cpu: Duration,
    /// Peak resident memory in MiB.
    pub(crate) peak_mib: f64,
}

impl Deployment {
    pub(crate) fn new(partitions: i32) -> anyhow::Result<Self> {
        let kafka = KafkaBroker::start()?;
        kafka.create_topic(TOPIC, partitions)?;
        let redis = RedisServer::start()?;
        let admin = lease_port()?.address();
        let folder = tempfile::tempdir()?;
        write_registry(folder.path())?;
        let config = format!(
            "registry: registry\nkafka: {{ brokers: \"{}\", group: bench }}\n\
             targets: {{ main: {{ redis: {{ url: \"{}\" }} }} }}\nadmin: {{ listen: \"{admin}\" }}\n\
             log: {{ level: warn }}\n",
            kafka.bootstrap(),
            redis.url()
        );
        fs::write(folder.path().join("freshet.yaml"), config)?;
        Ok(Self {
            kafka,
            redis,
            admin,
            folder,
        })
    }

    /// Puts both keys of every row into Redis, values of 512 bytes.
    pub(crate) fn fill(&self, rows: u64) -> anyhow::Result<()> {
        let mut redis = Resp::connect(&self.redis.address())?;
        let value = "v".repeat(512);
        let (mut commands, mut waiting) = (Vec::new(), 0);
        for row in 0..rows {
            for key in keys_of(row) {
                push(&mut commands, &["SET", &key, &value]);
                waiting += 1;
            }
            if waiting >= 2000 || row + 1 == rows {
                redis.pipeline(&commands, waiting)?;
                commands.clear();
                waiting = 0;
            }
        }
        Ok(())
    }

    pub(crate) fn start(&self, freshet: &Path) -> anyhow::Result<Running> {
        let child = Command::new(freshet)
            .args(["run", "--config"])
            .arg(self.folder.path().join("freshet.yaml"))
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| {
                format!("{}: build it with cargo build --release", freshet.display())
            })?;
        Ok(Running(child))
    }

    pub(crate) fn wait_ready(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let url = format!("http://{}/readyz", self.admin);
        while !freshet_testbed::get(&url).is_ok_and(|answer| answer.status == 200) {
            if Instant::now() > deadline {
                bail!("freshet is not ready within 60 s");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Running {
    /// What the process used so far.
    pub(crate) fn used(&self) -> anyhow::Result<Used> {
        used_by(self.0.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn used_by(pid: u32) -> anyhow::Result<Used> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Fields after the program's name, which may hold blanks: utime and stime are the 12th and 13th, in
    // hundredths of a second (USER_HZ is 100 on every Linux).
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
    let ticks: u64 = fields
        .get(11..13)
        .context("/proc stat")?
        .iter()
        .flat_map(|it| it.parse::<u64>())
        .sum();
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak_kib: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0.0);
    Ok(Used {
        cpu: Duration::from_millis(ticks * 10),
        peak_mib: peak_kib / 1024.0,
    })
}

fn write_registry(folder: &Path) -> anyhow::Result<()> {
    let sources = folder.join("registry/sources");
    let families = folder.join("registry/families/bench");
    fs::create_dir_all(&sources)?;
    fs::create_dir_all(&families)?;
    fs::write(
        sources.join("shop.yaml"),
        "database: shop\nengine: postgres\ntables:\n  - table: shop.public.products\n    \
         replica_identity: full\n    primary_key: [id]\n    columns:\n      \
         - { name: id, type: bigint, nullable: false }\n",
    )?;
    for name in ["product", "card"] {
        let text = format!(
            "family: bench.{name}\nschema_version: 1\nowner: {{ team: bench, contact: \"#bench\" }}\n\
             lifecycle: active\nfreshness: {{ class: strict, within: 1s, objective: 99.9%, window: 28d }}\n\
             max_ttl: 1h\nguard: none\nredis: {{ target: main, keys: [\"bench:v1:{name}:{{id}}\"] }}\n\
             sources:\n  - table: shop.public.products\n    bind: {{ id: id }}\n"
        );
        fs::write(families.join(format!("{name}.yaml")), text)?;
    }
    Ok(())
}
