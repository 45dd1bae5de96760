//! A client in place of one that cannot go on: it joins the group anew and reads on behind the offsets that are
//! committed. The purges under way of the old one settle nothing any more; what they stood for comes again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use freshet_core::ports::SourceError;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::consumer_state::{Anchor, Callbacks};
use crate::rebalance::release_now;
use crate::source::KafkaSource;

/// Brokers that are there let a member leave within this.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);

/// Where reading goes on although no offset is committed, because what came before is told already.
pub(crate) type Carried = HashMap<(Arc<str>, i32), i64>;

impl KafkaSource {
    /// Replaces the client, and says why.
    pub(crate) fn renew_client(&mut self, why: &str) -> Result<(), SourceError> {
        let callbacks = Callbacks::new(self.connection.drain_within());
        let fresh: BaseConsumer<Callbacks> = match self
            .config
            .client(&self.connection)
            .create_with_context(callbacks)
        {
            Ok(fresh) => fresh,
            Err(error) => {
                tracing::error!(error = %error, reason = why, "a kafka client that cannot go on cannot be replaced");
                return Ok(());
            }
        };
        tracing::warn!(
            reason = why,
            "the kafka client cannot go on, another takes its place"
        );
        let old = std::mem::replace(&mut self.consumer, fresh);
        let context = Arc::clone(old.context());
        // Closing gives everything away.
        let carried = context.state().carried();
        // First, since a static member must not be there twice.
        in_time(CLOSED_WITHIN, move || {
            // A client that owes the group an answer is never closed.
            old.context().close();
            release_now(old.context(), &old);
        });
        self.consumer
            .context()
            .state()
            .succeed(&mut context.state(), why);
        self.begin_anew(carried);
        let topics: Vec<&str> = self.config.topics.iter().map(String::as_str).collect();
        let subscribed = self.consumer.subscribe(&topics);
        subscribed.map_err(|error| SourceError::Fatal(error.to_string()))
    }
}

/// Closes a client, for `within` at most: with brokers away librdkafka may take its session timeout or longer, and
/// nobody should wait for that.
pub(crate) fn in_time(within: Duration, close: impl FnOnce() + Send + 'static) {
    let (done, closed) = std::sync::mpsc::sync_channel(1);
    let closing = std::thread::Builder::new()
        .name("kafka close".to_owned())
        .spawn(move || {
            close();
            let _ = done.send(());
        });
    if closing.is_ok() && closed.recv_timeout(within).is_err() {
        tracing::warn!(
            within_ms = within.as_millis() as u64,
            "kafka client did not close in time, left open"
        );
    }
}

impl crate::consumer_state::State {
    /// Places behind which nothing is committed, and whose past is told.
    fn carried(&self) -> Carried {
        let told = self.assigned.iter().filter(|it| it.anchor == Anchor::None);
        told.filter_map(|it| Some(((Arc::clone(&it.topic), it.partition), it.read.expected()?)))
            .collect()
    }
}
