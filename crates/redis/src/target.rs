//! Where a Redis is, who we are there, and how much we ask of it at a time.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A text that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("<secret>")
    }
}

/// One Redis.
#[derive(Debug, Clone)]
pub struct RedisTarget {
    /// `redis://host:port/db` or, with TLS, `rediss://host:port/db`.
    pub url: String,
    /// ACL user.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// Trust the certificate authorities in this PEM file instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// A connection is made within this, TLS and authentication included.
    pub connect_timeout: Duration,
    /// A command is answered within this, or the connection is given up.
    pub answer_timeout: Duration,
    /// Keys of one `UNLINK`.
    pub keys_per_command: usize,
    /// Commands on their way at once.
    pub commands_in_flight: usize,
    /// `COUNT` of one `SCAN`.
    pub scan_count: usize,
    /// A family scope looks at no more keys a second than this, so that it does not starve readers.
    pub scan_keys_per_second: u32,
}

impl RedisTarget {
    /// A target with the usual limits.
    pub fn new(url: String) -> Self {
        Self {
            url,
            username: None,
            password: None,
            ca_file: None,
            connect_timeout: Duration::from_secs(1),
            answer_timeout: Duration::from_millis(500),
            keys_per_command: 256,
            commands_in_flight: 8,
            scan_count: 1000,
            scan_keys_per_second: 500_000,
        }
    }
}

/// A target cannot be what its config says.
#[derive(Debug, thiserror::Error)]
pub enum RedisConfigError {
    /// The URL or TLS settings are not usable.
    #[error("redis target is not usable: {0}")]
    Unusable(String),
    /// The CA file cannot be read.
    #[error("redis ca_file {path} cannot be read")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The CA file is no PEM file, or has no certificate. Nobody could be trusted by it.
    #[error("redis ca_file {path} holds no certificate")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
}
