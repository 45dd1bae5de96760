//! The consumer that one writes first: a whole JSON tree for each event, and one awaited UNLINK for each.

use std::env;

use anyhow::{Context, bail};
use freshet_bench::registry::prefix;
use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use serde_json::Value;

const COMMIT_EVERY: u64 = 1000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let setting = |name: &str| env::var(format!("BENCH_{name}")).with_context(|| name.to_owned());
    let (form, topic) = (setting("FORM")?, setting("TOPIC")?);
    let prefixes: Vec<String> = setting("FAMILIES")?.split(',').map(prefix).collect();
    let redis = redis::Client::open(format!("redis://{}", setting("REDIS")?))?;
    let mut redis = redis.get_multiplexed_async_connection().await?;
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", setting("BOOTSTRAP")?)
        .set("group.id", setting("GROUP")?)
        .set("auto.offset.reset", "earliest")
        .set("session.timeout.ms", "10000")
        .set("enable.auto.commit", "false")
        .create()?;
    consumer.subscribe(&[&topic])?;
    let mut seen = 0;
    loop {
        let message = consumer.recv().await?;
        if let Some(bytes) = message.payload() {
            let keys = keys_of(&form, bytes, &prefixes)?;
            if !keys.is_empty() {
                let _removed: u64 = redis::cmd("UNLINK")
                    .arg(&keys)
                    .query_async(&mut redis)
                    .await?;
            }
        }
        seen += 1;
        if seen % COMMIT_EVERY == 0 {
            consumer.commit_message(&message, CommitMode::Async)?;
        }
    }
}

fn keys_of(form: &str, bytes: &[u8], prefixes: &[String]) -> anyhow::Result<Vec<String>> {
    let event: Value = match form {
        "json" => serde_json::from_slice(bytes)?,
        "json-schema" => serde_json::from_slice::<Value>(bytes)?["payload"].take(),
        _ => bail!("the naive consumer reads JSON only"),
    };
    let ids = ["before", "after"].map(|image| event[image]["id"].as_i64());
    let mut ids: Vec<i64> = ids.into_iter().flatten().collect();
    ids.dedup();
    let keys = ids
        .iter()
        .flat_map(|id| prefixes.iter().map(move |prefix| format!("{prefix}{id}")));
    Ok(keys.collect())
}
