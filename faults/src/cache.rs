//! A Redis as an application sees it: alone, behind Sentinel or as a Cluster. Commands go in batches, each to its
//! node; when anything fails the whole batch is an error, for the suite asks again anyway.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use freshet_testbed::{Reply, Resp, push_command};

/// How a Redis is reached.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// One server.
    Alone(String),
    /// Addresses of the sentinels, and their name for the primary.
    Sentinel(Vec<String>, &'static str),
    /// Addresses of some nodes.
    Cluster(Vec<String>),
}

/// Long enough for a busy machine, short enough that a writer notices.
const TIMEOUT: Duration = Duration::from_millis(500);

/// While a slot changes hands, two nodes may name each other as its owner; it ends when both have heard of it.
const REDIRECTED_WITHIN: Duration = Duration::from_secs(10);

/// Between one redirection and the next, from the third on.
const REDIRECTION_PAUSE: Duration = Duration::from_millis(20);

/// A command: its words, and the key by which a cluster finds its node.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    words: Vec<String>,
    key: String,
}

impl Command {
    /// A command whose first argument is its key.
    pub(crate) fn new(words: &[&str]) -> Self {
        Self::about(words.get(1).copied().unwrap_or(""), words)
    }

    /// A command about `key`, wherever that stands in it.
    pub(crate) fn about(key: &str, words: &[&str]) -> Self {
        Self {
            words: words.iter().map(|&word| word.to_owned()).collect(),
            key: key.to_owned(),
        }
    }
}

/// A client of one thread.
#[derive(Debug)]
pub(crate) struct Cache {
    place: Place,
    links: HashMap<String, Resp>,
    /// The primary that the sentinels named last.
    primary: Option<String>,
    slots: HashMap<u16, String>,
}

impl Cache {
    pub(crate) fn new(place: Place) -> Self {
        Self {
            place,
            links: HashMap::new(),
            primary: None,
            slots: HashMap::new(),
        }
    }

    /// Runs all commands; answers stand in their order.
    pub(crate) fn run(&mut self, commands: &[Command]) -> Result<Vec<Reply>> {
        let answers = self.try_run(commands);
        if answers.is_err() {
            // What is half read is of no use, and the primary may be another by now.
            self.links.clear();
            self.primary = None;
        }
        answers
    }

    fn try_run(&mut self, commands: &[Command]) -> Result<Vec<Reply>> {
        let mut by_node: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, command) in commands.iter().enumerate() {
            let node = self.node_of(&command.key)?;
            by_node.entry(node).or_default().push(at);
        }
        let mut answers = vec![Reply::Nil; commands.len()];
        for (node, places) in by_node {
            let batch: Vec<&Command> = places.iter().map(|&at| &commands[at]).collect();
            for (at, reply) in places.iter().zip(self.ask(&node, &batch, false)?) {
                answers[*at] = reply;
            }
        }
        for (command, answer) in commands.iter().zip(&mut answers) {
            self.follow(command, answer)?;
            if let Reply::Error(said) = answer {
                bail!("redis says {said}");
            }
        }
        Ok(answers)
    }

    /// Goes where a redirection leads, until a node answers.
    fn follow(&mut self, command: &Command, answer: &mut Reply) -> Result<()> {
        let begun = Instant::now();
        for hop in 0_u32.. {
            let Reply::Error(said) = &*answer else {
                return Ok(());
            };
            let words: Vec<String> = said.split(' ').map(str::to_owned).collect();
            let [kind, slot, node] = words.as_slice() else {
                return Ok(());
            };
            match kind.as_str() {
                "MOVED" => self.slots.insert(slot.parse()?, node.clone()),
                "ASK" => None,
                _ => return Ok(()),
            };
            if begun.elapsed() >= REDIRECTED_WITHIN {
                bail!("nodes went on redirecting for {REDIRECTED_WITHIN:?}: {said}");
            }
            if hop >= 2 {
                std::thread::sleep(REDIRECTION_PAUSE);
            }
            let mut replies = self.ask(node, &[command], kind == "ASK")?;
            *answer = replies.pop().context("an answer")?;
        }
        Ok(())
    }

    fn node_of(&mut self, key: &str) -> Result<String> {
        match &self.place {
            Place::Alone(address) => Ok(address.clone()),
            Place::Cluster(seeds) => {
                let slot = crc16::State::<crc16::XMODEM>::calculate(key.as_bytes()) % 16_384;
                let known = self.slots.get(&slot).or_else(|| seeds.first());
                known.cloned().context("a cluster has nodes")
            }
            Place::Sentinel(sentinels, master) => {
                if self.primary.is_none() {
                    self.primary = named_primary(sentinels, master);
                }
                self.primary.clone().context("the sentinels name nobody")
            }
        }
    }

    fn ask(&mut self, node: &str, commands: &[&Command], asking: bool) -> Result<Vec<Reply>> {
        if !self.links.contains_key(node) {
            let link = Resp::connect_within(node, TIMEOUT)?;
            self.links.insert(node.to_owned(), link);
        }
        let link = self.links.get_mut(node).context("connected")?;
        let mut request = Vec::new();
        if asking {
            push_command(&mut request, &["ASKING"]);
        }
        for command in commands {
            push_command(&mut request, &command.words);
        }
        link.send(&request)?;
        if asking {
            link.reply()?;
        }
        commands.iter().map(|_| link.reply()).collect()
    }
}

