//! The proxy does what it is told, to old connections and to new ones.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use freshet_testbed::{Fault, FaultProxy, wait_until};

const DEADLINE: Duration = Duration::from_secs(10);

/// A server that says back what it hears, and how many bytes it has heard.
fn echo() -> Result<(String, Arc<AtomicUsize>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let heard = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&heard);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let heard = Arc::clone(&counter);
            thread::spawn(move || {
                let mut buffer = [0; 256];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    heard.fetch_add(count, Ordering::AcqRel);
                    if stream.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                }
            });
        }
    });
    Ok((address, heard))
}

fn connect(proxy: &FaultProxy) -> Result<TcpStream> {
    let stream = TcpStream::connect(proxy.address())?;
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    Ok(stream)
}

fn ask(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(text)?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

#[test]
fn bytes_pass_and_are_delayed() -> Result<()> {
    let (server, _) = echo()?;
    let proxy = FaultProxy::before(&server)?;
    let mut stream = connect(&proxy)?;
    ensure!(ask(&mut stream, b"abc")? == b"abc");
    proxy.set(Fault::Delay(Duration::from_millis(80)));
    let asked = Instant::now();
    ensure!(ask(&mut stream, b"def")? == b"def");
    ensure!(asked.elapsed() >= Duration::from_millis(80), "not delayed");
    ensure!(proxy.accepted() == 1);
    Ok(())
}

#[test]
fn a_silent_peer_hears_and_says_nothing() -> Result<()> {
    let (server, heard) = echo()?;
    let proxy = FaultProxy::before(&server)?;
    let mut old = connect(&proxy)?;
    ensure!(ask(&mut old, b"abc")? == b"abc");
    proxy.set(Fault::Silent);
    let mut new = connect(&proxy)?;
    ensure!(ask(&mut old, b"lost").is_err() && ask(&mut new, b"lost").is_err());
    ensure!(heard.load(Ordering::Acquire) == 3, "the server heard it");
    proxy.set(Fault::Mute);
    let mut mute = connect(&proxy)?;
    ensure!(ask(&mut mute, b"heard").is_err());
    wait_until("the server to hear", DEADLINE, || {
        Ok(heard.load(Ordering::Acquire) == 8)
    })?;
    proxy.set(Fault::Pass);
    ensure!(ask(&mut connect(&proxy)?, b"new")? == b"new");
    Ok(())
}

#[test]
fn a_reply_is_cut_and_connections_are_refused() -> Result<()> {
    let (server, _) = echo()?;
    let proxy = FaultProxy::before(&server)?;
    proxy.set(Fault::CutAfter(2));
    let mut stream = connect(&proxy)?;
    stream.write_all(b"abcd")?;
    let mut all = Vec::new();
    // Closing with unread bytes may reset the connection; what was passed on before counts.
    let _reset = stream.read_to_end(&mut all);
    ensure!(all == b"ab", "{all:?}");
    ensure!(ask(&mut connect(&proxy)?, b"x").is_err(), "spent");
    proxy.set(Fault::Pass);
    let mut open = connect(&proxy)?;
    ensure!(ask(&mut open, b"x")? == b"x");
    proxy.set(Fault::Refuse);
    ensure!(ask(&mut open, b"x").is_err(), "open ones are closed too");
    ensure!(ask(&mut connect(&proxy)?, b"x").is_err());
    Ok(())
}

#[test]
fn a_dropped_proxy_is_gone() -> Result<()> {
    let (server, _) = echo()?;
    let proxy = FaultProxy::before(&server)?;
    let address = proxy.address();
    let mut open = connect(&proxy)?;
    ensure!(ask(&mut open, b"x")? == b"x");
    drop(proxy);
    wait_until("the port to close", DEADLINE, || {
        Ok(TcpStream::connect(&address).is_err())
    })?;
    ensure!(ask(&mut open, b"x").is_err());
    Ok(())
}
