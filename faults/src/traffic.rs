//! The writer of changes: an open loop at a fixed rate that fills entries ahead of the changes that outdate them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use freshet_testbed::Reply;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};

use crate::book::{Book, Target};
use crate::cache::{Cache, Command, Place};
use crate::setup::{TOPIC, entry_of, entry_of_row};

const ROWS: u32 = 5000;
/// A fifth of all changes are to these.
const HOT_ROWS: u32 = 10;

/// Entries filled by one batch.
const FILL_AT_ONCE: u64 = 1000;
/// A broker that was killed must come back meanwhile.
const STORED_WITHIN: Duration = Duration::from_secs(120);
/// After a Redis did not take an entry, the writer lets it be for so long.
const LET_BE: Duration = Duration::from_secs(2);

/// A fill that is late is none: a hung server must not run it when the change is long purged.
const FILL_IN_TIME: &str = "local now = redis.call('TIME') \
    if now[1] * 1000 + now[2] / 1000 > tonumber(ARGV[2]) then return 0 end \
    redis.call('SET', KEYS[1], ARGV[1]) return 1";
const FILL_WITHIN: Duration = Duration::from_millis(400);

/// How the writer writes.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) brokers: String,
    pub(crate) main: Place,
    pub(crate) side: Place,
    pub(crate) rate: u64,
    /// Entries are there so long before their change.
    pub(crate) ahead: Duration,
    /// Whether what is filled at the start is all there will be.
    pub(crate) is_filled_once: bool,
    pub(crate) seed: u64,
}

/// Rows and numbers of changes that the brokers did not take: a connector sends those again, and so does the writer.
#[derive(Debug, Default)]
struct Deliveries {
    failed: Mutex<Vec<(u32, u64)>>,
}

impl Deliveries {
    fn take_failed(&self) -> Vec<(u32, u64)> {
        std::mem::take(&mut self.failed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<(u32, u64)>;

    fn delivery(&self, result: &DeliveryResult<'_>, change: Box<(u32, u64)>) {
        if result.is_err() {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.push(*change);
        }
    }
}

/// A running writer.
#[derive(Debug)]
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl Traffic {
    /// Fills what is ahead, then writes until stopped.
    pub(crate) fn start(book: Arc<Book>, wanted: Wanted) -> Result<Self> {
        let mut writer = Writer::new(book, wanted)?;
        writer.fill_all()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || writer.write_until(&stopped));
        Ok(Self { stop, thread })
    }

    /// Ends it and waits until the broker has everything.
    pub(crate) fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Release);
        let ended = self.thread.join();
        ended.map_err(|_panic| anyhow!("the writer panicked"))?
    }
}

/// The entries of one Redis that the writer fills.
struct Fills {
    target: Target,
    cache: Cache,
    /// Entries of changes before this one are filled, or it is too late for them.
    next: u64,
    /// The Redis is let be until then.
    let_be: Instant,
}

struct Writer {
    book: Arc<Book>,
    wanted: Wanted,
    producer: ThreadedProducer<Deliveries>,
    dice: SmallRng,
    fills: [Fills; 2],
    number: u64,
}

