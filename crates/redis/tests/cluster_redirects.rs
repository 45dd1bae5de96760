//! The purger before two nodes of a cluster that name each other as the owner of a slot, as they do for a while when
//! the slot changes hands.

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use freshet_core::ports::Purger;
use freshet_core::purge::{Disposition, disposition};
use freshet_core::registry::Scope;
use freshet_redis::{RedisPurger, RedisTarget, Topology};

use support::{batch, eventually, purge_until_settled};

/// Names of one slot, and its number.
const NAMES: [&str; 3] = ["foo", "a{foo}", "b{foo}"];
const SLOT: u16 = 12_182;

/// What one purge may take while the nodes disagree.
const BOUND: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Pair {
    ports: [u16; 2],
    is_agreed: Mutex<bool>,
    redirected: AtomicUsize,
    purged: Mutex<BTreeSet<String>>,
}

impl Pair {
    fn start() -> Arc<Self> {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let port = |it: &TcpListener| it.local_addr().expect("bound").port();
        let pair = Arc::new(Self {
            ports: [port(&listeners[0]), port(&listeners[1])],
            ..Self::default()
        });
        for (node, listener) in listeners.into_iter().enumerate() {
            let pair = Arc::clone(&pair);
            std::thread::spawn(move || {
                for link in listener.incoming().flatten() {
                    let pair = Arc::clone(&pair);
                    std::thread::spawn(move || pair.serve(node, link));
                }
            });
        }
        pair
    }

    fn serve(&self, node: usize, mut link: TcpStream) {
        let mut requests = BufReader::new(link.try_clone().expect("a second handle"));
        while let Some(words) = read_command(&mut requests) {
            let answer = self.answer(node, &words);
            if link.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    /// Each node names the other one until both agree on the first.
    fn owner_by(&self, node: usize) -> u16 {
        match *self.is_agreed.lock().expect("unpoisoned") {
            true => self.ports[0],
            false => self.ports[1 - node],
        }
    }

    fn answer(&self, node: usize, words: &[String]) -> String {
        let owner = self.owner_by(node);
        match words[0].to_uppercase().as_str() {
            "CLUSTER" if words[1].eq_ignore_ascii_case("SLOTS") => {
                format!("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:{owner}\r\n")
            }
            "UNLINK" if owner != self.ports[node] => {
                self.redirected.fetch_add(1, Ordering::Relaxed);
                format!("-MOVED {SLOT} 127.0.0.1:{owner}\r\n")
            }
            "UNLINK" => {
                let names = words[1..].iter().cloned();
                self.purged.lock().expect("unpoisoned").extend(names);
                format!(":{}\r\n", words.len() - 1)
            }
            "INFO" => "-NOPERM this user has no permissions\r\n".to_owned(),
            _ => "+OK\r\n".to_owned(),
        }
    }
}

fn read_command(from: &mut impl BufRead) -> Option<Vec<String>> {
    let parts = read_number(from, '*')?;
    let word = |_| {
        let mut bytes = vec![0; read_number(from, '$')? + 2];
        from.read_exact(&mut bytes).ok()?;
        bytes.truncate(bytes.len() - 2);
        String::from_utf8(bytes).ok()
    };
    (0..parts).map(word).collect()
}

fn read_number(from: &mut impl BufRead, kind: char) -> Option<usize> {
    let mut line = String::new();
    from.read_line(&mut line).ok()?;
    line.trim_end().strip_prefix(kind)?.parse().ok()
}

#[tokio::test]
async fn p6_nodes_that_name_each_other_cost_bounded_time_and_no_purge() {
    let pair = Pair::start();
    let nodes = pair.ports.map(|port| format!("redis://127.0.0.1:{port}"));
    let nodes = nodes.to_vec();
    let purger = RedisPurger::connect(RedisTarget::at(Topology::Cluster { nodes }));
    let purger = purger.expect("usable");
    let all = batch(Scope::Keys, &NAMES);
    for attempt in 1..=3 {
        let (begun, before) = (Instant::now(), pair.redirected.load(Ordering::Relaxed));
        let report = purger.purge(&all).await;
        let redirections = pair.redirected.load(Ordering::Relaxed) - before;
        assert!(redirections > 1, "attempt {attempt}: both nodes were asked");
        assert!(redirections < 50, "attempt {attempt}: {redirections}");
        let took = begun.elapsed();
        assert!(took < BOUND, "attempt {attempt} took {took:?}");
        assert_eq!(report.outcomes.len(), NAMES.len());
        let is_kept = |&it| disposition(it, true) == Disposition::Retry;
        assert!(report.outcomes.iter().all(is_kept), "{report:?}");
    }
    assert!(pair.purged.lock().expect("unpoisoned").is_empty());
    *pair.is_agreed.lock().expect("unpoisoned") = true;
    eventually("a whole cluster", || async { purger.ping().await.is_ok() }).await;
    purge_until_settled(&purger, &all).await;
    let purged = pair.purged.lock().expect("unpoisoned").clone();
    assert_eq!(purged, NAMES.map(str::to_owned).into());
}
