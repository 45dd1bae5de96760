//! Purging: many keys in one `UNLINK`, several of them on their way; prefixes by paced `SCAN`.

use std::time::Duration;

use freshet_core::ports::Purger;
use freshet_core::purge::{PurgeBatch, PurgeOutcome, PurgeReport};
use freshet_core::registry::Scope;
use futures_util::future::join_all;
use redis::{Cmd, FromRedisValue, RedisError};

use crate::link::{Link, Route};
use crate::outcome::{outcome_of, reason_of};
use crate::target::{RedisConfigError, RedisTarget};

/// One Redis behind the [`Purger`] and [`Probe`](freshet_core::ports::Probe) ports.
#[derive(Debug)]
pub struct RedisPurger {
    target: RedisTarget,
    pub(crate) route: Route,
}

/// Keys of one command and where they stand in the batch.
struct Chunk {
    command: Cmd,
    places: Vec<usize>,
}

impl RedisPurger {
    /// A purger; the server need not be there.
    ///
    /// # Errors
    /// The target cannot be what its config says.
    pub fn connect(target: RedisTarget) -> Result<Self, RedisConfigError> {
        let route = Route::Single(Link::new(&target)?);
        Ok(Self { target, route })
    }

    /// Sends one command and notes when the connection broke.
    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        link: &Link,
        command: &Cmd,
    ) -> Result<T, RedisError> {
        let mut borrowed = link.borrow().await?;
        match command.query_async(&mut borrowed.connection).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                link.note_error(&borrowed, &error).await;
                Err(error)
            }
        }
    }

    fn chunks(&self, batch: &PurgeBatch) -> Vec<Chunk> {
        let keys = batch
            .iter()
            .enumerate()
            .filter(|(_, (purge, _))| purge.scope != Scope::Family);
        let mut chunks: Vec<Chunk> = Vec::new();
        for (place, (_, name)) in keys {
            let full = chunks
                .last()
                .is_none_or(|it| it.places.len() >= self.target.keys_per_command);
            if full {
                chunks.push(Chunk {
                    command: redis::cmd("UNLINK"),
                    places: Vec::new(),
                });
            }
            if let Some(chunk) = chunks.last_mut() {
                chunk.command.arg(name);
                chunk.places.push(place);
            }
        }
        chunks
    }

    /// Says whether the server answers. One that does not is asked once: a batch ends after one timeout, however
    /// many commands it takes.
    async fn unlink(&self, batch: &PurgeBatch, report: &mut PurgeReport) -> bool {
        let chunks = self.chunks(batch);
        let link = self.route.link_of(&[]);
        let mut answering = true;
        for group in chunks.chunks(self.target.commands_in_flight.max(1)) {
            if !answering {
                let places = group.iter().flat_map(|chunk| &chunk.places);
                places.for_each(|&place| report.outcomes[place] = PurgeOutcome::Unreachable);
                continue;
            }
            let answers = join_all(
                group
                    .iter()
                    .map(|chunk| self.ask::<u64>(link, &chunk.command)),
            )
            .await;
            for (chunk, answer) in group.iter().zip(answers) {
                let outcome = match answer {
                    Ok(removed) => {
                        report.removed += removed;
                        PurgeOutcome::Purged
                    }
                    Err(error) => {
                        report.reason = Some(reason_of(&error));
                        outcome_of(&error)
                    }
                };
                answering &= outcome != PurgeOutcome::Unreachable;
                for &place in &chunk.places {
                    report.outcomes[place] = outcome;
                }
            }
        }
        answering
    }

    /// Removes everything that begins with `prefix`, on every server.
    async fn remove_prefix(&self, prefix: &[u8]) -> Result<u64, RedisError> {
        let pattern = glob_of(prefix);
        let rate = f64::from(self.target.scan_keys_per_second.max(1));
        let pause = Duration::from_secs_f64(self.target.scan_count as f64 / rate);
        let mut removed = 0;
        for link in self.route.links() {
            let mut cursor: u64 = 0;
            loop {
                let mut scan = redis::cmd("SCAN");
                scan.arg(cursor)
                    .arg("MATCH")
                    .arg(&pattern)
                    .arg("COUNT")
                    .arg(self.target.scan_count);
                let (next, found): (u64, Vec<Vec<u8>>) = self.ask(link, &scan).await?;
                for keys in found.chunks(self.target.keys_per_command.max(1)) {
                    let mut unlink = redis::cmd("UNLINK");
                    unlink.arg(keys);
                    removed += self.ask::<u64>(link, &unlink).await?;
                }
                cursor = next;
                if cursor == 0 {
                    break;
                }
                tokio::time::sleep(pause).await;
            }
        }
        Ok(removed)
    }
}

impl Purger for RedisPurger {
    async fn purge(&self, batch: &PurgeBatch) -> PurgeReport {
        let mut report = PurgeReport::all(PurgeOutcome::Forgotten, batch.len());
        let mut answering = self.unlink(batch, &mut report).await;
        for (place, (purge, prefix)) in batch.iter().enumerate() {
            if purge.scope != Scope::Family {
                continue;
            }
            if !answering {
                report.outcomes[place] = PurgeOutcome::Unreachable;
                continue;
            }
            let outcome = match self.remove_prefix(prefix).await {
                Ok(0) => PurgeOutcome::NothingCached,
                Ok(removed) => {
                    report.removed += removed;
                    PurgeOutcome::Purged
                }
                Err(error) => {
                    report.reason = Some(reason_of(&error));
                    outcome_of(&error)
                }
            };
            answering = outcome != PurgeOutcome::Unreachable;
            report.outcomes[place] = outcome;
        }
        report
    }

    async fn ping(&self) -> Result<(), String> {
        for link in self.route.links() {
            self.ask::<String>(link, &redis::cmd("PING"))
                .await
                .map_err(|error| reason_of(&error))?;
        }
        Ok(())
    }
}

/// A pattern that matches what begins with `prefix` and nothing else.
fn glob_of(prefix: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(prefix.len() + 1);
    for &byte in prefix {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\' | b'^' | b'-') {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern.push(b'*');
    pattern
}
