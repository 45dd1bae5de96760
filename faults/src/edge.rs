//! A CDN that purges by tag as Varnish does, notes what was purged, and can be told to misbehave.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;

use crate::book::Book;
use crate::setup::EDGE_TAG;

/// How the CDN behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It purges.
    Well,
    /// 429 with `Retry-After: 1`.
    Throttles,
    /// 500.
    Fails,
    /// It reads the request and never answers.
    Hangs,
}

/// Served for as long as this process lives.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) address: String,
    mood: Arc<Mutex<Mood>>,
    families: Arc<AtomicU64>,
}

impl Edge {
    pub(crate) fn start(book: Arc<Book>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let mood = Arc::new(Mutex::new(Mood::Well));
        let families = Arc::new(AtomicU64::new(0));
        let (shown, counted) = (Arc::clone(&mood), Arc::clone(&families));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (book, mood) = (Arc::clone(&book), Arc::clone(&shown));
                let families = Arc::clone(&counted);
                std::thread::spawn(move || {
                    // A client that goes away is the client's affair.
                    let _gone = serve(stream, (&book, &families), &mood);
                });
            }
        });
        Ok(Self {
            address,
            mood,
            families,
        })
    }

    /// How often the whole family was purged.
    pub(crate) fn families(&self) -> u64 {
        self.families.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }
}

fn serve(
    stream: TcpStream,
    (book, families): (&Book, &AtomicU64),
    mood: &Mutex<Mood>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let now = || *mood.lock().unwrap_or_else(PoisonError::into_inner);
    let mut reader = BufReader::new(stream);
    while let Some(tags) = read_request(&mut reader)? {
        let answer = match now() {
            Mood::Well => {
                book.purged(&tags.changes);
                if tags.family {
                    book.purged_all();
                    families.fetch_add(1, Ordering::Relaxed);
                }
                format!("200 OK\r\nX-Purged: {}", tags.changes.len())
            }
            Mood::Throttles => "429 Too Many Requests\r\nRetry-After: 1".to_owned(),
            Mood::Fails => "500 Internal Server Error".to_owned(),
            Mood::Hangs => {
                while now() == Mood::Hangs {
                    std::thread::sleep(Duration::from_millis(20));
                }
                return Ok(());
            }
        };
        let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
        reader.get_mut().write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// What a request names.
#[derive(Debug, Default)]
struct Tags {
    /// Changes by their numbers.
    changes: Vec<u64>,
    /// Everything of the family.
    family: bool,
}

/// What a request names; `None` at the end of the connection.
fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<Tags>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut found = Tags::default();
    loop {
        line.clear();
        if reader.read_line(&mut line)? <= 2 {
            return Ok(Some(found));
        }
        if let Some((name, tags)) = line.split_once(':')
            && name.eq_ignore_ascii_case("xkey-purge")
        {
            let of_changes = tags
                .split_whitespace()
                .filter_map(|tag| tag.strip_prefix("change-"));
            found
                .changes
                .extend(of_changes.filter_map(|number| number.parse::<u64>().ok()));
            found.family |= tags.split_whitespace().any(|tag| tag == EDGE_TAG);
        }
    }
}
