//! A producer whose deliveries are awaited. rdkafka has one of its own, whose thread asks the clock without a pause
//! for the last millisecond of every hundred: a hundredth of a core, for nothing.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use tokio::sync::oneshot;

use super::connection::KafkaClientError;

/// How long the thread waits for a delivery at a time: also how long it outlives its producer.
const POLL_FOR: Duration = Duration::from_secs(1);

/// How long a record waits for room in the client's queue.
const ROOM_WITHIN: Duration = Duration::from_secs(5);

/// How long until it is looked again whether there is room.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Whoever awaits a delivery.
type Waiting = oneshot::Sender<Result<(), KafkaError>>;

/// A producer, and the thread that hears what became of its records.
pub(crate) struct Deliverer {
    producer: Arc<BaseProducer<Reports>>,
}

/// Hands each delivery to whoever awaits it.
///
/// What a client reports by itself is seen again, and told once, by whoever appends or by the source. A broker that is
/// away would otherwise fill the log twice a second.
pub(crate) struct Reports;

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(error = %error, reason, "kafka producer reports");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Waiting>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Box<Waiting>) {
        let delivered = result
            .as_ref()
            .map(|_| ())
            .map_err(|(error, _)| error.clone());
        // Who has given up waiting needs no answer.
        let _ = waiting.send(delivered);
    }
}

impl Deliverer {
    /// Creates the producer. The brokers need not be there.
    pub(crate) fn connect(config: &ClientConfig) -> Result<Self, KafkaClientError> {
        let producer: BaseProducer<Reports> = config
            .create_with_context(Reports)
            .map_err(KafkaClientError::from_kafka)?;
        let producer = Arc::new(producer);
        let polled = Arc::downgrade(&producer);
        std::thread::Builder::new()
            .name("kafka deliveries".to_owned())
            .spawn(move || hear(&polled))
            .map_err(|error| KafkaClientError::NoThread(error.to_string()))?;
        Ok(Self { producer })
    }

    /// Sends a record and waits until the brokers have it, or until its `message.timeout.ms` is over.
    ///
    /// # Errors
    /// The record was not stored, or it is not known whether it was.
    pub(crate) async fn deliver(
        &self,
        topic: &str,
        key: &[u8],
        payload: &[u8],
    ) -> Result<(), KafkaError> {
        let deadline = Instant::now() + ROOM_WITHIN;
        let (waiting, delivered) = oneshot::channel();
        let mut record = BaseRecord::with_opaque_to(topic, Box::new(waiting))
            .key(key)
            .payload(payload);
        while let Err((error, back)) = self.producer.send(record) {
            let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if !is_full || Instant::now() >= deadline {
                return Err(error);
            }
            record = back;
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        // A producer that is gone has dropped what it had.
        delivered.await.unwrap_or(Err(KafkaError::Canceled))
    }

    /// Why nothing can be sent any more, if that is so.
    pub(crate) fn failed_for_good(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.producer.client().fatal_error()
    }
}

fn hear(polled: &Weak<BaseProducer<Reports>>) {
    while let Some(producer) = polled.upgrade() {
        producer.poll(POLL_FOR);
    }
}
