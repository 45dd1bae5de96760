//! The primary of Sentinel. The sentinels are asked at first use, after every error, and with every ping.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{FuturesUnordered, StreamExt};
use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::identity::Seat;
use crate::link::{Dialler, Link, Peer};
use crate::outcome::reason_of;
use crate::slots::address;

/// Route to the primary.
#[derive(Debug)]
pub(crate) struct SentinelRoute {
    pub(crate) sentinels: Vec<Link>,
    pub(crate) master: String,
    pub(crate) primaries: Primaries,
    current: Mutex<Current>,
    told_unreachable: AtomicBool,
}

/// Settings of links to primaries.
pub(crate) struct Primaries {
    pub(crate) dialler: Dialler,
    /// `redis` or `rediss`.
    pub(crate) scheme: &'static str,
    pub(crate) database: u32,
    pub(crate) seat: Arc<Seat>,
}

impl std::fmt::Debug for Primaries {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Primaries")
    }
}

#[derive(Debug, Default)]
struct Current {
    primary: Option<(String, Arc<Link>)>,
    is_doubtful: bool,
}

/// Answer of one sentinel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    /// Grows with each failover.
    config_epoch: u64,
    address: String,
}

impl SentinelRoute {
    pub(crate) fn new(sentinels: Vec<Link>, master: String, primaries: Primaries) -> Self {
        Self {
            sentinels,
            master,
            primaries,
            current: Mutex::new(Current::default()),
            told_unreachable: AtomicBool::new(false),
        }
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The link to the known primary, or, if in doubt, the one that the sentinels report.
    pub(crate) async fn primary(&self) -> Result<Arc<Link>, RedisError> {
        {
            let current = self.current();
            if let (Some((_, link)), false) = (&current.primary, current.is_doubtful) {
                return Ok(Arc::clone(link));
            }
        }
        match self.ask_sentinels().await {
            Ok(named) => self.switch_to(named.address),
            Err(error) => {
                // Keep the primary if no sentinel answers. The next ping asks them again.
                let mut current = self.current();
                current.is_doubtful = false;
                let last = current.primary.as_ref();
                last.map(|(_, link)| Arc::clone(link)).ok_or(error)
            }
        }
    }

    /// The primary may have changed.
    pub(crate) fn doubt(&self) {
        self.current().is_doubtful = true;
    }

    fn switch_to(&self, address: String) -> Result<Arc<Link>, RedisError> {
        let mut current = self.current();
        current.is_doubtful = false;
        if let Some((known, link)) = &current.primary
            && *known == address
        {
            return Ok(Arc::clone(link));
        }
        let Primaries {
            dialler,
            scheme,
            database,
            seat,
        } = &self.primaries;
        let url = format!("{scheme}://{address}/{database}");
        let link = Arc::new(dialler.link(&url, Peer::Primary(Arc::clone(seat)))?);
        tracing::info!(address = %address, "sentinels report the redis primary");
        current.primary = Some((address, Arc::clone(&link)));
        Ok(link)
    }

    /// Asks the sentinels first: an isolated former primary may still answer.
    pub(crate) async fn check(&self) -> Result<(), RedisError> {
        match self.ask_sentinels().await {
            Ok(named) => {
                self.told_unreachable.store(false, Ordering::Release);
                self.switch_to(named.address)?;
            }
            Err(error) => {
                if !self.told_unreachable.swap(true, Ordering::AcqRel) {
                    let reason = reason_of(&error);
                    tracing::warn!(error = %reason, "no sentinel answers, a failover would be detected late");
                }
                if self.current().primary.is_none() {
                    return Err(error);
                }
            }
        }
        let link = self.primary().await?;
        let checked = link.check().await;
        if checked.is_err() {
            self.doubt();
        }
        checked
    }

    /// Asks all in parallel, waits for more than half, and uses the answer with the latest failover.
    async fn ask_sentinels(&self) -> Result<Named, RedisError> {
        let mut asked: FuturesUnordered<_> = self
            .sentinels
            .iter()
            .map(|sentinel| self.ask_sentinel(sentinel))
            .collect();
        let enough = self.sentinels.len() / 2 + 1;
        let (mut best, mut answers, mut failure) = (None, 0, None);
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(named) => {
                    best = best.max(Some(named));
                    answers += 1;
                    if answers >= enough {
                        break;
                    }
                }
                Err(error) => failure = Some(error),
            }
        }
        best.ok_or_else(|| {
            failure.unwrap_or_else(|| RedisError::from((ErrorKind::Io, "no sentinel answers")))
        })
    }

    async fn ask_sentinel(&self, sentinel: &Link) -> Result<Named, RedisError> {
        let mut ask = redis::cmd("SENTINEL");
        ask.arg("MASTER").arg(&self.master);
        let answer: Result<HashMap<String, String>, RedisError> = sentinel.ask(&ask).await;
        let told = answer.map_err(|error| match error.kind() {
            // Its only plain error: no such master with that name.
            ErrorKind::Server(ServerErrorKind::ResponseError) => {
                let kind = ErrorKind::MasterNameNotFoundBySentinel;
                RedisError::from((kind, "no such master", self.master.clone()))
            }
            _ => error,
        })?;
        let (Some(ip), Some(port)) = (told.get("ip"), told.get("port")) else {
            let what = "a sentinel reported no address";
            return Err(RedisError::from((ErrorKind::UnexpectedReturnType, what)));
        };
        let epoch = told.get("config-epoch").and_then(|text| text.parse().ok());
        Ok(Named {
            config_epoch: epoch.unwrap_or(0),
            address: address(ip, port, ""),
        })
    }
}
