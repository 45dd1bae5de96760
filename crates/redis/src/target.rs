//! Settings of a Redis target: addresses, credentials, limits.

use std::time::Duration;

use freshet_core::secret::Secret;

/// Topology of a target.
#[derive(Debug, Clone)]
pub enum Topology {
    /// One address.
    Standalone {
        /// `redis://host:port/db` or, with TLS, `rediss://host:port/db`.
        url: String,
    },
    /// A primary that Sentinel manages.
    Sentinel {
        /// URLs of the sentinels. With TLS, the primary is used with TLS too.
        nodes: Vec<String>,
        /// Name of the primary in the sentinels' config.
        master: String,
        /// Database number.
        database: u32,
        /// ACL user at the sentinels.
        username: Option<String>,
        /// Its password.
        password: Option<Secret>,
    },
    /// Redis Cluster.
    Cluster {
        /// URLs of some nodes; the others are discovered. With TLS, all connections use TLS.
        nodes: Vec<String>,
    },
}

/// One Redis.
#[derive(Debug, Clone)]
pub struct RedisTarget {
    /// Where it is.
    pub topology: Topology,
    /// ACL user.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// Trust these certificate authorities, as PEM, instead of the system's.
    pub authorities: Option<Vec<u8>>,
    /// A connection is made within this, TLS and authentication included.
    pub connect_timeout: Duration,
    /// A command is answered within this, or the connection is given up.
    pub answer_timeout: Duration,
    /// A purge waits no longer than this for one node of a cluster, so that it can tell what the others answered
    /// before whoever asked for it goes on without an answer.
    pub node_patience: Duration,
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
    /// One server, with the usual limits.
    pub fn new(url: String) -> Self {
        Self::at(Topology::Standalone { url })
    }

    /// A target with the usual limits.
    pub fn at(topology: Topology) -> Self {
        Self {
            topology,
            username: None,
            password: None,
            authorities: None,
            connect_timeout: Duration::from_secs(1),
            answer_timeout: Duration::from_millis(500),
            node_patience: Duration::from_millis(400),
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
    /// The URL or TLS settings are invalid.
    #[error("redis target cannot be used: {0}")]
    Unusable(String),
    /// There is no node.
    #[error("redis target has no {0}")]
    NoNode(&'static str),
    /// Some nodes use TLS and others do not.
    #[error("redis target has nodes with TLS and nodes without")]
    MixedSchemes,
    /// The CA file contains no PEM certificate.
    #[error("contains no PEM certificate")]
    NoCertificate,
}
