//! Targets: what each is, and how long it may take.

use std::path::Path;
use std::time::Duration;

use freshet_cdn::{FastlyTarget, VarnishTarget};
use freshet_pipeline::round::Window;
use freshet_redis::RedisTarget;
use serde_saphyr::Spanned;

use super::faults::Faults;
use super::redis;
use super::written::{FastlyWritten, TargetWritten, VarnishWritten};

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
    Redis(RedisTarget),
    Varnish(VarnishTarget, Window),
    Fastly(FastlyTarget, Window),
}

/// Decides one target; none when it is not clear what it is.
pub(super) fn decide(
    written: Spanned<TargetWritten>,
    base: &Path,
    faults: &mut Faults<'_>,
) -> Option<TargetConfig> {
    // A store answers in well under a millisecond; a CDN takes hundreds of them, and seconds when it is throttled.
    let spill_after = match &written.value.redis {
        Some(_) => Duration::from_millis(500),
        None => Duration::from_secs(10),
    };
    let spill_after = faults.duration(written.value.spill_after.as_ref(), spill_after);
    let rate = written.value.backlog_purges_per_second.as_ref();
    let backlog_purges_per_second = faults.at_least(1, rate, 10_000);
    let replay_window = faults.duration(
        written.value.replay_window.as_ref(),
        Duration::from_secs(10),
    );
    if let Some(late) = &written.value.replay_window
        && written.value.redis.is_none()
    {
        faults.add(
            late,
            "does nothing here",
            "only a Redis can be replaced by one that has not seen earlier purges; remove the line",
        );
    }
    Some(TargetConfig {
        replay_window: written.value.redis.is_some().then_some(replay_window),
        cache: decide_cache(&written, (base, spill_after), faults)?,
        spill_after,
        backlog_purges_per_second,
    })
}

fn decide_cache(
    written: &Spanned<TargetWritten>,
    (base, spill_after): (&Path, Duration),
    faults: &mut Faults<'_>,
) -> Option<Target> {
    let window = Window {
        quiet: faults.duration(written.value.window.as_ref(), Duration::from_millis(50)),
        max_wait: faults.duration(written.value.max_wait.as_ref(), Duration::from_millis(500)),
    };
    let target = &written.value;
    match (&target.redis, &target.varnish, &target.fastly) {
        (Some(written_redis), None, None) => {
            for late in [&target.window, &target.max_wait].into_iter().flatten() {
                faults.add(
                    late,
                    "does nothing here",
                    "Redis is purged at once; remove the line",
                );
            }
            let mut redis = redis::decide(written_redis, base, faults)?;
            // What other nodes answered is told before the purge is cut off.
            redis.node_patience = spill_after.mul_f64(0.8);
            Some(Target::Redis(redis))
        }
        (None, Some(varnish), None) => {
            Some(Target::Varnish(decide_varnish(varnish, faults), window))
        }
        (None, None, Some(fastly)) => {
            Some(Target::Fastly(decide_fastly(fastly, base, faults), window))
        }
        _ => {
            faults.add(
                written,
                "a target is exactly one thing",
                "give it one of: redis, varnish, fastly",
            );
            None
        }
    }
}

fn decide_varnish(written: &VarnishWritten, faults: &mut Faults<'_>) -> VarnishTarget {
    for node in &written.nodes {
        faults.url(node, &["http", "https"]);
    }
    let nodes = written
        .nodes
        .iter()
        .map(|node| node.value.trim_end_matches('/').to_owned());
    let mut target = VarnishTarget::new(nodes.collect());
    target.host = written.host.clone();
    if let Some(header) = &written.purge_header {
        target.purge_header.clone_from(header);
    }
    if let Some(header) = &written.soft_header {
        target.soft_header.clone_from(header);
    }
    target.timeout = faults.duration(written.timeout.as_ref(), target.timeout);
    target
}

fn decide_fastly(written: &FastlyWritten, base: &Path, faults: &mut Faults<'_>) -> FastlyTarget {
    let token = faults.secret(&written.token, base);
    let mut target = FastlyTarget::new(written.service_id.value.clone(), token.into());
    if let Some(api) = &written.api {
        faults.url(api, &["https", "http"]);
        api.value.trim_end_matches('/').clone_into(&mut target.api);
    }
    target.timeout = faults.duration(written.timeout.as_ref(), target.timeout);
    target
}