/// The server that most sentinels name: one alone may not have heard of a failover yet.
fn named_primary(sentinels: &[String], master: &str) -> Option<String> {
    let mut votes: HashMap<String, usize> = HashMap::new();
    for sentinel in sentinels {
        let ask = || -> Result<Reply> {
            let mut link = Resp::connect_within(sentinel, TIMEOUT)?;
            link.call(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", master])
        };
        if let Ok(Reply::List(parts)) = ask()
            && let [Reply::Text(host), Reply::Text(port)] = parts.as_slice()
        {
            *votes.entry(format!("{host}:{port}")).or_default() += 1;
        }
    }
    let most = votes.into_iter().max_by_key(|(_, votes)| *votes)?;
    (2 * most.1 > sentinels.len()).then_some(most.0)
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use freshet_testbed::read_reply;

    use super::*;

    /// A node that redirects to `other` until `hops` of both are used up, and then answers.
    fn node(listener: TcpListener, other: u16, hops: &Arc<AtomicUsize>) {
        let hops = Arc::clone(hops);
        std::thread::spawn(move || {
            for link in listener.incoming() {
                let mut link = link.expect("a connection");
                let mut requests = BufReader::new(link.try_clone().expect("a second handle"));
                while let Ok(Reply::List(_)) = read_reply(&mut requests) {
                    let left = hops
                        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| it.checked_sub(1));
                    let answer = match left {
                        Ok(_) => format!("-MOVED 12182 127.0.0.1:{other}\r\n"),
                        Err(_) => ":1\r\n".to_owned(),
                    };
                    if link.write_all(answer.as_bytes()).is_err() {
                        break;
                    }
                }
            }
        });
    }

    #[test]
    fn nodes_that_name_each_other_for_a_while_are_waited_for() {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let [one, other] = [0, 1].map(|at: usize| {
            let address = listeners[at].local_addr().expect("bound");
            address.port()
        });
        let [first, second] = listeners;
        let hops = Arc::new(AtomicUsize::new(30));
        node(first, other, &hops);
        node(second, one, &hops);
        let mut cache = Cache::new(Place::Cluster(vec![format!("127.0.0.1:{one}")]));
        let answers = cache.run(&[Command::new(&["EXISTS", "foo"])]);
        assert_eq!(answers.expect("answered in the end"), [Reply::Int(1)]);
        assert_eq!(
            hops.load(Ordering::SeqCst),
            0,
            "all redirections were followed"
        );
    }
}
