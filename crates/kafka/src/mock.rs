//! An in-process Kafka broker, from librdkafka: real protocol, real groups, no JVM and nothing on disk.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rdkafka::mocking::MockCluster;

enum Ask {
    CreateTopic {
        name: String,
        partitions: i32,
        answer: SyncSender<Result<(), String>>,
    },
    Broker {
        up: bool,
        answer: SyncSender<Result<(), String>>,
    },
}

/// One broker on a loopback port. It lives until it is dropped.
#[derive(Debug)]
pub struct EmbeddedBroker {
    bootstrap: String,
    // librdkafka's cluster must stay on the thread that made it; questions go there.
    asks: Option<SyncSender<Ask>>,
    thread: Option<JoinHandle<()>>,
}

impl EmbeddedBroker {
    /// Starts a broker.
    ///
    /// # Errors
    /// In librdkafka's words.
    pub fn start() -> Result<Self, String> {
        let (asks, asked) = sync_channel(8);
        let (ready, started) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("embedded kafka".to_owned())
            .spawn(move || run(&asked, &ready))
            .map_err(|error| error.to_string())?;
        let bootstrap = started
            .recv()
            .map_err(|_| "the broker's thread ended".to_owned())??;
        Ok(Self {
            bootstrap,
            asks: Some(asks),
            thread: Some(thread),
        })
    }

    /// `host:port` of the broker.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Creates a topic.
    ///
    /// # Errors
    /// In librdkafka's words.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<(), String> {
        let name = name.to_owned();
        self.ask(|answer| Ask::CreateTopic {
            name,
            partitions,
            answer,
        })
    }

    /// Takes the broker off the network, or puts it back.
    ///
    /// # Errors
    /// In librdkafka's words.
    pub fn set_up(&self, up: bool) -> Result<(), String> {
        self.ask(|answer| Ask::Broker { up, answer })
    }

    fn ask(&self, ask: impl FnOnce(SyncSender<Result<(), String>>) -> Ask) -> Result<(), String> {
        let (answer, answered) = sync_channel(1);
        let ended = || "the broker's thread ended".to_owned();
        self.asks
            .as_ref()
            .ok_or_else(ended)?
            .send(ask(answer))
            .map_err(|_| ended())?;
        answered.recv().map_err(|_| ended())?
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.asks = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(asked: &Receiver<Ask>, ready: &SyncSender<Result<String, String>>) {
    let cluster = match MockCluster::new(1) {
        Ok(cluster) => cluster,
        Err(error) => {
            let _ = ready.send(Err(error.to_string()));
            return;
        }
    };
    let _ = ready.send(Ok(cluster.bootstrap_servers()));
    while let Ok(ask) = asked.recv() {
        match ask {
            Ask::CreateTopic {
                name,
                partitions,
                answer,
            } => {
                let outcome = cluster.create_topic(&name, partitions, 1);
                let _ = answer.send(outcome.map_err(|error| error.to_string()));
            }
            Ask::Broker { up, answer } => {
                let outcome = if up {
                    cluster.broker_up(1)
                } else {
                    cluster.broker_down(1)
                };
                let _ = answer.send(outcome.map_err(|error| error.to_string()));
            }
        }
    }
}
