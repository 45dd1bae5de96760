//! Topics that Freshet writes must never be read as changes: each dead letter would make another one, for ever.

use freshet_core::outbox::OutboxTopics;
use freshet_core::registry::Registry;

use crate::config::Config;

/// The longest name of a topic that brokers accept, in bytes.
const NAME_BYTES_MAX: usize = 249;

/// Topics of the brokers' own. Every commit of Freshet writes into the first one.
const OF_BROKERS: [&str; 2] = ["__consumer_offsets", "__transaction_state"];

/// Names of topics that Freshet writes, and the settings that they come from.
#[derive(Debug, Clone)]
pub(crate) struct OwnTopics {
    names: Vec<(String, &'static str)>,
    prefixes: Vec<(String, &'static str)>,
    /// Topics that the config names for reading.
    read: Vec<(String, &'static str)>,
}

impl OwnTopics {
    /// Those of a config.
    pub(crate) fn of(config: &Config) -> Self {
        let targets = config.targets.keys().map(|name| &**name);
        let heartbeats = config.heartbeats.topics().map(|it| (it, "heartbeats"));
        let transactions = config.transactions.keys();
        let transactions = transactions.map(|it| (format!("{it}.transaction"), "transactions"));
        Self {
            read: heartbeats.chain(transactions).collect(),
            ..Self::new(&config.outbox, targets)
        }
    }

    /// Those of a config that leaves the names as they are.
    pub(crate) fn usual() -> Self {
        Self::new(&OutboxTopics::default(), [].into_iter())
    }

    fn new<'a>(outbox: &OutboxTopics, targets: impl Iterator<Item = &'a str>) -> Self {
        let mut names = vec![
            (outbox.dead_letters.to_string(), "outbox.dead_letters"),
            (outbox.positions.to_string(), "outbox.positions"),
        ];
        for target in targets {
            names.push((outbox.lane_topic(target).to_string(), "outbox.topic_prefix"));
            names.push((
                outbox.backlog_topic(target).to_string(),
                "outbox.backlog_prefix",
            ));
        }
        let prefixes = [
            (outbox.topic_prefix.clone(), "outbox.topic_prefix"),
            (outbox.backlog_prefix.clone(), "outbox.backlog_prefix"),
        ];
        // Without a prefix the names of targets are all that is known.
        let prefixes = prefixes.into_iter().filter(|(it, _)| !it.is_empty());
        Self {
            names,
            prefixes: prefixes.collect(),
            read: Vec::new(),
        }
    }

    /// Whether the topics that the config names can be what they are: legal names, each of Freshet's own for one thing.
    ///
    /// # Errors
    /// Every fault, with what to do.
    pub(crate) fn check_themselves(&self) -> Result<(), String> {
        let mut faults = Vec::new();
        for (at, (name, setting)) in self.names.iter().enumerate() {
            if let Some(why) = illegal(name) {
                faults.push(format!(
                    "error: `{setting}` makes topic `{}`, which {why}\n  help: letters, digits, `.`, `_` and `-`",
                    shown(name)
                ));
            }
            let mut before = self.names.iter().take(at);
            if let Some((_, other)) = before.find(|(it, _)| it == name) {
                faults.push(format!(
                    "error: `{other}` and `{setting}` both make topic `{name}`\n  help: each needs its own topic"
                ));
            }
        }
        for (name, setting) in &self.read {
            if let Some(why) = self.why_not(name) {
                faults.push(format!(
                    "error: `{setting}` reads topic `{}`, which {why}\n  help: give the name of a database as in its \
                     source file",
                    shown(name)
                ));
            }
        }
        joined(faults)
    }

    /// Whether the registry reads none of Freshet's own topics, nor what is no topic at all.
    ///
    /// # Errors
    /// Every fault, with what to do.
    pub(crate) fn check(&self, registry: &Registry) -> Result<(), String> {
        let bound = registry.tables.iter().filter(|it| !it.bindings.is_empty());
        let faults = bound.filter_map(|table| {
            let why = self.why_not(&table.shape.topic)?;
            Some(format!(
                "error: table `{}` is read from topic `{}`, which {why}\n  help: set `topic:` in the source file to the \
                 topic that the connector writes",
                shown(&table.shape.name),
                shown(&table.shape.topic)
            ))
        });
        joined(faults.collect())
    }

    fn why_not(&self, topic: &str) -> Option<String> {
        if let Some(why) = illegal(topic) {
            return Some(why.to_owned());
        }
        if OF_BROKERS.contains(&topic) {
            return Some("is internal to Kafka: each commit writes to it".to_owned());
        }
        let mut names = self.names.iter();
        let mut prefixes = self.prefixes.iter();
        let named = names.find(|(name, _)| name == topic);
        let own = named.or_else(|| prefixes.find(|(prefix, _)| topic.starts_with(&**prefix)));
        let (_, setting) = own?;
        Some(format!(
            "Freshet writes itself (`{setting}`): each of its records would cause another one"
        ))
    }
}

/// Why brokers do not accept a name, or librdkafka takes it for a pattern.
fn illegal(name: &str) -> Option<&'static str> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.starts_with('^') {
        return Some("is a pattern that would read every matching topic");
    }
    if name.is_empty() || name == "." || name == ".." {
        return Some("is not a valid topic name");
    }
    if name.len() > NAME_BYTES_MAX {
        return Some("has more than 249 bytes");
    }
    (!name.bytes().all(legal)).then_some("has characters that are not allowed in topic names")
}

/// A name for a message: control characters escaped, and not too long.
fn shown(name: &str) -> String {
    let escaped = name.escape_debug();
    escaped.take(2 * NAME_BYTES_MAX).collect()
}

/// More faults than these are only counted.
const FAULTS_MAX: usize = 20;

fn joined(mut faults: Vec<String>) -> Result<(), String> {
    if faults.is_empty() {
        return Ok(());
    }
    let more = faults.len().saturating_sub(FAULTS_MAX);
    faults.truncate(FAULTS_MAX);
    if more > 0 {
        faults.push(format!("and {more} more"));
    }
    Err(faults.join("\n"))
}
