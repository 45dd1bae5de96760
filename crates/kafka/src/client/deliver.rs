//! A producer with awaited deliveries. The one in rdkafka polls the clock without a pause
//! for the last millisecond of every hundred, which wastes a hundredth of a core.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use tokio::sync::oneshot;

use super::connection::KafkaClientError;

/// Timeout of one poll for deliveries; also how long the thread outlives its producer.
const POLL_FOR: Duration = Duration::from_secs(1);

/// Maximum wait for space in the client's queue.
const ROOM_WITHIN: Duration = Duration::from_secs(5);

/// Interval of checks for space in the queue.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Receiver of a delivery result.
type Waiting = oneshot::Sender<Result<(), KafkaError>>;

/// A producer, and the thread that receives its delivery reports.
pub(crate) struct Deliverer {
    producer: Arc<BaseProducer<Reports>>,
}

/// Passes each delivery report to its receiver.
///
/// The client's own errors are not logged here, because the append or the source reports them once. An unavailable
/// broker would otherwise be logged twice a second.
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
        // The receiver may have stopped waiting.
        let _ = waiting.send(delivered);
    }
}

impl Deliverer {
    /// Creates the producer. The brokers need not be available.
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
    /// The record was not stored, or its state is unknown.
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

    /// The permanent error of the producer, if any.
    pub(crate) fn failed_for_good(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.producer.client().fatal_error()
    }
}

fn hear(polled: &Weak<BaseProducer<Reports>>) {
    while let Some(producer) = polled.upgrade() {
        producer.poll(POLL_FOR);
    }
}
