//! One multiplexed connection that heals. redis-rs does not count a timeout as a lost connection, so a peer that
//! accepts and stays silent would be asked for ever; here one unanswered command gives the connection up.

use std::path::Path;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, IntoConnectionInfo, RedisError, TlsCertificates,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::Mutex;

use crate::target::{RedisConfigError, RedisTarget};

/// How a name finds its connection. One server now; slots of a cluster and a Sentinel's primary are other routes.
#[derive(Debug)]
pub(crate) enum Route {
    /// One server.
    Single(Link),
}

impl Route {
    pub(crate) fn link_of(&self, _name: &[u8]) -> &Link {
        match self {
            Self::Single(link) => link,
        }
    }

    /// Every server that may hold keys.
    pub(crate) fn links(&self) -> impl Iterator<Item = &Link> {
        match self {
            Self::Single(link) => std::iter::once(link),
        }
    }
}

/// A connection and how to make another.
pub(crate) struct Link {
    client: Client,
    config: AsyncConnectionConfig,
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    connection: Option<MultiplexedConnection>,
    generation: u64,
}

/// A borrowed connection and which one it is.
pub(crate) struct Borrowed {
    pub(crate) connection: MultiplexedConnection,
    generation: u64,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Link")
    }
}

impl Link {
    pub(crate) fn new(target: &RedisTarget) -> Result<Self, RedisConfigError> {
        let unusable = |error: RedisError| RedisConfigError::Unusable(error.to_string());
        let mut info = target
            .url
            .as_str()
            .into_connection_info()
            .map_err(unusable)?;
        let mut settings = info.redis_settings().clone();
        if let Some(user) = &target.username {
            settings = settings.set_username(user);
        }
        if let Some(password) = &target.password {
            settings = settings.set_password(password.expose());
        }
        // Freshet's user may do nothing but what purging needs; CLIENT SETINFO is not among it.
        info = info.set_redis_settings(settings.set_skip_set_lib_name());
        choose_cryptography();
        let client = match &target.ca_file {
            None => Client::open(info).map_err(unusable)?,
            Some(path) => {
                let trusted = TlsCertificates {
                    client_tls: None,
                    root_cert: Some(authorities(path)?),
                };
                Client::build_with_tls(info, trusted).map_err(unusable)?
            }
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(target.connect_timeout))
            .set_response_timeout(Some(target.answer_timeout));
        Ok(Self {
            client,
            config,
            made: Mutex::new(Made::default()),
        })
    }

    /// The connection, made when there is none. One caller makes it, the others wait for it.
    pub(crate) async fn borrow(&self) -> Result<Borrowed, RedisError> {
        let mut made = self.made.lock().await;
        if let Some(connection) = &made.connection {
            let generation = made.generation;
            return Ok(Borrowed {
                connection: connection.clone(),
                generation,
            });
        }
        let connection = self
            .client
            .get_multiplexed_async_connection_with_config(&self.config)
            .await?;
        made.generation += 1;
        made.connection = Some(connection.clone());
        Ok(Borrowed {
            connection,
            generation: made.generation,
        })
    }

    /// Gives the connection up after an error that makes its next answer doubtful.
    pub(crate) async fn note_error(&self, borrowed: &Borrowed, error: &RedisError) {
        if !breaks_connection(error) {
            return;
        }
        let mut made = self.made.lock().await;
        if made.generation == borrowed.generation {
            made.connection = None;
        }
    }
}

/// The authorities of a PEM file. redis-rs takes a file without any, and then no server is ever trusted.
fn authorities(path: &Path) -> Result<Vec<u8>, RedisConfigError> {
    let path = || path.to_owned();
    let pem = std::fs::read(path()).map_err(|source| RedisConfigError::CaFile {
        path: path(),
        source,
    })?;
    let mut found = CertificateDer::pem_slice_iter(&pem).peekable();
    match found.peek().is_some() && found.all(|it| it.is_ok()) {
        true => Ok(pem),
        false => Err(RedisConfigError::NoCertificate { path: path() }),
    }
}

/// redis-rs takes the cryptography that the process has, and panics on the first connection when it has none or
/// has two to choose from. Which it is depends on what else is linked, so it is said here.
fn choose_cryptography() {
    // An error says that somebody has chosen already.
    let _chosen = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

fn breaks_connection(error: &RedisError) -> bool {
    error.is_timeout()
        || error.is_io_error()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
        || matches!(error.kind(), ErrorKind::Parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No connection is made here: whoever makes the first one may already rely on the choice.
    #[test]
    fn cryptography_is_chosen_before_the_first_connection() {
        let target = RedisTarget::new("rediss://127.0.0.1:1".to_owned());
        Link::new(&target).expect("usable");
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
    }
}
