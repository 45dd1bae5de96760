//! An in-process Kafka broker, from librdkafka: real protocol, real groups, no JVM and nothing on disk.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rdkafka::mocking::MockCluster;

struct CreateTopic {
    name: String,
    partitions: i32,
    answer: SyncSender<Result<(), String>>,
}

/// One broker on a loopback port. It lives until it is dropped.
#[derive(Debug)]
pub struct EmbeddedBroker {
    bootstrap: String,
    // librdkafka's cluster must stay on the thread that made it; questions go there.
    asks: Option<SyncSender<CreateTopic>>,
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
        let (answer, answered) = sync_channel(1);
        let ended = || "the broker's thread ended".to_owned();
        let asked = CreateTopic {
            name: name.to_owned(),
            partitions,
            answer,
        };
        self.asks
            .as_ref()
            .ok_or_else(ended)?
            .send(asked)
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

fn run(asked: &Receiver<CreateTopic>, ready: &SyncSender<Result<String, String>>) {
    let cluster = match MockCluster::new(1) {
        Ok(cluster) => cluster,
        Err(error) => {
            let _ = ready.send(Err(error.to_string()));
            return;
        }
    };
    let _ = ready.send(Ok(cluster.bootstrap_servers()));
    while let Ok(topic) = asked.recv() {
        let outcome = cluster.create_topic(&topic.name, topic.partitions, 1);
        let _ = topic
            .answer
            .send(outcome.map_err(|error| error.to_string()));
    }
}
