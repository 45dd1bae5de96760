//! A TCP proxy that can be told to misbehave, in front of any port.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// How soon a thread notices that the fault has changed or that the proxy is gone.
const TICK: Duration = Duration::from_millis(5);

/// What the proxy does with its connections, old and new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: bytes pass both ways.
    Pass,
    /// Each reply waits this long.
    Delay(Duration),
    /// Connections are accepted and read, and nothing is answered: what is asked for never reaches the server.
    Silent,
    /// What is asked for reaches the server, and its answers are lost.
    Mute,
    /// A connection is closed after so many more bytes of replies, all connections taken together; those that come
    /// later are closed at once.
    CutAfter(u64),
    /// Connections are closed as soon as they are accepted; open ones are closed too.
    Refuse,
}

/// A proxy on a free port of this machine, ended when dropped.
///
/// Switching away from [`Fault::Silent`] or [`Fault::Mute`] heals only new connections: what they swallowed is
/// gone, so the old ones stay as they are until their client gives them up.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: String,
    fault: Mutex<Fault>,
    accepted: AtomicU64,
    ended: AtomicBool,
}

impl Shared {
    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Takes `wanted` bytes from what may still pass; says how many of them may, and whether it ends there.
    fn allow(&self, wanted: usize) -> (usize, bool) {
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        let Fault::CutAfter(left) = &mut *fault else {
            return (wanted, false);
        };
        let allowed = usize::try_from(*left).map_or(wanted, |left| left.min(wanted));
        *left -= allowed as u64;
        (allowed, allowed < wanted || *left == 0)
    }
}

impl FaultProxy {
    /// A proxy in front of `server` (`host:port`), which need not be there yet.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn before(server: &str) -> Result<FaultProxy> {
        let listener = TcpListener::bind("127.0.0.1:0").context("bind the proxy's port")?;
        // So that the accepting thread sees the end of the proxy.
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server: server.to_owned(),
            fault: Mutex::new(Fault::Pass),
            accepted: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Ok(FaultProxy { address, shared })
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Switches the fault, for connections that are open too.
    pub fn set(&self, fault: Fault) {
        *self
            .shared
            .fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Acquire)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while !shared.is_ended() {
        let Ok((client, _)) = listener.accept() else {
            thread::sleep(TICK);
            continue;
        };
        shared.accepted.fetch_add(1, Ordering::AcqRel);
        if matches!(shared.fault(), Fault::Refuse | Fault::CutAfter(0)) {
            continue;
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // A connection that breaks is what this proxy is for.
            let _broken = serve(client, &shared);
        });
    }
}

fn serve(client: TcpStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    client.set_nonblocking(false)?;
    client.set_nodelay(true)?;
    let server = match shared.fault() {
        // A silent peer knows no server.
        Fault::Silent => return swallow(client, shared),
        _ => TcpStream::connect(&shared.server)?,
    };
    server.set_nodelay(true)?;
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let asking = Arc::clone(shared);
    let asker = thread::spawn(move || copy(from_client, to_server, &asking, Way::Ask));
    copy(server, client, shared, Way::Reply);
    let _ended = asker.join();
    Ok(())
}

fn swallow(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    client.set_read_timeout(Some(TICK))?;
    let mut buffer = [0; 16 * 1024];
    while !shared.is_ended() && shared.fault() != Fault::Refuse {
        match client.read(&mut buffer) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if is_tick(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Ask,
    Reply,
}

/// Copies one way until an end closes or the fault says so, then closes both ends.
fn copy(mut from: TcpStream, mut to: TcpStream, shared: &Shared, way: Way) {
    let mut lost = false;
    let mut buffer = [0; 16 * 1024];
    if from.set_read_timeout(Some(TICK)).is_err() {
        return;
    }
    while !shared.is_ended() && shared.fault() != Fault::Refuse {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if is_tick(&error) => continue,
            Err(_) => break,
        };
        let fault = shared.fault();
        if fault == Fault::Refuse {
            break;
        }
        lost |= fault == Fault::Silent || (fault == Fault::Mute && way == Way::Reply);
        if lost {
            continue;
        }
        let (mut allowed, mut ends) = (count, false);
        if way == Way::Reply {
            if let Fault::Delay(delay) = fault {
                thread::sleep(delay);
            }
            (allowed, ends) = shared.allow(count);
        }
        if to.write_all(&buffer[..allowed]).is_err() || ends {
            break;
        }
    }
    for end in [from, to] {
        // The other thread may have closed it already.
        let _closed = end.shutdown(Shutdown::Both);
    }
}

fn is_tick(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
