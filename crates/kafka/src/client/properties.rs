//! The properties of librdkafka that a config may set, and how. Messages name properties, never values.

use std::path::Path;

use freshet_core::nearest::nearest;
use freshet_core::secret::Secret;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

/// Every property of the librdkafka that is linked, with its range where it has one. Those that take a function or a
/// pointer are left out.
const KNOWN: &str = include_str!("properties.txt");

/// Properties that Freshet sets itself, with what to do instead.
const OWNED: [(&str, &str); 15] = [
    ("acks", FIXED),
    ("auto.commit.enable", FIXED),
    ("auto.offset.reset", "set `kafka.start` instead"),
    ("bootstrap.servers", "set `kafka.brokers` instead"),
    ("enable.auto.commit", FIXED),
    ("enable.auto.offset.store", FIXED),
    ("enable.idempotence", FIXED),
    ("enable.partition.eof", FIXED),
    ("group.id", "set `kafka.group` instead"),
    ("group.instance.id", "set `kafka.static_member` instead"),
    ("log.queue", FIXED),
    ("metadata.broker.list", "set `kafka.brokers` instead"),
    ("offset.store.method", FIXED),
    ("request.required.acks", FIXED),
    ("transactional.id", FIXED),
];

const FIXED: &str = "remove it: Freshet sets it, because commits depend on it";

/// Properties that Freshet reads too, so that they cannot be secret.
const READ: [&str; 3] = [
    "group.protocol",
    "group.remote.assignor",
    "session.timeout.ms",
];

/// What is wrong with a property.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// There is none of that name.
    #[error("`{name}` is not a property of librdkafka")]
    Unknown {
        /// As it was written.
        name: String,
    },
    /// Freshet sets it.
    #[error("`{name}` is set by freshet")]
    Owned {
        /// The property.
        name: String,
        /// What to do instead.
        advice: &'static str,
    },
    /// The value is not one that librdkafka takes.
    #[error("the value of `{name}` is not accepted")]
    Value {
        /// The property.
        name: String,
        /// What librdkafka takes; empty when it does not say.
        range: &'static str,
    },
    /// The value names a pipe, a device or a socket: reading it may never end.
    #[error("`{name}` names something that is neither a regular file nor a directory")]
    NotAFile {
        /// The property.
        name: String,
    },
    /// The librdkafka that is linked was built without it.
    #[error("`{name}` is not supported by this build")]
    Unsupported {
        /// The property.
        name: String,
    },
}

impl PropertyError {
    /// What to do about it. For an unknown property it compares all names, which takes time.
    pub fn help(&self) -> String {
        match self {
            Self::Unknown { name } => match nearest(name, KNOWN.lines().map(|it| named(it).0)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "the names are in librdkafka's CONFIGURATION.md".to_owned(),
            },
            Self::NotAFile { .. } => "give a regular file".to_owned(),
            Self::Owned { advice, .. } => (*advice).to_owned(),
            Self::Value { range: "", .. } => {
                "librdkafka's CONFIGURATION.md lists the allowed values".to_owned()
            }
            Self::Value { range, .. } => format!("allowed: {range}"),
            Self::Unsupported { .. } => "use another way to authenticate or remove it".to_owned(),
        }
    }
}

/// Whether the value of a property is secret, so that it belongs into `secret_properties`.
pub fn is_secret(name: &str) -> bool {
    const MARKS: [&str; 5] = ["password", "passphrase", "secret", "key.pem", "token"];
    // The endpoint where tokens are had is an address.
    let is_address = name.ends_with(".url");
    name == "sasl.oauthbearer.config" || !is_address && MARKS.iter().any(|mark| name.contains(mark))
}

/// Whether Freshet reads the property too, so that it cannot stand in `secret_properties`.
pub fn is_read(name: &str) -> bool {
    READ.contains(&name)
}

/// A line of the list: a property's name, and its range.
fn named(line: &'static str) -> (&'static str, &'static str) {
    line.split_once('\t').unwrap_or((line, ""))
}

/// Whether librdkafka may be given a place to read from. One that is not there is for librdkafka to report: some
/// properties take words as well.
fn may_be_read(place: &str) -> bool {
    Path::new(place)
        .metadata()
        .map_or(true, |file| file.is_file() || file.is_dir())
}

