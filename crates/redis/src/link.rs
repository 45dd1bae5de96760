//! One multiplexed connection that heals. redis-rs does not count a timeout as a lost connection, so a peer that
//! accepts and never answers would be used forever; here one unanswered command closes the connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use freshet_core::broken::Promise;
use freshet_core::secret::Secret;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, Pipeline,
    RedisError, ServerErrorKind, TlsCertificates,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::Mutex;

use crate::identity::{Introduction, Seat};
use crate::target::{RedisConfigError, RedisTarget};

/// How connections of one target are made.
#[derive(Clone)]
pub(crate) struct Dialler {
    username: Option<String>,
    password: Option<Secret>,
    trusted: Option<Vec<u8>>,
    config: AsyncConnectionConfig,
}

/// The expected kind of server.
#[derive(Debug, Clone)]
pub(crate) enum Peer {
    /// A sentinel.
    Sentinel,
    /// Any role: a single address, or a cluster node, which redirects.
    Any(Arc<Seat>),
    /// Only a primary.
    Primary(Arc<Seat>),
}

impl Dialler {
    pub(crate) fn new(target: &RedisTarget) -> Result<Self, RedisConfigError> {
        if let Some(pem) = &target.authorities {
            check_authorities(pem)?;
        }
        choose_cryptography();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(target.connect_timeout))
            .set_response_timeout(Some(target.answer_timeout));
        Ok(Self {
            username: target.username.clone(),
            password: target.password.clone(),
            trusted: target.authorities.clone(),
            config,
        })
    }

    /// The same with other credentials.
    pub(crate) fn as_user(&self, username: Option<&String>, password: Option<&Secret>) -> Self {
        Self {
            username: username.cloned(),
            password: password.cloned(),
            ..self.clone()
        }
    }

    /// A link to `url`, not connected yet.
    pub(crate) fn link(&self, url: &str, peer: Peer) -> Result<Link, RedisError> {
        let info = url.into_connection_info()?;
        let mut settings = info.redis_settings().clone();
        if let Some(user) = &self.username {
            settings = settings.set_username(user);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password.expose());
        }
        // Freshet's ACL user has only the rights for purging, without CLIENT SETINFO.
        let info = info.set_redis_settings(settings.set_skip_set_lib_name());
        let client = match &self.trusted {
            None => Client::open(info)?,
            Some(pem) => {
                let trusted = TlsCertificates {
                    client_tls: None,
                    root_cert: Some(pem.clone()),
                };
                Client::build_with_tls(info, trusted)?
            }
        };
        Ok(Link {
            client,
            config: self.config.clone(),
            peer,
            made: Mutex::new(Made::default()),
            attempts: AtomicU64::new(0),
        })
    }
}

/// A connection, with the settings to reconnect.
pub(crate) struct Link {
    client: Client,
    config: AsyncConnectionConfig,
    peer: Peer,
    made: Mutex<Made>,
    attempts: AtomicU64,
}

#[derive(Default)]
struct Made {
    connection: Option<MultiplexedConnection>,
    generation: u64,
    failure: Option<RedisError>,
}

/// A borrowed connection and its number.
#[derive(Clone)]
pub(crate) struct Borrowed {
    connection: MultiplexedConnection,
    generation: u64,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Link")
    }
}

impl Link {
    /// The connection, opened if there is none. One caller opens it, the others wait and share its error.
    pub(crate) async fn borrow(&self) -> Result<Borrowed, RedisError> {
        let attempts = self.attempts.load(Ordering::Acquire);
        let mut made = self.made.lock().await;
        if let Some(connection) = &made.connection {
            let generation = made.generation;
            return Ok(Borrowed {
                connection: connection.clone(),
                generation,
            });
        }
        if attempts != self.attempts.load(Ordering::Acquire)
            && let Some(failure) = &made.failure
        {
            return Err(failure.clone());
        }
        let connected = self.connect().await;
        self.attempts.fetch_add(1, Ordering::AcqRel);
        made.failure = connected.as_ref().err().cloned();
        let connection = connected?;
        made.generation += 1;
        made.connection = Some(connection.clone());
        Ok(Borrowed {
            connection,
            generation: made.generation,
        })
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut connection = self
            .client
            .get_multiplexed_async_connection_with_config(&self.config)
            .await?;
        if !matches!(self.peer, Peer::Sentinel) {
            self.introduce(&mut connection, true).await?;
        }
        Ok(connection)
    }

