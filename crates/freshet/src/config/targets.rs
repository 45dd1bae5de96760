//! Targets: what each is, and how long it may take.

use std::path::Path;
use std::time::Duration;

use freshet_cdn::{FastlyTarget, SecretHeader, VarnishTarget};
use freshet_pipeline::round::Window;
use freshet_redis::RedisTarget;
use serde_saphyr::Spanned;

use super::faults::{Faults, UrlRule};
use super::ranges::{
    BACKLOG_PURGES_PER_SECOND, MAX_WAIT, REPLAY_WINDOW, SPILL_AFTER, TIMEOUT, WINDOW,
};
use super::redis;
use super::written::{FastlyWritten, SecretHeaderWritten, TargetWritten, VarnishWritten};

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
        quiet: faults.duration(written.value.window.as_ref(), &WINDOW),
        max_wait: faults.duration(written.value.max_wait.as_ref(), &MAX_WAIT),
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
        (None, Some(varnish), None) => Some(Target::Varnish(
            decide_varnish(varnish, base, faults),
            window,
        )),
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

const VARNISH_URL: UrlRule = UrlRule {
    schemes: &["http", "https"],
    credentials: "give a secret that the VCL asks for as `secret_header: { name: HEADER, value: { env: NAME } }`",
};

const FASTLY_URL: UrlRule = UrlRule {
    schemes: &["https", "http"],
    credentials: "give the token as `token: { env: NAME }`, and what a proxy wants as `secret_header`",
};

fn decide_varnish(written: &VarnishWritten, base: &Path, faults: &mut Faults<'_>) -> VarnishTarget {
    for node in &written.nodes {
        faults.url(node, &VARNISH_URL);
    }
    let nodes = written.nodes.iter();
    let nodes = nodes.map(|node| node.value.0.trim_end_matches('/').to_owned());
    let mut target = VarnishTarget::new(nodes.collect());
    target.host = written.host.clone();
    if let Some(header) = &written.purge_header {
        target.purge_header.clone_from(header);
    }
    if let Some(header) = &written.soft_header {
        target.soft_header.clone_from(header);
    }
    let taken = [
        target.purge_header.as_str(),
        target.soft_header.as_str(),
        "host",
    ];
    let secret = written.secret_header.as_ref();
    target.secret_header = secret.and_then(|it| decide_header(it, base, &taken, faults));
    let timeout = TIMEOUT.usually(target.timeout);
    target.timeout = faults.duration(written.timeout.as_ref(), &timeout);
    target
}

fn decide_fastly(written: &FastlyWritten, base: &Path, faults: &mut Faults<'_>) -> FastlyTarget {
    let token = faults.secret(&written.token, base);
    let mut target = FastlyTarget::new(written.service_id.value.clone(), token);
    if let Some(api) = &written.api {
        faults.url(api, &FASTLY_URL);
        api.value
            .0
            .trim_end_matches('/')
            .clone_into(&mut target.api);
    }
    let taken = ["fastly-key", "fastly-soft-purge", "accept", "host"];
    let secret = written.secret_header.as_ref();
    target.secret_header = secret.and_then(|it| decide_header(it, base, &taken, faults));
    let timeout = TIMEOUT.usually(target.timeout);
    target.timeout = faults.duration(written.timeout.as_ref(), &timeout);
    target
}

/// A secret header whose name is none of those that a purge has already.
fn decide_header(
    written: &SecretHeaderWritten,
    base: &Path,
    taken: &[&str],
    faults: &mut Faults<'_>,
) -> Option<SecretHeader> {
    let before = faults.count();
    let value = faults.secret(&written.value, base);
    let name = &written.name;
    if taken.iter().any(|it| it.eq_ignore_ascii_case(&name.value)) {
        let help = "name a header of its own, such as X-Purge-Secret";
        faults.add(name, "is a header that a purge has already", help);
    }
    let header = SecretHeader::new(&name.value, &value);
    if let Err(error) = &header
        && faults.count() == before
    {
        let help = "letters, digits and `-` in the name, visible ASCII in the value";
        faults.add(name, &error.to_string(), help);
    }
    header.ok()
}
