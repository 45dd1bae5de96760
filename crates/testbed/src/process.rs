//! One child process: started, waited for, frozen, killed, and never left behind.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, kill_process_group, prlimit};
use tempfile::TempDir;

use crate::cleaner::remove_at_exit;

/// Long, since a test machine may be compiling on every core at the same time.
pub(crate) const START_DEADLINE: Duration = Duration::from_secs(120);

const TAIL_LINES: usize = 40;

/// Calls `condition` until it is true or `deadline` has passed; the error carries `what`.
///
/// # Errors
/// When the deadline passes, or when `condition` itself fails.
pub fn wait_until(
    what: &str,
    deadline: Duration,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let end = Instant::now() + deadline;
    while !condition()? {
        if Instant::now() >= end {
            bail!("waited {} s in vain for {what}", deadline.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

type SpawnRequest = (Command, mpsc::SyncSender<io::Result<Child>>);

/// Spawns from a thread that lives as long as this process.
///
/// The kernel sends the parent-death signal when the *thread* that forked ends, and test threads
/// end long before a server they started for the whole test binary should.
fn spawn(command: Command) -> Result<Child> {
    static SPAWNER: OnceLock<mpsc::SyncSender<SpawnRequest>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, receiver) = mpsc::sync_channel::<SpawnRequest>(16);
        thread::spawn(move || {
            for (mut command, reply) in receiver {
                // A caller that is gone has no use for the child either: Child in the failed
                // send is dropped, and the process dies with us.
                let _gone = reply.send(command.spawn());
            }
        });
        sender
    });
    let (reply, answer) = mpsc::sync_channel(1);
    spawner
        .send((command, reply))
        .map_err(|_closed| anyhow!("the spawning thread is gone"))?;
    Ok(answer.recv()??)
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A command that dies with this process; when we are root and `user` is given, run as that user.
pub(crate) fn command(program: impl AsRef<Path>, user: Option<&str>) -> Command {
    command_ended_by("KILL", program.as_ref(), user)
}

/// `setpriv` sets the death signal after the change of user, which would otherwise clear it.
fn command_ended_by(signal: &str, program: &Path, user: Option<&str>) -> Command {
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig").arg(signal);
    if let Some(user) = user.filter(|_| is_root()) {
        command
            .arg(format!("--reuid={user}"))
            .arg(format!("--regid={user}"))
            .arg("--init-groups");
    }
    command.arg("--").arg(program).stdin(Stdio::null());
    command
}

/// Runs a short-lived command to its end and returns its standard output.
///
/// # Errors
/// When it does not start or fails; with all that it printed.
pub fn run(mut command: Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command.output().with_context(|| format!("start {shown}"))?;
    if !output.status.success() {
        bail!(
            "{shown} failed with {}:\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A temporary folder that goes with this process, however it ends. Other users may enter it (not list it), since the
/// databases refuse root.
///
/// # Errors
/// When it cannot be made.
pub fn server_folder(name: &str) -> Result<TempDir> {
    // For a look at logs and data after a failure.
    let keep = std::env::var_os("FRESHET_TESTBED_KEEP").is_some();
    let prefix = format!("freshet-{name}-");
    let folder = tempfile::Builder::new()
        .prefix(&prefix)
        .disable_cleanup(keep)
        .tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))?;
    if !keep {
        remove_at_exit(folder.path())?;
    }
    Ok(folder)
}

/// Creates a folder that belongs to `user` when we are root.
pub(crate) fn owned_folder(path: &Path, user: &str) -> Result<()> {
    fs::create_dir(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    give_to(path, user)
}

/// Creates a file that only `user` may read when we are root.
pub(crate) fn owned_file(path: &Path, user: &str, text: &str) -> Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    give_to(path, user)
}

fn give_to(path: &Path, user: &str) -> Result<()> {
    if is_root() {
        let id = |flag: &str| -> Result<u32> {
            let mut command = Command::new("id");
            command.args([flag, user]);
            Ok(run(command)?.trim().parse()?)
        };
        chown(path, Some(id("-u")?), Some(id("-g")?))?;
    }
    Ok(())
}

/// How a server is started; kept so that it can be started again on the same port and data.
pub(crate) struct Launch {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) user: Option<&'static str>,
    pub(crate) folder: PathBuf,
    /// Whether it ends at once on `SIGQUIT`, and has something outside its folder to clear away.
    pub(crate) quits_politely: bool,
}

/// A server process in its own process group.
pub(crate) struct ServerProcess {
    launch: Launch,
    child: Option<Child>,
}

impl std::fmt::Debug for ServerProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerProcess")
            .field("name", &self.launch.name)
            .field("pid", &self.child.as_ref().map(Child::id))
            .field("log", &self.log_file())
            .finish()
    }
}

impl ServerProcess {
    /// A process that is not started yet.
    pub(crate) fn new(launch: Launch) -> ServerProcess {
        ServerProcess {
            launch,
            child: None,
        }
    }

