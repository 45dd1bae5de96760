//! Checks that the topics of bound tables exist. A wrong `topic.prefix` looks like an idle database.

use std::sync::Arc;
use std::time::Duration;

use freshet_core::registry::Registry;
use freshet_kafka::KafkaTopicEnds;
use freshet_pipeline::clock::Clock;
use freshet_pipeline::metrics::topic_missing;
use freshet_pipeline::rules::RulesInForce;
use freshet_pipeline::status::Status;
use tokio::time::Instant;

const PART: &str = "topics";
/// Interval of checks while a topic is missing or after a reload.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Interval of checks while all topics exist.
const LOOK_ANEW: Duration = Duration::from_secs(20);
/// Names of missing topics in a message.
const NAMED_MAX: usize = 10;

/// Checks the topics while the process runs.
pub(crate) struct TopicWatch {
    pub(crate) client: Arc<KafkaTopicEnds>,
    pub(crate) rules: RulesInForce,
    pub(crate) status: Status,
    pub(crate) clock: Clock,
}

impl TopicWatch {
    /// Not ready until every topic was found.
    pub(crate) async fn run(self) {
        let unknown = "the topics of bound tables have not been checked yet";
        self.status.not_ready(PART, unknown, self.clock.now());
        let mut all_there: Option<(Arc<Registry>, Instant)> = None;
        loop {
            let registry = Arc::clone(&self.rules.current().registry);
            let is_known = all_there.as_ref().is_some_and(|(of, since)| {
                Arc::ptr_eq(of, &registry) && since.elapsed() < LOOK_ANEW
            });
            if !is_known {
                let found = self.look(&registry).await;
                all_there = found.then(|| (registry, Instant::now()));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Looks once; whether all are there.
    async fn look(&self, registry: &Registry) -> bool {
        let topics = topics_of(registry);
        let client = Arc::clone(&self.client);
        let asked = topics.clone();
        let answer = tokio::task::spawn_blocking(move || client.missing(&asked)).await;
        let missing = match answer {
            Ok(Ok(missing)) => missing,
            // What was known before holds: that the brokers are away is reported elsewhere.
            Ok(Err(error)) => {
                tracing::debug!(error = %error, "topics cannot be listed");
                return false;
            }
            Err(error) => {
                tracing::error!(error = %error, "topics cannot be listed");
                return false;
            }
        };
        for topic in &topics {
            topic_missing(topic, missing.contains(topic));
        }
        let optional = registry.optional();
        let needed = missing
            .iter()
            .filter(|topic| !optional.contains(topic.as_str()));
        let needed: Vec<&str> = needed.map(String::as_str).collect();
        match needed.is_empty() {
            true => {
                self.status.ready(PART);
            }
            false => self.not_ready(&reason(&needed, topics.len())),
        }
        missing.is_empty()
    }

    fn not_ready(&self, reason: &str) {
        if self.status.not_ready(PART, reason, self.clock.now()) {
            tracing::warn!(reason, "topics of bound tables do not exist");
        }
    }
}

/// The topics of bound tables. That of a beacon is not among them: it is missed when its beat is late.
fn topics_of(registry: &Registry) -> Vec<String> {
    let is_beacon = |family: usize| {
        let family = registry.families.get(family);
        family.is_some_and(|family| family.beacon.is_some())
    };
    let bound = registry.tables.iter().filter(|table| {
        let mut families = table.bindings.iter().map(|it| it.family.0 as usize);
        families.any(|family| !is_beacon(family))
    });
    bound.map(|table| table.shape.topic.to_string()).collect()
}

fn reason(missing: &[&str], bound: usize) -> String {
    let named = missing.iter().take(NAMED_MAX).copied();
    let named = named.collect::<Vec<_>>().join(", ");
    let more = match missing.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{} of {bound} topics do not exist: {named}{more}; compare the tables of the source file with `topic.prefix` of \
         the connector, or declare a table `optional: true` if its topic is created later",
        missing.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_missing_topics_are_named_and_the_rest_is_counted() {
        let all: Vec<String> = (0..12).map(|at| format!("shop.public.t{at}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let message = reason(&all, 40);
        assert!(
            message.starts_with("12 of 40 topics do not exist: shop.public.t0, "),
            "{message}"
        );
        assert!(message.contains("shop.public.t9 and 2 more"), "{message}");
        assert!(!reason(&all[..2], 40).contains("more"));
    }
}
