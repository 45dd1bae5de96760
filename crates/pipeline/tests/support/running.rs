//! A pipeline that runs until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use freshet_core::ports::{Outbox, Purger, Source, WriterSchemas};
use freshet_pipeline::backoff::{Backoff, Dice};
use freshet_pipeline::heartbeat::Heartbeats;
use freshet_pipeline::parts::{Drive, Parts, Settings};
use freshet_pipeline::round::Bounds;
use freshet_pipeline::run::run;
use freshet_pipeline::status::Status;
use freshet_pipeline::transactions::Transactions;
use freshet_wire::Limits;
use tokio::sync::watch;

/// Where what cannot be worked on is put aside.
pub const DEAD_LETTERS: &str = "freshet.dead-letters";

/// Settings of a pipeline that commits and asks again so quickly that nobody waits for it.
pub fn quick_settings() -> Settings {
    let bounds = Bounds {
        commit_every: Duration::from_millis(1),
        ..Bounds::default()
    };
    Settings {
        intake: bounds,
        lane: bounds,
        backoff: Backoff::new(Duration::from_millis(1), Duration::from_millis(5)),
        dice: Dice::default(),
        sample_every: None,
        dead_letter_topic: Arc::from(DEAD_LETTERS),
        ping_every: Duration::from_millis(50),
        drain_within: Duration::from_millis(300),
        limits: Limits::default(),
        heartbeats: Heartbeats::default(),
        transactions: Transactions::default(),
        drive: Drive::Threads,
    }
}

/// The pipeline, on a runtime of its own.
pub struct Running {
    stop: watch::Sender<bool>,
    thread: std::thread::JoinHandle<bool>,
    pub status: Status,
}

impl Running {
    pub fn start<S, P, O, W>(parts: Parts<S, P, O, W>) -> Self
    where
        S: Source + 'static,
        P: Purger + 'static,
        O: Outbox + 'static,
        W: WriterSchemas + 'static,
    {
        let status = parts.status.clone();
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build();
            let runtime = runtime.expect("a runtime");
            runtime.block_on(run(parts, stopped)).is_ok()
        });
        Self {
            stop,
            thread,
            status,
        }
    }

    /// Stops and says whether it ended well.
    pub fn stop(self) -> bool {
        self.stop.send_replace(true);
        self.thread.join().expect("no panic")
    }
}
