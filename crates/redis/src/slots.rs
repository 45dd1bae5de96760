//! Slots of a cluster and their owners.

use std::sync::Arc;

use redis::Value;

/// Number of slots.
pub(crate) const SLOTS: usize = 16_384;

const NOBODY: u16 = u16::MAX;

/// The slot of a name: CRC16 over the hash tag, or over the whole name if there is none.
pub(crate) fn slot_of(name: &[u8]) -> u16 {
    crc16::State::<crc16::XMODEM>::calculate(hash_tag(name).unwrap_or(name)) % SLOTS as u16
}

/// The text between the first `{` and the next `}`, if not empty.
fn hash_tag(name: &[u8]) -> Option<&[u8]> {
    let rest = &name[name.iter().position(|&byte| byte == b'{')? + 1..];
    let tag = &rest[..rest.iter().position(|&byte| byte == b'}')?];
    (!tag.is_empty()).then_some(tag)
}

/// Owners of slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlotTable {
    owners: Vec<u16>,
    primaries: Vec<Arc<str>>,
    replicas: Vec<Arc<str>>,
}

impl SlotTable {
    /// Parses a response of `CLUSTER SLOTS`. A node without a host has the host that was `asked`.
    pub(crate) fn read(answer: &[Value], asked: &str) -> Option<Self> {
        let mut table = Self {
            owners: vec![NOBODY; SLOTS],
            primaries: Vec::new(),
            replicas: Vec::new(),
        };
        for range in answer {
            let Value::Array(parts) = range else {
                return None;
            };
            let [
                Value::Int(first),
                Value::Int(last),
                Value::Array(node),
                replicas @ ..,
            ] = parts.as_slice()
            else {
                return None;
            };
            let (first, last) = (usize::try_from(*first).ok()?, usize::try_from(*last).ok()?);
            let owner = table.number_of(&address_of(node, asked)?);
            table.owners.get_mut(first..=last)?.fill(owner);
            table.add_replicas(replicas, asked);
        }
        (!table.primaries.is_empty()).then_some(table)
    }

    fn add_replicas(&mut self, replicas: &[Value], asked: &str) {
        for replica in replicas {
            let Value::Array(node) = replica else {
                continue;
            };
            let Some(address) = address_of(node, asked) else {
                continue;
            };
            if !self.replicas.iter().any(|it| **it == *address) {
                self.replicas.push(Arc::from(address));
            }
        }
    }

    fn number_of(&mut self, address: &str) -> u16 {
        let known = self.primaries.iter().position(|it| **it == *address);
        let at = known.unwrap_or_else(|| {
            self.primaries.push(Arc::from(address));
            self.primaries.len() - 1
        });
        // A cluster has at most as many primaries as slots.
        u16::try_from(at).unwrap_or(NOBODY)
    }

    /// The address of the owner.
    pub(crate) fn owner(&self, slot: u16) -> Option<&Arc<str>> {
        let owner = *self.owners.get(usize::from(slot))?;
        self.primaries.get(usize::from(owner))
    }

    /// A redirection reported another owner of the slot.
    pub(crate) fn moved(&mut self, slot: u16, address: &str) {
        let owner = self.number_of(address);
        if let Some(old) = self.owners.get_mut(usize::from(slot)) {
            *old = owner;
        }
    }

    pub(crate) fn primaries(&self) -> &[Arc<str>] {
        &self.primaries
    }

    /// All nodes that may have the table.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Arc<str>> {
        self.primaries.iter().chain(&self.replicas)
    }

    /// Whether every slot has an owner.
    pub(crate) fn is_whole(&self) -> bool {
        !self.owners.contains(&NOBODY)
    }
}

fn address_of(node: &[Value], asked: &str) -> Option<String> {
    let [host, Value::Int(port), ..] = node else {
        return None;
    };
    let host = match host {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?,
        Value::SimpleString(text) => text,
        Value::Nil => "",
        _ => return None,
    };
    Some(address(host, &port.to_string(), asked))
}

/// An address as in URLs.
pub(crate) fn address(host: &str, port: &str, asked: &str) -> String {
    let host = match host {
        // The node does not know its host, or is configured to hide it.
        "" | "?" => host_of(asked),
        other => other,
    };
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// The `host:port` of a redirection.
pub(crate) fn redirected(to: &str, asked: &str) -> Option<String> {
    let (host, port) = to.rsplit_once(':')?;
    Some(address(host, port, asked))
}

fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        // https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
        assert_eq!(slot_of(b"123456789"), 0x31C3);
        assert_eq!(
            slot_of(b"{user1000}.following"),
            slot_of(b"{user1000}.followers")
        );
        assert_eq!(slot_of(b"foo{{bar}}zap"), slot_of(b"{bar"));
        assert_eq!(slot_of(b"foo{bar}{zap}"), slot_of(b"bar"));
        let whole = crc16::State::<crc16::XMODEM>::calculate(b"foo{}{bar}") % 16_384;
        assert_eq!(slot_of(b"foo{}{bar}"), whole);
        assert_eq!(slot_of(b""), 0);
    }

    fn range(first: i64, last: i64, host: Value, port: i64) -> Value {
        let node = Value::Array(vec![
            host,
            Value::Int(port),
            Value::BulkString(b"id".into()),
        ]);
        Value::Array(vec![Value::Int(first), Value::Int(last), node])
    }

    #[test]
    fn a_table_is_read_and_follows_what_moved() {
        let named = |host: &str| Value::BulkString(host.into());
        let answer = [
            range(0, 99, named("a"), 1),
            range(100, 16_383, named("::1"), 2),
        ];
        let mut table = SlotTable::read(&answer, "x:9").expect("a table");
        assert!(table.is_whole());
        assert_eq!(
            (
                table.owner(99).map(|it| &**it),
                table.owner(100).map(|it| &**it)
            ),
            (Some("a:1"), Some("[::1]:2"))
        );
        assert_eq!(table.nodes().count(), 2);
        table.moved(99, "c:3");
        assert_eq!(table.owner(99).map(|it| &**it), Some("c:3"));
        let mut with_replica = range(0, 5, Value::Nil, 7);
        if let Value::Array(parts) = &mut with_replica {
            parts.push(Value::Array(vec![named("r"), Value::Int(8)]));
        }
        let holes = SlotTable::read(&[with_replica], "seed:6379").expect("a small one");
        let nodes: Vec<&str> = holes.nodes().map(|it| &**it).collect();
        assert_eq!(nodes, ["seed:7", "r:8"]);
        assert_eq!(holes.owner(5).map(|it| &**it), Some("seed:7"));
        assert!(!holes.is_whole() && holes.owner(6).is_none());
    }

    #[test]
    fn what_is_no_table_is_none() {
        let named = |host: &str| Value::BulkString(host.into());
        assert!(SlotTable::read(&[], "a:1").is_none());
        assert!(SlotTable::read(&[Value::Int(3)], "a:1").is_none());
        assert!(SlotTable::read(&[range(0, 16_384, named("a"), 1)], "a:1").is_none());
        assert!(SlotTable::read(&[range(9, 3, named("a"), 1)], "a:1").is_none());
        assert!(SlotTable::read(&[range(-1, 3, named("a"), 1)], "a:1").is_none());
    }

    #[test]
    fn redirections_become_addresses() {
        assert_eq!(redirected("a:1", "b:2").as_deref(), Some("a:1"));
        assert_eq!(redirected(":1", "b:2").as_deref(), Some("b:1"));
        assert_eq!(redirected("::1:1", "b:2").as_deref(), Some("[::1]:1"));
        assert_eq!(redirected("nonsense", "b:2"), None);
    }
}