    /// Pings the server and reads its identity.
    async fn introduce(
        &self,
        connection: &mut MultiplexedConnection,
        fresh: bool,
    ) -> Result<(), RedisError> {
        let mut ask = redis::pipe();
        ask.cmd("INFO").arg("server");
        ask.cmd("INFO").arg("replication");
        ask.ignore_errors();
        let (server, replication): (Result<String, RedisError>, Result<String, RedisError>) =
            ask.query_async(connection).await?;
        let introduction = Introduction::read(&server, &replication);
        match &self.peer {
            Peer::Sentinel => {}
            Peer::Any(seat) => seat.take(&introduction, fresh),
            Peer::Primary(_) if introduction == Introduction::Replica => {
                let kind = ErrorKind::Server(ServerErrorKind::ReadOnly);
                return Err(RedisError::from((kind, "the server is a replica")));
            }
            Peer::Primary(seat) => seat.take(&introduction, fresh),
        }
        Ok(())
    }

    /// Pings the server and compares its identity.
    pub(crate) async fn check(&self) -> Result<(), RedisError> {
        let mut borrowed = self.borrow().await?;
        let answered = match redis::cmd("PING")
            .query_async::<String>(&mut borrowed.connection)
            .await
        {
            Ok(_) => self.introduce(&mut borrowed.connection, false).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &answered {
            self.note_error(&borrowed, error).await;
        }
        answered
    }

    /// Sends one command; marks the connection as broken if it fails.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        let borrowed = self.borrow().await?;
        self.ask_on(&borrowed, command).await
    }

    /// The same on an open connection.
    pub(crate) async fn ask_on<T: FromRedisValue>(
        &self,
        borrowed: &Borrowed,
        command: &Cmd,
    ) -> Result<T, RedisError> {
        let mut connection = borrowed.connection.clone();
        let answer = command.query_async(&mut connection).await;
        if let Err(error) = &answer {
            self.note_error(borrowed, error).await;
        }
        answer
    }

    /// Sends a pipeline. Errors of single commands are in the elements of the response.
    pub(crate) async fn ask_all<T: FromRedisValue>(
        &self,
        borrowed: &Borrowed,
        commands: &Pipeline,
    ) -> Result<T, RedisError> {
        let mut connection = borrowed.connection.clone();
        let answer = commands.query_async(&mut connection).await;
        if let Err(error) = &answer {
            self.note_error(borrowed, error).await;
        }
        answer
    }

    /// Closes the connection after an error after which its next response cannot be trusted.
    async fn note_error(&self, borrowed: &Borrowed, error: &RedisError) {
        if breaks_connection(error) {
            self.give_up(borrowed).await;
        }
    }

    /// Closes a connection after a timeout.
    pub(crate) async fn give_up(&self, borrowed: &Borrowed) {
        let mut made = self.made.lock().await;
        if made.generation == borrowed.generation && !Promise::P11.is_broken() {
            made.connection = None;
        }
    }
}

/// A timeout is an I/O error too.
fn breaks_connection(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        // With a DNS name or a virtual IP, a new connection may reach the primary.
        || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

/// Checks that a PEM text contains certificates. redis-rs accepts one without any, and then trusts no
/// server.
///
/// # Errors
/// [`RedisConfigError::NoCertificate`].
pub fn check_authorities(pem: &[u8]) -> Result<(), RedisConfigError> {
    let mut found = CertificateDer::pem_slice_iter(pem).peekable();
    match found.peek().is_some() && found.all(|certificate| certificate.is_ok()) {
        true => Ok(()),
        false => Err(RedisConfigError::NoCertificate),
    }
}

/// Sets the crypto provider. redis-rs uses the provider of the process, and panics on the first connection if there is
/// none or more than one. This depends on other linked crates, so it is set here.
fn choose_cryptography() {
    // An error means that it is set already.
    let _chosen = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No connection is made here: whoever makes the first one may already rely on the choice.
    #[test]
    fn cryptography_is_chosen_before_the_first_connection() {
        let target = RedisTarget::new("rediss://127.0.0.1:1".to_owned());
        Dialler::new(&target).expect("usable");
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
    }
}
