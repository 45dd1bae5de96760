//! Reads and stores entries as a reader would.

use std::time::Duration;

use freshet_core::ports::{Observation, Plant, Probe};
use freshet_core::registry::EntryVersion;
use redis::RedisError;
use serde_json::Value;

use crate::outcome::reason_of;
use crate::purger::RedisPurger;
use crate::route::Route;

impl Probe for RedisPurger {
    async fn observe(&self, name: &[u8], version: Option<&EntryVersion>) -> Observation {
        match look(&self.route, name, version).await {
            Ok(observation) => observation,
            Err(error) => Observation::Unreachable(reason_of(&error)),
        }
    }
}

impl Plant for RedisPurger {
    async fn plant(&self, name: &[u8], value: &[u8], ttl: Duration) -> Result<(), String> {
        let mut set = redis::cmd("SET");
        set.arg(name).arg(value);
        set.arg("PX").arg(ttl.as_millis().max(1) as u64);
        let stored: Result<(), RedisError> = self.route.ask(name, &set).await;
        stored.map_err(|error| reason_of(&error))
    }
}

async fn look(
    route: &Route,
    name: &[u8],
    version: Option<&EntryVersion>,
) -> Result<Observation, RedisError> {
    let mut ttl = redis::cmd("PTTL");
    ttl.arg(name);
    // -2: no such key; -1: no expiry (https://redis.io/docs/latest/commands/pttl/).
    let remaining: i64 = route.ask(name, &ttl).await?;
    if remaining == -2 {
        return Ok(Observation::Absent);
    }
    let remaining_ttl = u64::try_from(remaining).ok().map(Duration::from_millis);
    let version = match version {
        None => None,
        Some(entry) if entry.hash => {
            let mut get = redis::cmd("HGET");
            get.arg(name).arg(&*entry.field);
            route.ask::<Option<String>>(name, &get).await?
        }
        Some(entry) => {
            let mut get = redis::cmd("GET");
            get.arg(name);
            let value: Option<Vec<u8>> = route.ask(name, &get).await?;
            value.and_then(|value| field_of(&value, &entry.field))
        }
    };
    Ok(Observation::Present {
        remaining_ttl,
        version,
    })
}

/// A field of a JSON object as text; none if it is missing or the entry is something else (a lease).
fn field_of(value: &[u8], field: &str) -> Option<String> {
    match serde_json::from_slice::<Value>(value).ok()?.get(field)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
