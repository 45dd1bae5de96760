//! Targets: what each is, and how long it may take.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use freshet_cdn::Provider;
use freshet_core::template::NameForm;
use freshet_pipeline::round::Window;
use freshet_redis::RedisTarget;
use serde_saphyr::Spanned;

use super::faults::Faults;
use super::ranges::{BACKLOG_PURGES_PER_SECOND, MAX_WAIT, REPLAY_WINDOW, SPILL_AFTER, WINDOW};
use super::redis;
use super::written::TargetWritten;

/// One target and its lanes.
#[derive(Debug)]
pub(crate) struct TargetConfig {
    pub(crate) cache: Target,
    /// A live purge that is not done within this waits in the backlog.
    pub(crate) spill_after: Duration,
    /// What was answered in this time is sent again after a failover; none for caches that have none.
    pub(crate) replay_window: Option<Duration>,
    /// How fast the backlog is worked off at most.
    pub(crate) backlog_purges_per_second: u32,
}

/// What a target is.
#[derive(Debug)]
pub(crate) enum Target {
    Redis(Box<RedisTarget>),
    /// A CDN or an HTTP cache.
    Http(Arc<dyn Provider>, Window),
}

impl Target {
    /// The section that makes a target what it is.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Redis(_) => REDIS,
            Self::Http(provider, _) => provider.name(),
        }
    }

    /// What its entries are called by.
    pub(crate) fn names(&self) -> NameForm {
        match self {
            Self::Redis(_) => NameForm::RedisKey,
            Self::Http(..) => NameForm::SurrogateKey,
        }
    }
}

const REDIS: &str = "redis";

/// What a target with such names can be, in words.
pub(crate) fn kinds_of(names: NameForm) -> String {
    match names {
        NameForm::RedisKey => REDIS.to_owned(),
        NameForm::SurrogateKey => TargetWritten::PROVIDERS.join(" or "),
    }
}

/// Decides one target; none when it is not clear what it is.
pub(super) fn decide(
    written: Spanned<TargetWritten>,
    base: &Path,
    faults: &mut Faults<'_>,
) -> Option<TargetConfig> {
    // A store answers in well under a millisecond; a CDN takes hundreds of them, and seconds when it is throttled.
    let spill_after = match &written.value.redis {
        Some(_) => SPILL_AFTER,
        None => SPILL_AFTER.usually(Duration::from_secs(10)),
    };
    let spill_after = faults.duration(written.value.spill_after.as_ref(), &spill_after);
    let rate = written.value.backlog_purges_per_second.as_ref();
    let backlog_purges_per_second = faults.number(rate, &BACKLOG_PURGES_PER_SECOND);
    let replay_window = faults.duration(written.value.replay_window.as_ref(), &REPLAY_WINDOW);
    if let Some(late) = &written.value.replay_window
        && written.value.redis.is_none()
    {
        faults.add(
            late,
            "has no effect here",
            "purges are only replayed to Redis after a failover; remove the line",
        );
    }
    Some(TargetConfig {
        replay_window: written.value.redis.is_some().then_some(replay_window),
        cache: decide_cache(&written, base, spill_after, faults)?,
        spill_after,
        backlog_purges_per_second,
    })
}

fn decide_cache(
    written: &Spanned<TargetWritten>,
    base: &Path,
    spill_after: Duration,
    faults: &mut Faults<'_>,
) -> Option<Target> {
    let window = Window {
        quiet: faults.duration(written.value.window.as_ref(), &WINDOW),
        max_wait: faults.duration(written.value.max_wait.as_ref(), &MAX_WAIT),
    };
    let target = &written.value;
    match (&target.redis, &target.providers()[..]) {
        (Some(written_redis), []) => {
            for late in [&target.window, &target.max_wait].into_iter().flatten() {
                faults.add(
                    late,
                    "has no effect here",
                    "Redis is purged inline; remove the line",
                );
            }
            let mut redis = redis::decide(written_redis, base, faults)?;
            // What other nodes answered is reported before the purge is cut off.
            redis.node_patience = spill_after.mul_f64(0.8);
            Some(Target::Redis(Box::new(redis)))
        }
        (None, [provider]) => Some(Target::Http(provider.decide(base, faults)?, window)),
        _ => {
            let kinds = TargetWritten::PROVIDERS.join(", ");
            faults.add(
                written,
                "a target has exactly one section",
                &format!("give it one of: {REDIS}, {kinds}"),
            );
            None
        }
    }
}
