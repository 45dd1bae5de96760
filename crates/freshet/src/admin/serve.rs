//! Serves the admin endpoints within limits: whoever connects and dawdles costs neither files nor memory, and does not
//! keep a probe from its answer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

/// Connections at once. A further one takes the place of the one that has dawdled longest.
const CONNECTIONS_MAX: usize = 128;
/// A request's line and headers are there within this.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// A connection serves one request and is closed after this at the latest, however slowly its answer is read.
const CONNECTION_WITHIN: Duration = Duration::from_secs(10);
/// A request that is complete keeps its place for this long when all places are taken.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// Bytes of a request's line and headers. Bodies are not read at all.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Pause after a failed accept: the process may have no file left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// The limit is logged this often at most.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// One connection.
struct Seat {
    task: AbortHandle,
    since: Instant,
    /// Whether the request is complete.
    asked: Arc<AtomicBool>,
}

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, router: Router) {
    let mut tasks = JoinSet::new();
    let mut seats: VecDeque<Seat> = VecDeque::with_capacity(CONNECTIONS_MAX);
    let mut said: Option<Instant> = None;
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(error = %error, "admin connection not accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        while tasks.try_join_next().is_some() {}
        seats.retain(|seat| !seat.task.is_finished());
        if seats.len() >= CONNECTIONS_MAX {
            if said.is_none_or(|at| at.elapsed() > SAY_AGAIN) {
                said = Some(Instant::now());
                let limit = CONNECTIONS_MAX;
                tracing::warn!(
                    limit,
                    "limit of admin connections reached, closing the oldest incomplete one"
                );
            }
            if !free_one(&mut seats) {
                continue;
            }
            // Its socket is closed when the task has ended, which takes a moment.
            while tasks.len() >= CONNECTIONS_MAX && tasks.join_next().await.is_some() {}
        }
        let asked = Arc::new(AtomicBool::new(false));
        let connection = answer(stream, router.clone(), Arc::clone(&asked));
        seats.push_back(Seat {
            task: tasks.spawn(connection),
            since: Instant::now(),
            asked,
        });
    }
}

/// Closes the oldest connection whose request is not complete, or else the oldest that had time enough. Says whether
/// there was one.
fn free_one(seats: &mut VecDeque<Seat>) -> bool {
    let dawdles = |seat: &Seat| !seat.asked.load(Ordering::Relaxed);
    let is_old = |seat: &Seat| seat.since.elapsed() > ANSWER_WITHIN;
    let found = seats.iter().position(dawdles);
    let found = found.or_else(|| seats.iter().position(is_old));
    let Some(seat) = found.and_then(|at| seats.remove(at)) else {
        return false;
    };
    seat.task.abort();
    true
}

/// Answers one request.
async fn answer(stream: TcpStream, router: Router, asked: Arc<AtomicBool>) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request| {
        asked.store(true, Ordering::Relaxed);
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // Whatever went wrong is the client's to know.
    let _ = tokio::time::timeout(CONNECTION_WITHIN, connection).await;
}