impl Writer {
    fn new(book: Arc<Book>, wanted: Wanted) -> Result<Self> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &wanted.brokers)
            .set("linger.ms", "1")
            .set("queue.buffering.max.messages", "2000000")
            .set("queue.buffering.max.kbytes", "1048576")
            .set("reconnect.backoff.max.ms", "500")
            // A record that is given up would be a change that no log has.
            .set("message.timeout.ms", "0")
            .create_with_context(Deliveries::default())
            .context("producer")?;
        let number = book.next();
        let fills = |target, place: &Place| Fills {
            target,
            cache: Cache::new(place.clone()),
            next: number,
            let_be: Instant::now(),
        };
        Ok(Self {
            fills: [
                fills(Target::Main, &wanted.main),
                fills(Target::Side, &wanted.side),
            ],
            dice: SmallRng::seed_from_u64(wanted.seed),
            book,
            wanted,
            producer,
            number,
        })
    }

    fn ahead(&self) -> u64 {
        self.number + self.wanted.rate * self.wanted.ahead.as_secs()
    }

    fn fill_all(&mut self) -> Result<()> {
        let end = self.ahead();
        for fills in &mut self.fills {
            while fills.next < end {
                fills.fill(&self.book, (end - fills.next).min(FILL_AT_ONCE))?;
            }
        }
        Ok(())
    }

    fn write_until(mut self, stopped: &AtomicBool) -> Result<()> {
        let (begun, mut sent) = (Instant::now(), 0);
        while !stopped.load(Ordering::Acquire) {
            let due = begun.elapsed().as_micros() as u64 * self.wanted.rate / 1_000_000;
            if due <= sent {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            let count = (due - sent).min(500);
            self.write_batch(count)?;
            sent += count;
        }
        let deadline = Instant::now() + STORED_WITHIN;
        while Instant::now() < deadline {
            self.producer.flush(STORED_WITHIN)?;
            if self.send_failed()? == 0 {
                return Ok(());
            }
        }
        bail!("the brokers do not take what the writer has: a fault of the suite")
    }

    /// Sends again what was not taken; how much that was.
    fn send_failed(&self) -> Result<usize> {
        let failed = self.producer.context().take_failed();
        for &(row, number) in &failed {
            self.send(row, number)?;
        }
        Ok(failed.len())
    }

    fn write_batch(&mut self, count: u64) -> Result<()> {
        let rows: Vec<u32> = (0..count).map(|_| self.pick_row()).collect();
        self.prepare(&rows);
        let end = self.ahead() + count;
        for fills in &mut self.fills {
            // What is being written now can no longer be filled before.
            fills.next = fills.next.max(self.number + count);
            let may_fill = !self.wanted.is_filled_once && fills.let_be <= Instant::now();
            if may_fill && fills.next < end {
                let amount = (end - fills.next).min(FILL_AT_ONCE);
                if fills.fill(&self.book, amount).is_err() {
                    fills.let_be = Instant::now() + LET_BE;
                }
            }
        }
        for row in rows {
            self.book.written(self.number, row);
            self.send(row, self.number)?;
            self.number += 1;
        }
        self.send_failed()?;
        Ok(())
    }

    fn pick_row(&mut self) -> u32 {
        if self.dice.random_bool(0.2) {
            self.dice.random_range(0..HOT_ROWS)
        } else {
            self.dice.random_range(0..ROWS)
        }
    }

    /// Fills the entries of rows, and sees whether those of the changes are there.
    fn prepare(&mut self, rows: &[u32]) {
        let fills = &mut self.fills[0];
        if fills.let_be > Instant::now() {
            return;
        }
        let mut commands = fills_of_rows(rows, self.number);
        let numbers = self.number..self.number + rows.len() as u64;
        commands.extend(
            numbers
                .clone()
                .map(|number| Command::new(&["EXISTS", &entry_of(fills.target.name(), number)])),
        );
        let Ok(replies) = fills.cache.run(&commands) else {
            fills.let_be = Instant::now() + LET_BE;
            return;
        };
        let looks = numbers.zip(&replies[rows.len()..]);
        let gone = looks.filter_map(|(number, reply)| (*reply == Reply::Int(0)).then_some(number));
        self.book
            .gone_before(fills.target, &gone.collect::<Vec<u64>>());
    }

    fn send(&self, row: u32, number: u64) -> Result<()> {
        let (key, value) = (format!("{{\"id\":{row}}}"), envelope(row, number));
        let change = Box::new((row, number));
        let mut record = BaseRecord::with_opaque_to(TOPIC, change)
            .key(&key)
            .payload(&value);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    std::thread::sleep(Duration::from_millis(5));
                    record = back;
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }
}

impl Fills {
    /// Fills the next entries.
    fn fill(&mut self, book: &Book, amount: u64) -> Result<()> {
        let numbers = self.next..self.next + amount;
        let commands: Vec<Command> = numbers
            .clone()
            .map(|number| {
                let entry = entry_of(self.target.name(), number);
                Command::new(&["SET", &entry, &number.to_string()])
            })
            .collect();
        self.cache.run(&commands)?;
        self.next = numbers.end;
        book.filled(self.target, numbers);
        Ok(())
    }
}

/// Entries of rows hold the number of the change that is about to outdate them; the first of those is `number`.
fn fills_of_rows(rows: &[u32], number: u64) -> Vec<Command> {
    let in_time = (unix_ms() + FILL_WITHIN.as_millis() as u64).to_string();
    let fill = |(&row, number): (&u32, u64)| {
        let (entry, number) = (entry_of_row(row), number.to_string());
        let words = ["EVAL", FILL_IN_TIME, "1", &entry, &number, &in_time];
        Command::about(&entry, &words)
    };
    rows.iter().zip(number..).map(fill).collect()
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_millis() as u64
}

/// An insert as Debezium writes it.
fn envelope(row: u32, number: u64) -> String {
    let now = unix_ms();
    format!(
        "{{\"before\":null,\"after\":{{\"id\":{row},\"number\":{number}}},\"source\":{{\"connector\":\"postgresql\",\
         \"name\":\"shop\",\"ts_ms\":{now},\"snapshot\":\"false\",\"db\":\"shop\",\"schema\":\"public\",\
         \"table\":\"items\",\"txId\":{number},\"lsn\":{}}},\"transaction\":null,\"op\":\"c\",\"ts_ms\":{now}}}",
        number * 8
    )
}
