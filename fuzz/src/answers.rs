//! Answers to purges. A proxy, a wrong host or a provider's bad day chooses these bytes, so the input is everything that
//! a server sends on a connection, and the purgers read it with their own HTTP client.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use freshet_cdn::{
    Budgets, Cloudflare, CloudflareTarget, Fastly, FastlyTarget, HttpPurger, Provider,
    SecretHeader, Varnish, VarnishTarget,
};
use freshet_core::ports::Purger;
use freshet_core::position::WallMicros;
use freshet_core::purge::{PurgeBatch, PurgeOutcome, PurgeReport, WantedPurge};
use freshet_core::registry::{FamilyId, PurgeMode, Scope, TargetId};
use freshet_core::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

const TOKEN: &str = "fastly-token-of-the-fuzzer";
const SECRET: &str = "secret-header-of-the-fuzzer";

/// Longest pause that an answer may cause.
const PAUSE_MS_MAX: u32 = 3_600_000;
/// Longest reason that a log takes, in characters.
const REASON_MAX: usize = 2_000;

thread_local! {
    static SERVER: Server = Server::start().expect("a server on a free port");
}

/// A server that answers every request with the same bytes, and purgers that ask it.
struct Server {
    runtime: Runtime,
    listener: TcpListener,
    varnish: Arc<dyn Provider>,
    fastly: Arc<dyn Provider>,
    cloudflare: Arc<dyn Provider>,
}

impl Server {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let url = format!("http://{}", listener.local_addr()?);
        let secret = SecretHeader::new("X-Purge-Secret", &Secret::from(SECRET));
        let secret = secret.map_err(io::Error::other)?;
        let mut varnish = VarnishTarget::new(vec![url.clone(), url.clone()]);
        varnish.secret_header = Some(secret.clone());
        let mut fastly = FastlyTarget::new("SU1Z0isx".to_owned(), Secret::from(TOKEN));
        fastly.secret_header = Some(secret.clone());
        fastly.api.clone_from(&url);
        let mut cloudflare = CloudflareTarget::new("023e105f".to_owned(), Secret::from(TOKEN));
        cloudflare.secret_header = Some(secret);
        cloudflare.api = url;
        cloudflare.soft = true;
        for timeout in [
            &mut varnish.timeout,
            &mut fastly.timeout,
            &mut cloudflare.timeout,
        ] {
            *timeout = Duration::from_secs(1);
        }
        Ok(Self {
            runtime,
            listener,
            varnish: Arc::new(Varnish::new(varnish).map_err(io::Error::other)?),
            fastly: Arc::new(Fastly::new(fastly).map_err(io::Error::other)?),
            cloudflare: Arc::new(Cloudflare::new(cloudflare).map_err(io::Error::other)?),
        })
    }

    /// What a purger makes of `answer`, given to each of its requests. It is a new one, with a budget that nothing took
    /// from.
    fn report(&self, provider: &Arc<dyn Provider>, answer: &[u8]) {
        let purger = HttpPurger::new(Arc::clone(provider), &Budgets::default()).expect("a client");
        let batch = batch();
        let report = self.runtime.block_on(async {
            tokio::select! {
                report = purger.purge(&batch) => report,
                never = self.answer_all(answer) => match never {},
            }
        });
        check(&report, &batch, answer);
    }

    async fn answer_all(&self, answer: &[u8]) -> Infallible {
        loop {
            if let Ok((stream, _)) = self.listener.accept().await {
                // A client that leaves early has read enough.
                let _ = answer_one(stream, answer).await;
            }
        }
    }
}

/// Waits for a request, answers, and reads on until the client closes: unread bytes would reset the connection.
async fn answer_one(mut stream: TcpStream, answer: &[u8]) -> io::Result<()> {
    let mut request = [0; 4096];
    if stream.read(&mut request).await? == 0 {
        return Ok(());
    }
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    while stream.read(&mut request).await? > 0 {}
    Ok(())
}

fn batch() -> PurgeBatch {
    let mut batch = PurgeBatch::new(TargetId(0));
    for (name, mode) in [
        ("item-7", PurgeMode::Hard),
        ("item-8", PurgeMode::Hard),
        ("listing-3", PurgeMode::Soft),
    ] {
        batch.add(WantedPurge {
            family: FamilyId(0),
            scope: Scope::Tag,
            mode,
            committed: WallMicros(1),
            name: name.as_bytes(),
            cause: None,
        });
    }
    batch
}

/// What holds of every report, whatever the server answered.
fn check(report: &PurgeReport, batch: &PurgeBatch, answer: &[u8]) {
    assert_eq!(report.outcomes.len(), batch.len());
    let succeeds = answer.windows(2).any(|part| part == b" 2");
    for outcome in &report.outcomes {
        match outcome {
            PurgeOutcome::Purged | PurgeOutcome::NothingCached => {
                assert!(succeeds, "purged without a status of success");
            }
            PurgeOutcome::Throttled { retry_after_ms } => {
                assert!(*retry_after_ms <= PAUSE_MS_MAX, "waits {retry_after_ms} ms");
            }
            _ => {}
        }
    }
    let Some(reason) = &report.reason else {
        assert!(
            report.is_settled(),
            "not settled, and no reason: {report:?}"
        );
        return;
    };
    assert!(
        !reason.contains(TOKEN) && !reason.contains(SECRET),
        "{reason}"
    );
    assert!(!reason.contains(char::is_control), "{reason:?}");
    assert!(reason.chars().count() <= REASON_MAX, "{reason}");
}

/// The input is the answer of two Varnish nodes.
pub(crate) fn varnish(input: &[u8]) {
    SERVER.with(|server| server.report(&server.varnish, input));
}

/// The input is the answer of Fastly's API.
pub(crate) fn fastly(input: &[u8]) {
    SERVER.with(|server| server.report(&server.fastly, input));
}

/// The input is the answer of Cloudflare's API.
pub(crate) fn cloudflare(input: &[u8]) {
    SERVER.with(|server| server.report(&server.cloudflare, input));
}
