//! Who takes part, and how each is started on a task.

mod connect;
mod freshet;
mod task;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};

use crate::case::Form;
use crate::peers::{ConnectJars, PeerFolder};
use crate::usage::{Usage, used_by};
use task::end_with_us;

pub use task::Task;

/// One consumer that takes part.
#[derive(Debug, Clone)]
pub struct Participant {
    /// Its name in the table.
    pub name: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Freshet {
        program: PathBuf,
        processes: usize,
    },
    Go(PathBuf),
    Python {
        python: PathBuf,
        script: PathBuf,
        processes: usize,
    },
    Connect(ConnectJars),
    Naive(PathBuf),
}

/// A participant's processes, killed when dropped.
#[derive(Debug)]
pub struct Running {
    children: Vec<Child>,
    /// Its consumer group.
    pub group: String,
    /// Where it tells its metrics, if it does.
    pub metrics: Option<String>,
    /// Where its complaints are.
    pub log: PathBuf,
}

/// Freshet and its peers, in the order of the table.
pub const PEERS: [&str; 6] = ["freshet", "go", "python-2", "python", "connect", "naive"];

impl Participant {
    /// Builds what the participant needs. `programs` holds Freshet's and the naive consumer's binaries.
    ///
    /// # Errors
    /// When the name is unknown or something cannot be built.
    pub fn named(name: &str, programs: &Path, peers: &PeerFolder) -> anyhow::Result<Self> {
        let python = |processes| {
            anyhow::Ok(Kind::Python {
                python: peers.python()?,
                script: peers.python_script(),
                processes,
            })
        };
        let freshet = |processes| Kind::Freshet {
            program: programs.join("freshet"),
            processes,
        };
        let kind = match name {
            "freshet" => freshet(1),
            "freshet-2" => freshet(2),
            "go" => Kind::Go(peers.go()?),
            "python" => python(1)?,
            "python-2" => python(2)?,
            "connect" => Kind::Connect(peers.connect()?),
            "naive" => Kind::Naive(programs.join("naive_consumer")),
            _ => bail!(
                "no participant is called {name}: one of {}, freshet-2",
                PEERS.join(", ")
            ),
        };
        Ok(Self {
            name: name.to_owned(),
            kind,
        })
    }

    /// Freshet from another binary, under a name of its own.
    pub fn freshet_at(name: &str, program: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            kind: Kind::Freshet {
                program,
                processes: 1,
            },
        }
    }

    /// Whether it gets a fiftieth of the events, so that a round ends.
    pub fn is_slow(&self) -> bool {
        matches!(self.kind, Kind::Naive(_))
    }

    /// Whether it reads events of this form.
    pub fn reads(&self, form: Form) -> bool {
        form != Form::Avro || !matches!(self.kind, Kind::Naive(_))
    }

    /// Starts it in a consumer group that never was.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, task: Task<'_>) -> anyhow::Result<Running> {
        let log = task.bed.log_file(&format!("{}-{}", task.run, self.name));
        let (mut group, mut metrics) = (task.run.to_owned(), None);
        let commands = match &self.kind {
            Kind::Freshet { program, processes } => {
                let mut commands = Vec::new();
                for number in 0..*processes {
                    let (command, url) = freshet::command(program, task, number)?;
                    metrics = Some(url);
                    commands.push(command);
                }
                commands
            }
            Kind::Go(program) => {
                let mut command = Command::new("setpriv");
                end_with_us(&mut command).arg(program);
                // Memory is there; collecting garbage less often is what the processor gains most from.
                command.env("GOGC", "400");
                vec![command]
            }
            Kind::Python {
                python,
                script,
                processes,
            } => {
                let one = |_| {
                    let mut command = Command::new("setpriv");
                    end_with_us(&mut command).arg(python).arg(script);
                    command
                };
                (0..*processes).map(one).collect()
            }
            Kind::Connect(jars) => {
                group = connect::group(task.run);
                vec![connect::command(jars, task)?]
            }
            Kind::Naive(program) => {
                let mut command = Command::new("setpriv");
                end_with_us(&mut command).arg(program);
                vec![command]
            }
        };
        let mut running = Running {
            children: Vec::new(),
            group,
            metrics,
            log,
        };
        for command in commands {
            let child = spawn(command, task, &running)?;
            running.children.push(child);
        }
        Ok(running)
    }
}

fn spawn(mut command: Command, task: Task<'_>, running: &Running) -> anyhow::Result<Child> {
    let form = match task.load.topic.form {
        Form::Json => "json",
        Form::JsonSchema => "json-schema",
        Form::Avro => "avro",
    };
    if task.load.topic.form == Form::Avro {
        command.env("BENCH_REGISTRY", task.bed.schemas()?.0.ccompat_url());
    }
    let log = File::options()
        .create(true)
        .append(true)
        .open(&running.log)?;
    command
        .env("BENCH_BOOTSTRAP", task.bed.kafka.bootstrap())
        .env("BENCH_TOPIC", &task.load.topic.name)
        .env("BENCH_GROUP", &running.group)
        .env("BENCH_REDIS", task.redis)
        .env("BENCH_FAMILIES", task.families.join(","))
        .env("BENCH_FORM", form)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let shown = format!("{command:?}");
    command.spawn().with_context(|| format!("start {shown}"))
}

impl Running {
    /// What its processes used so far.
    ///
    /// # Errors
    /// When one of them is gone.
    pub fn used(&self) -> anyhow::Result<Usage> {
        let mut sum = Usage::default();
        for one in self.used_each()? {
            sum += one;
        }
        Ok(sum)
    }

    /// What each of its processes used so far.
    ///
    /// # Errors
    /// When one of them is gone.
    pub fn used_each(&self) -> anyhow::Result<Vec<Usage>> {
        let used = |child: &Child| used_by(child.id());
        let each: anyhow::Result<_> = self.children.iter().map(used).collect();
        each.context("a participant has ended; see its log")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.children {
            // Nothing to be done about one that has ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