/// Checks one property by itself: its name, whose it is, and its value.
///
/// # Errors
/// What is wrong, without the value.
pub fn check_property(name: &str, value: &Secret) -> Result<(), PropertyError> {
    if let Some((_, advice)) = OWNED.iter().find(|(owned, _)| *owned == name) {
        let name = name.to_owned();
        return Err(PropertyError::Owned { name, advice });
    }
    let name = name.to_owned();
    let Some((_, range)) = KNOWN.lines().map(named).find(|(known, _)| *known == name) else {
        return Err(PropertyError::Unknown { name });
    };
    if name.ends_with(".location") && !may_be_read(value.expose()) {
        return Err(PropertyError::NotAFile { name });
    }
    let mut config = ClientConfig::new();
    config.set(&name, value.expose());
    match config.create_native_config() {
        Ok(_) => Ok(()),
        // Its text may hold the value.
        Err(KafkaError::ClientConfig(_, text, ..))
            if text.contains("not supported in this build") =>
        {
            Err(PropertyError::Unsupported { name })
        }
        Err(_) => Err(PropertyError::Value { name, range }),
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::types::RDKafkaConfRes;

    use super::*;

    fn check(name: &str, value: &str) -> Result<(), PropertyError> {
        check_property(name, &Secret::from(value))
    }

    #[test]
    fn every_name_of_the_list_is_known_to_librdkafka() {
        let unknown = |name: &str| {
            let mut config = ClientConfig::new();
            config.set(name, "x");
            let made = config.create_native_config();
            matches!(made, Err(KafkaError::ClientConfig(code, ..)) if code == RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN)
        };
        assert!(unknown("no.such.property"));
        for line in KNOWN.lines() {
            let name = line.split('\t').next().expect("a name");
            assert!(!unknown(name), "{name}");
        }
        assert!(KNOWN.lines().count() > 150);
    }

    #[test]
    fn a_wrong_property_is_named_with_what_was_probably_meant() {
        let unknown = check("session.timeout", "1").expect_err("unknown");
        assert_eq!(unknown.help(), "did you mean `session.timeout.ms`?");
        let unknown = check("securty.protocol", "ssl").expect_err("unknown");
        assert_eq!(unknown.help(), "did you mean `security.protocol`?");
        let value = check("session.timeout.ms", "soon").expect_err("not a number");
        assert_eq!(value.help(), "allowed: 1 .. 3600000");
        assert!(check("session.timeout.ms", "6000").is_ok());
        assert!(check("sasl.password", "hunter2").is_ok());
    }

    #[test]
    fn p9_a_certificate_is_not_read_from_a_device() {
        for name in ["ssl.ca.location", "https.ca.location", "ssl.key.location"] {
            let device = check(name, "/dev/zero").expect_err("it never ends");
            let name = name.to_owned();
            assert_eq!(device, PropertyError::NotAFile { name });
        }
        assert!(check("ssl.ca.location", "probe").is_ok());
        assert!(check("ssl.ca.location", "/").is_ok());
    }

    #[test]
    fn p12_no_message_about_a_property_repeats_its_value() {
        for line in KNOWN.lines() {
            let name = line.split('\t').next().expect("a name");
            for value in ["hunter2", "", "hunter2\0", "-7"] {
                let Err(error) = check(name, value) else {
                    continue;
                };
                let shown = format!("{error} {error:?} {}", error.help());
                assert!(!shown.contains("hunter2"), "{shown}");
            }
        }
    }

    #[test]
    fn p1_what_promises_stand_on_is_refused_by_every_name() {
        for (name, _) in OWNED {
            assert!(
                matches!(check(name, "1"), Err(PropertyError::Owned { .. })),
                "{name}"
            );
        }
    }

    /// What librdkafka itself hides in its logs, but for names of files and users, and a public certificate.
    #[test]
    fn p12_what_librdkafka_takes_for_sensitive_is_secret() {
        for name in [
            "ssl.key.password",
            "ssl.key.pem",
            "ssl.keystore.password",
            "sasl.password",
            "sasl.oauthbearer.config",
            "sasl.oauthbearer.client.secret",
            "sasl.oauthbearer.client.credentials.client.secret",
            "sasl.oauthbearer.assertion.private.key.passphrase",
            "sasl.oauthbearer.assertion.private.key.pem",
        ] {
            assert!(is_secret(name), "{name}");
            assert!(
                KNOWN.contains(&format!("{name}\n")),
                "{name} is no property"
            );
        }
        for name in [
            "sasl.username",
            "ssl.ca.pem",
            "sasl.oauthbearer.token.endpoint.url",
            "ssl.key.location",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
