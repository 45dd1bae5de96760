//! A small breaker for each node of a cluster: after two attempts without an answer a node is considered down, and
//! nothing waits for it. Pings are still sent to it; without pings, one purge from time to time is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Consecutive attempts without an answer after which a node is considered down. The first one may have used an
/// idle connection that was closed.
const FAILURES_TO_OPEN: u32 = 2;

/// After this time without a ping, a purge is sent to a node that is down. Longer than the ping interval, so that no
/// purge waits for a silent node while it is pinged.
const PROBE_AFTER: Duration = Duration::from_secs(5);

/// State of one node.
#[derive(Debug, Clone, Copy, Default)]
struct Node {
    /// Whether it has ever answered.
    heard: bool,
    /// Consecutive attempts without an answer.
    failures: u32,
    /// End of the last of them.
    failed: Option<Instant>,
    /// While it is down: from when on a purge may be sent to it.
    ask_at: Option<Instant>,
}

impl Node {
    fn is_down(&self) -> bool {
        self.failures >= FAILURES_TO_OPEN
    }

    fn is_well(&self) -> bool {
        self.heard && self.failures == 0
    }
}

/// The breakers of all nodes.
#[derive(Debug, Default)]
pub(crate) struct Nodes(HashMap<Arc<str>, Node>);

impl Nodes {
    /// The node answers. This does not prove that it purges: a node that loads its data also reports its slots.
    pub(crate) fn heard(&mut self, node: &Arc<str>) {
        self.0.entry(Arc::clone(node)).or_default().heard = true;
    }

    /// The node executed a command. Returns whether it was considered down.
    pub(crate) fn answered(&mut self, node: &Arc<str>) -> bool {
        let known = self.0.entry(Arc::clone(node)).or_default();
        let was_down = known.is_down();
        *known = Node {
            heard: true,
            ..Node::default()
        };
        was_down
    }

    /// An attempt that `began` then was not answered. Returns whether the node is now considered down. Parallel
    /// attempts fail together and count once.
    pub(crate) fn failed(&mut self, node: &Arc<str>, began: Instant, now: Instant) -> bool {
        let known = self.0.entry(Arc::clone(node)).or_default();
        known.ask_at = Some(now + PROBE_AFTER);
        if known.failed.is_some_and(|failed| began <= failed) {
            return false;
        }
        known.failed = Some(now);
        known.failures = known.failures.saturating_add(1);
        known.failures == FAILURES_TO_OPEN
    }

    /// A ping will be sent to the node, so purges need not.
    pub(crate) fn probing(&mut self, node: &Arc<str>, now: Instant) {
        if let Some(known) = self.0.get_mut(node).filter(|known| known.is_down()) {
            known.ask_at = Some(now + PROBE_AFTER);
        }
    }

    /// Whether a purge may be sent to the node. Always true if none of `primaries` works: then the target is
    /// down, which the target's breaker handles.
    pub(crate) fn admit(&mut self, node: &Arc<str>, primaries: &[Arc<str>], now: Instant) -> bool {
        let one_is_well = self.one_is_well(primaries);
        let Some(known) = self.0.get_mut(node).filter(|known| known.is_down()) else {
            return true;
        };
        let due = known.ask_at.is_none_or(|ask_at| now >= ask_at);
        if due {
            known.ask_at = Some(now + PROBE_AFTER);
        }
        due || !one_is_well
    }

    /// Number of `primaries` without an answer while others work; zero if none works.
    pub(crate) fn silent(&self, primaries: &[Arc<str>]) -> u32 {
        if !self.one_is_well(primaries) {
            return 0;
        }
        let failing = |node: &&Arc<str>| self.0.get(*node).is_some_and(|it| it.failures > 0);
        primaries.iter().filter(failing).count() as u32
    }