    /// Starts it if it is not running, and waits until `ready` says true; the error has the log's tail.
    pub(crate) fn restart(&mut self, mut ready: impl FnMut() -> Result<bool>) -> Result<()> {
        if self.is_running() {
            return Ok(());
        }
        let log = self.open_log()?;
        let death_signal = if self.launch.quits_politely {
            "QUIT"
        } else {
            "KILL"
        };
        let mut command = command_ended_by(death_signal, &self.launch.program, self.launch.user);
        command
            .args(&self.launch.args)
            .current_dir(&self.launch.folder)
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        let name = self.launch.name;
        self.child = Some(spawn(command).with_context(|| format!("start {name}"))?);
        let waited = wait_until(&format!("{name} to be ready"), START_DEADLINE, || {
            if !self.is_running() {
                bail!("{name} ended while starting");
            }
            ready()
        });
        waited.map_err(|error| {
            let tail = self.log_tail();
            self.kill();
            error.context(format!("{name} did not start; end of its log:\n{tail}"))
        })
    }

    fn open_log(&self) -> Result<File> {
        let path = self.log_file();
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))
    }

    pub(crate) fn log_file(&self) -> PathBuf {
        self.launch.folder.join("server.log")
    }

    pub(crate) fn log_tail(&self) -> String {
        let bytes = fs::read(self.log_file()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// The process's id, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    fn pid(&self) -> Option<Pid> {
        let id = self.child.as_ref()?.id();
        Pid::from_raw(i32::try_from(id).ok()?)
    }

    fn signal_group(&self, signal: Signal) -> Result<()> {
        let pid = self
            .pid()
            .ok_or_else(|| anyhow!("{} is not running", self.launch.name))?;
        kill_process_group(pid, signal)
            .with_context(|| format!("signal {} with {signal:?}", self.launch.name))
    }

    /// Freezes the server and waits until it is: connections stay open and nothing answers.
    ///
    /// The signal alone is only sent: on a busy machine a thread that was about to answer still does.
    pub(crate) fn pause(&self) -> Result<()> {
        self.signal_group(Signal::STOP)?;
        let group = self.pid().map_or(0, |pid| pid.as_raw_nonzero().get());
        let name = format!("{} to stand still", self.launch.name);
        wait_until(&name, Duration::from_secs(10), || {
            Ok(threads_of_group(group)?
                .iter()
                .all(|&state| matches!(state, 'T' | 'Z')))
        })
    }

    /// From now on no file of the server grows, as on a full disk. A restart ends it.
    pub(crate) fn fill_disk(&self) -> Result<()> {
        let limit = Rlimit {
            current: Some(1),
            maximum: None,
        };
        prlimit(self.pid(), Resource::Fsize, limit)
            .with_context(|| format!("limit the files of {}", self.launch.name))?;
        Ok(())
    }

    /// Lets a frozen server go on.
    pub(crate) fn resume(&self) -> Result<()> {
        self.signal_group(Signal::CONT)
    }

    /// `kill -9` for the whole group, and waits until the process is gone.
    pub(crate) fn kill(&mut self) {
        self.end();
    }

    /// Kills it if it still runs, and says how it ended; none when it was never started.
    pub(crate) fn end(&mut self) -> Option<ExitStatus> {
        if self.is_running() {
            // It may end between the question and the signal; then there is nothing to kill.
            let _gone = self.signal_group(Signal::KILL);
        }
        self.child.take()?.wait().ok()
    }

    fn ask_to_end(&mut self) {
        let Some(pid) = self.pid() else {
            return;
        };
        if self.is_running() && kill_process(pid, Signal::QUIT).is_ok() {
            let name = format!("{} to end", self.launch.name);
            let _late = wait_until(&name, Duration::from_secs(5), || Ok(!self.is_running()));
        }
    }
}

/// The state of each thread of each process of a group, as in `proc_pid_stat(5)`.
fn threads_of_group(group: i32) -> Result<Vec<char>> {
    let mut states = Vec::new();
    for process in fs::read_dir("/proc")? {
        let folder = process?.path();
        // Processes and threads may end while we look.
        let Some((_, their_group)) = stat_of(&folder) else {
            continue;
        };
        let Ok(threads) = fs::read_dir(folder.join("task")) else {
            continue;
        };
        if their_group == group {
            states.extend(threads.filter_map(|it| Some(stat_of(&it.ok()?.path())?.0)));
        }
    }
    Ok(states)
}

/// State and process group; the name before them may hold spaces and parentheses.
fn stat_of(folder: &Path) -> Option<(char, i32)> {
    let line = fs::read_to_string(folder.join("stat")).ok()?;
    let mut fields = line.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(1)?.parse().ok()?))
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if self.launch.quits_politely {
            self.ask_to_end();
        }
        self.kill();
    }
}
