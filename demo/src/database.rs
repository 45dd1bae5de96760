//! Where rows are committed and read: in memory with a Kafka topic per table behind it (the demo), or a real
//! Postgres that Debezium watches (the stack).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use freshet_shop::{Entry, PostgresRows, Rows, Step, Tables};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::clock::now_us;
use crate::envelope::{Envelope, HEADERS, LogPositions};
use crate::freshness::{FreshnessLedger, Span};

/// What a read of a database over a network usually takes. Long enough for commits to come in between, which
/// is what the fill guard is there for.
const MEMORY_READ: Duration = Duration::from_millis(1);

/// The shop's rows, and what is known of them.
#[derive(Debug)]
pub(crate) struct Database {
    tables: Mutex<Tables>,
    ledger: Mutex<FreshnessLedger>,
    backend: Backend,
}

/// Who keeps the rows.
#[derive(Debug)]
pub(crate) enum Backend {
    /// This process; each commit is appended to Kafka as Debezium would.
    Memory(Box<ChangeLog>),
    /// Postgres.
    Postgres(Box<PostgresRows>),
}

impl Database {
    /// A database whose rows are `tables`.
    pub(crate) fn new(tables: Tables, backend: Backend) -> Arc<Self> {
        let (tables, ledger) = (Mutex::new(tables), Mutex::default());
        Arc::new(Self {
            tables,
            ledger,
            backend,
        })
    }

    /// The rows as committed; in the stack, as Postgres must have them.
    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        // A panic while it was held ends the run; until then what is there is good enough to look at.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of revisions and purges.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, FreshnessLedger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits; returns the number of rows. One transaction at a time, so that revisions have one order.
    pub(crate) async fn commit(&self, steps: &[Step]) -> Result<usize> {
        match &self.backend {
            Backend::Memory(log) => {
                let (commit, commit_us) = {
                    let mut tables = self.tables();
                    let commit = tables.apply(steps);
                    let commit_us = now_us();
                    self.ledger()
                        .committed(&commit.outdated, Span::at(commit_us));
                    (commit, commit_us)
                };
                let envelopes = log.positions().envelopes(&commit, commit_us, now_us());
                log.append(&envelopes).await?;
                Ok(commit.changes.len())
            }
            Backend::Postgres(rows) => {
                let commit = self.tables().apply(steps);
                let sent_us = now_us();
                self.ledger().sent(&commit.outdated, sent_us);
                rows.commit(&commit).await?;
                let done_us = now_us();
                self.ledger()
                    .committed(&commit.outdated, Span { sent_us, done_us });
                Ok(commit.changes.len())
            }
        }
    }
}

impl Rows for Database {
    async fn read(&self, entry: Entry) -> Result<String> {
        match &self.backend {
            Backend::Memory(_) => {
                let body = self.tables().body(entry);
                tokio::time::sleep(MEMORY_READ).await;
                Ok(body)
            }
            Backend::Postgres(rows) => rows.read(entry).await,
        }
    }
}

/// The topics of the tables, written as Debezium writes them.
pub(crate) struct ChangeLog {
    producer: FutureProducer,
    positions: Mutex<LogPositions>,
}

impl std::fmt::Debug for ChangeLog {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ChangeLog")
            .field("positions", &self.positions)
            .finish_non_exhaustive()
    }
}

impl ChangeLog {
    /// A log on these brokers.
    ///
    /// # Errors
    /// When the producer cannot be made.
    pub(crate) fn new(bootstrap: &str) -> Result<Self> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("linger.ms", "0")
            // As the Java client places a record, and with it Debezium.
            .set("partitioner", "murmur2_random")
            .create()
            .context("kafka producer")?;
        Ok(Self {
            producer,
            positions: Mutex::new(LogPositions::new()),
        })
    }

    fn positions(&self) -> MutexGuard<'_, LogPositions> {
        self.positions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends in order and waits for all of them: a commit that is not in the log is purged nowhere.
    async fn append(&self, envelopes: &[Envelope]) -> Result<()> {
        let mut deliveries = Vec::with_capacity(envelopes.len());
        for envelope in envelopes {
            let headers = HEADERS
                .iter()
                .fold(OwnedHeaders::new(), |headers, (key, value)| {
                    headers.insert(Header {
                        key,
                        value: Some(*value),
                    })
                });
            let mut record = FutureRecord::to(envelope.topic)
                .key(&envelope.message_key)
                .headers(headers);
            record.payload = envelope.value.as_ref();
            let delivery = self
                .producer
                .send_result(record)
                .map_err(|(error, _)| error)?;
            deliveries.push(delivery);
        }
        for delivery in deliveries {
            delivery
                .await
                .context("the kafka producer is gone")?
                .map_err(|(error, _)| error)?;
        }
        Ok(())
    }
}