    /// One of `primaries` that is considered down while others work.
    pub(crate) fn down<'a>(&self, primaries: &'a [Arc<str>]) -> Option<&'a Arc<str>> {
        let is_down = |node: &&Arc<str>| self.0.get(*node).is_some_and(Node::is_down);
        let one = primaries.iter().find(is_down)?;
        self.one_is_well(primaries).then_some(one)
    }

    /// Removes nodes that are no longer in the cluster.
    pub(crate) fn retain(&mut self, kept: impl Fn(&Arc<str>) -> bool) {
        self.0.retain(|node, _| kept(node));
    }

    fn one_is_well(&self, primaries: &[Arc<str>]) -> bool {
        let is_well = |node: &Arc<str>| self.0.get(node).is_some_and(Node::is_well);
        primaries.iter().any(is_well)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two nodes that answered, and a time to count from.
    fn two() -> (Nodes, [Arc<str>; 2], Instant) {
        let (mut nodes, names) = (Nodes::default(), [Arc::from("a:1"), Arc::from("b:2")]);
        for name in &names {
            assert!(!nodes.answered(name));
        }
        (nodes, names, Instant::now())
    }

    fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn p6_a_node_is_down_after_two_attempts_one_after_the_other() {
        let (mut nodes, names, t) = two();
        let [a, b] = &names;
        assert!(!nodes.failed(a, t, t + secs(1)));
        let together = nodes.failed(a, t + secs(1), t + secs(2));
        assert!(!together, "was under way when the first one failed");
        assert!(nodes.admit(a, &names, t + secs(2)));
        assert_eq!((nodes.silent(&names), nodes.down(&names)), (1, None));
        assert!(!nodes.answered(a), "not in a row");
        assert!(!nodes.failed(a, t + secs(3), t + secs(4)));
        assert!(nodes.failed(a, t + secs(5), t + secs(6)), "told once");
        assert!(!nodes.failed(a, t + secs(7), t + secs(8)));
        assert!(!nodes.admit(a, &names, t + secs(8)));
        assert!(nodes.admit(b, &names, t + secs(8)));
        assert_eq!((nodes.silent(&names), nodes.down(&names)), (1, Some(a)));
        assert!(nodes.answered(a) && nodes.admit(a, &names, t + secs(8)));
        assert_eq!((nodes.silent(&names), nodes.down(&names)), (0, None));
    }

    #[test]
    fn p6_no_purge_asks_a_node_that_is_pinged_and_else_one_at_a_time_does() {
        let (mut nodes, names, t) = two();
        let [a, _] = &names;
        nodes.failed(a, t, t);
        assert!(nodes.failed(a, t + secs(1), t + secs(1)));
        for at in 2..60 {
            nodes.probing(a, t + secs(at));
            assert!(!nodes.admit(a, &names, t + secs(at)), "pinged");
        }
        let silence = t + secs(59) + PROBE_AFTER;
        assert!(!nodes.admit(a, &names, silence - Duration::from_nanos(1)));
        assert!(nodes.admit(a, &names, silence), "nobody pings");
        assert!(!nodes.admit(a, &names, silence), "one at a time");
        assert!(!nodes.failed(a, silence, silence + secs(1)));
        assert!(!nodes.admit(a, &names, silence + PROBE_AFTER), "waits anew");
        nodes.heard(a);
        assert!(
            !nodes.admit(a, &names, silence + PROBE_AFTER),
            "it loads its data"
        );
        assert!(nodes.admit(a, &names, silence + PROBE_AFTER + secs(1)));
    }

    #[test]
    fn p6_where_no_node_is_well_each_is_asked() {
        let (mut nodes, names, t) = two();
        for name in &names {
            nodes.failed(name, t, t);
            nodes.failed(name, t + secs(1), t + secs(1));
        }
        let [a, b] = &names;
        assert!(nodes.admit(a, &names, t + secs(2)) && nodes.admit(b, &names, t + secs(2)));
        assert_eq!((nodes.silent(&names), nodes.down(&names)), (0, None));
        nodes.answered(b);
        assert!(!nodes.admit(a, &names, t + secs(2)));
        // A replica that took over is another node, and the old one is no primary.
        let after: [Arc<str>; 2] = [Arc::from("c:3"), Arc::clone(b)];
        assert!(nodes.admit(&after[0], &after, t + secs(2)));
        assert_eq!((nodes.silent(&after), nodes.down(&after)), (0, None));
        nodes.retain(|node| after.contains(node));
        assert!(nodes.admit(a, &after, t + secs(2)), "forgotten");
    }
}
