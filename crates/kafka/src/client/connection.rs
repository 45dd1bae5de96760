//! How to reach the brokers. Any librdkafka property can be passed through.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use freshet_core::secret::Secret;
use rdkafka::ClientConfig;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;

/// Maximum time to keep revoked partitions. It is short, because the client fetches nothing meanwhile, not even of other
/// partitions: repeated purges are less harmful than late ones.
const DRAIN_WITHIN: Duration = Duration::from_millis(500);

/// Aliases of properties that promises depend on.
const ALIASES: [(&str, &str); 1] = [("request.required.acks", "acks")];

/// Brokers and librdkafka properties.
#[derive(Clone, Default)]
pub struct KafkaConnection {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// librdkafka properties (TLS, SASL, tuning). Those that Freshet's promises depend on cannot be overridden.
    pub properties: BTreeMap<String, String>,
    /// The same for secret values.
    pub secret_properties: BTreeMap<String, Secret>,
}

/// Values of properties may be secrets: only names are shown.
impl fmt::Debug for KafkaConnection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("KafkaConnection")
            .field("brokers", &self.brokers)
            .field("properties", &self.properties.keys().collect::<Vec<_>>())
            .field(
                "secret_properties",
                &self.secret_properties.keys().collect::<Vec<_>>(),
            )
            .finish()
    }
}

/// Why a client could not be created.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KafkaClientError {
    /// librdkafka rejects a setting, or the address of the schema registry is invalid.
    #[error("kafka settings are rejected: {0}")]
    Refused(String),
    /// No thread can be started for the client.
    #[error(
        "cannot start a thread for the kafka client: {0}; raise the process limit of this user (ulimit -u, pids.max)"
    )]
    NoThread(String),
}

impl KafkaClientError {
    /// librdkafka's text about a property holds its value, so only the name is repeated.
    pub(crate) fn from_kafka(error: KafkaError) -> Self {
        Self::Refused(match error {
            KafkaError::ClientConfig(_, _, name, _) => {
                format!("the property `{name}` is not accepted")
            }
            KafkaError::ClientCreation(reason) => reason,
            other => other.to_string(),
        })
    }

    /// The error without any of `secrets`.
    fn conceal<'a>(self, secrets: impl Iterator<Item = &'a Secret>) -> Self {
        match self {
            Self::Refused(reason) => {
                Self::Refused(secrets.fold(reason, |reason, secret| secret.conceal(&reason)))
            }
            Self::NoThread(_) => self,
        }
    }
}

impl KafkaConnection {
    /// Whether members decide the assignment; with `group.protocol=consumer` the brokers do.
    pub(crate) fn is_classic_group(&self) -> bool {
        self.properties
            .get("group.protocol")
            .is_none_or(|protocol| protocol != "consumer")
    }

    /// Maximum time to keep revoked partitions while they drain: always less than a session timeout.
    pub(crate) fn drain_within(&self) -> Duration {
        let session = self.properties.get("session.timeout.ms");
        let session = session
            .and_then(|ms| ms.parse().ok())
            .map(Duration::from_millis);
        session.map_or(DRAIN_WITHIN, |session| DRAIN_WITHIN.min(session / 2))
    }

    /// Checks the combination of all properties. Creates a client without brokers, so that nothing is
    /// connected.
    ///
    /// # Errors
    /// librdkafka's error message, without secrets.
    pub fn check(&self) -> Result<(), KafkaClientError> {
        let mut config = self.client(&[], &[("group.id", "freshet.check"), ("log_level", "0")]);
        config.remove("bootstrap.servers");
        let made = config.create::<BaseConsumer>();
        made.map(drop).map_err(|error| {
            KafkaClientError::from_kafka(error).conceal(self.secret_properties.values())
        })
    }

    /// A client config for reading outside a group: it never joins one and commits nothing.
    /// librdkafka requires a group name anyway.
    pub(crate) fn outside_client(
        &self,
        group: &str,
        usual: &[(&str, &str)],
        fixed: &[(&str, &str)],
    ) -> ClientConfig {
        let mut connection = self.clone();
        for membership in [
            "group.protocol",
            "group.instance.id",
            "group.remote.assignor",
        ] {
            connection.properties.remove(membership);
        }
        let usual = [&[("client.id", "freshet")], usual].concat();
        let outside = [
            ("group.id", group),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "true"),
            ("allow.auto.create.topics", "false"),
        ];
        connection.client(&usual, &[&outside[..], fixed].concat())
    }

    /// A client config: defaults, then the user's properties, then fixed properties.
    pub(crate) fn client(&self, usual: &[(&str, &str)], fixed: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        for (name, value) in usual {
            config.set(*name, *value);
        }
        let secret = self.secret_properties.iter();
        let secret = secret.map(|(name, value)| (name.as_str(), value.expose()));
        let plain = self.properties.iter();
        let plain = plain.map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in plain.chain(secret) {
            // Under its other name a property would win or lose by chance.
            let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
            let meant = alias.map_or(name, |(_, meant)| meant);
            if fixed.iter().any(|(name, _)| *name == meant) {
                tracing::warn!(
                    property = name,
                    "kafka property is set by freshet and cannot be overridden"
                );
            } else {
                config.set(name, value);
            }
        }
        for (name, value) in fixed {
            config.set(*name, *value);
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p1_what_promises_stand_on_is_not_overridden_by_any_name() {
        let connection = KafkaConnection {
            brokers: "b:9092".to_owned(),
            properties: ["acks", "request.required.acks"]
                .map(|name| (name.to_owned(), "0".to_owned()))
                .into(),
            ..KafkaConnection::default()
        };
        let config = connection.client(&[], &[("acks", "all")]);
        assert_eq!(config.get("acks"), Some("all"));
        assert_eq!(config.get("request.required.acks"), None);
    }

    #[test]
    fn p12_a_refused_property_is_named_without_its_value() {
        let connection = KafkaConnection {
            secret_properties: [("sasl.pasword".to_owned(), Secret::from("hunter2"))].into(),
            ..KafkaConnection::default()
        };
        let error = connection.check().expect_err("there is no such property");
        let shown = format!("{error} {error:?}");
        assert!(
            shown.contains("`sasl.pasword`") && !shown.contains("hunter2"),
            "{shown}"
        );
    }

    #[test]
    fn properties_that_do_not_go_together_are_refused_without_a_broker() {
        let together = |pairs: &[(&str, &str)]| {
            let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
            KafkaConnection {
                properties: pairs.iter().map(own).collect(),
                ..KafkaConnection::default()
            }
            .check()
        };
        together(&[("session.timeout.ms", "6000")]).expect("good");
        together(&[
            ("security.protocol", "ssl"),
            ("ssl.ca.location", "/no/such/file"),
        ])
        .expect_err("the file is not there");
    }

    #[test]
    fn a_drain_is_shorter_than_a_session() {
        let mut connection = KafkaConnection::default();
        assert_eq!(connection.drain_within(), DRAIN_WITHIN);
        let session = ("session.timeout.ms".to_owned(), "600".to_owned());
        connection.properties.extend([session]);
        assert_eq!(connection.drain_within(), Duration::from_millis(300));
    }

    #[test]
    fn p12_debug_shows_no_value_of_a_property() {
        let connection = KafkaConnection {
            brokers: "b:9092".to_owned(),
            properties: BTreeMap::from([("ssl.ca.pem".to_owned(), "hunter2".to_owned())]),
            secret_properties: BTreeMap::from([(
                "sasl.password".to_owned(),
                Secret::from("hunter2"),
            )]),
        };
        let shown = format!("{connection:?}");
        assert!(
            shown.contains("sasl.password") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
