//! How to reach Kafka: brokers, and properties of librdkafka with a rule for each.

use std::path::Path;

use freshet_kafka::{KafkaConnection, StartAt, check_property, is_read, is_secret};
use serde_saphyr::Spanned;

use super::faults::{Faults, holds_credentials};
use super::values::PropertyWritten;
use super::written::KafkaWritten;

pub(crate) fn decide(
    spanned: &Spanned<KafkaWritten>,
    base: &Path,
    faults: &mut Faults<'_>,
) -> KafkaConnection {
    let written = &spanned.value;
    let before = faults.count();
    check_brokers(written, faults);
    let mut connection = KafkaConnection {
        brokers: written.brokers.value.0.clone(),
        ..KafkaConnection::default()
    };
    for (name, value) in &written.properties {
        if check_plain(name, value, faults) {
            let value = value.value.0.expose().to_owned();
            connection.properties.insert(name.clone(), value);
        }
    }
    for (name, secret) in &written.secret_properties {
        if written.properties.contains_key(name) {
            faults.add(
                secret,
                &format!("`{name}` is also in `properties`"),
                "keep it in `secret_properties` only",
            );
        }
        if is_read(name) {
            let message = format!("`{name}` is not a secret");
            faults.add(secret, &message, "move it to `properties`");
        }
        let known = faults.count();
        let value = faults.secret(secret, base);
        if faults.count() == known
            && let Err(error) = check_property(name, &value)
        {
            faults.property(secret, &error);
        }
        connection.secret_properties.insert(name.clone(), value);
    }
    if faults.count() == before
        && let Err(error) = connection.check()
    {
        let help = "librdkafka rejects this combination of properties";
        faults.add(spanned, &error.to_string(), help);
    }
    connection
}

fn check_brokers(written: &KafkaWritten, faults: &mut Faults<'_>) {
    let brokers = &written.brokers;
    let example = "for example: kafka-1:9092,kafka-2:9092";
    let mut listed = brokers.value.0.split(',').map(str::trim);
    if brokers.value.0.trim().is_empty() {
        faults.add(brokers, "has no broker", example);
    } else if !brokers.value.0.contains('@') && !listed.all(is_broker) {
        faults.add(brokers, "is not a list of host:port", example);
    }
    if brokers.value.0.contains('@') {
        faults.add(
            brokers,
            "contains credentials",
            "give `sasl.username` in `properties`, and `sasl.password: { env: NAME }` in `secret_properties`",
        );
    }
}

/// Whether a text is a broker's address. librdkafka takes what it cannot read for a name, and a port of any size modulo 65 536.
fn is_broker(text: &str) -> bool {
    let address = match text.split_once("://") {
        Some(("PLAINTEXT" | "SSL" | "SASL_PLAINTEXT" | "SASL_SSL", address)) => address,
        Some(_) => return false,
        None => text,
    };
    // An IPv6 address stands in brackets.
    let port = match address.rsplit_once(']') {
        Some((_, "")) => None,
        Some((_, rest)) => Some(rest.strip_prefix(':').unwrap_or_default()),
        None => address.split_once(':').map(|(_, port)| port),
    };
    let host = address.split(':').next().unwrap_or_default();
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    !host.is_empty() && !address.contains(['/', ' ']) && port.is_none_or(is_port)
}

/// Whether a property may stand in `properties`.
fn check_plain(name: &str, value: &Spanned<PropertyWritten>, faults: &mut Faults<'_>) -> bool {
    let secret = &value.value.0;
    if is_secret(name) {
        let help = format!(
            "move it to `secret_properties` as `{name}: {{ env: NAME }}` or `{{ file: PATH }}`"
        );
        faults.add(value, &format!("the value of `{name}` is secret"), &help);
        return false;
    }
    if let Err(error) = check_property(name, secret) {
        faults.property(value, &error);
        return false;
    }
    if holds_credentials(secret.expose()) {
        faults.add(
            value,
            &format!("`{name}` contains credentials"),
            "remove `user:password@` and give them in `secret_properties`",
        );
        return false;
    }
    true
}

pub(crate) fn decide_start(kafka: &KafkaWritten, faults: &mut Faults<'_>) -> StartAt {
    let Some(start) = &kafka.start else {
        return StartAt::Earliest;
    };
    match start.value.as_str() {
        "earliest" => StartAt::Earliest,
        "latest" => StartAt::Latest,
        "error" => StartAt::Error,
        other => {
            faults.choice(start, other, &["earliest", "latest", "error"]);
            StartAt::Earliest
        }
    }
}
