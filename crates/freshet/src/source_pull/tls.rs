//! TLS on the way to the database.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use freshet_registry::files::{self, AUTHORITIES_BYTES_MAX};
use mysql_async::SslOpts;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// How the connection is protected.
pub(super) enum Tls {
    /// Not at all.
    Disabled,
    /// Encrypted; whose certificate it is, is not checked.
    Required,
    /// Encrypted, and the certificate is that of the host.
    Verified(Authorities),
}

/// Who may vouch for a server.
pub(super) enum Authorities {
    /// Those that Mozilla trusts.
    Public,
    /// Those of a file, as PEM.
    Pem(Vec<u8>),
}

impl Tls {
    /// `mode` is the URL's `sslmode`; a file of authorities alone means that they are to be verified.
    pub(super) fn new(mode: Option<&str>, ca_file: Option<&Path>) -> anyhow::Result<Self> {
        match (mode, ca_file) {
            (None | Some("disable"), None) => Ok(Self::Disabled),
            (Some("require"), None) => Ok(Self::Required),
            (Some("verify-full"), None) => Ok(Self::Verified(Authorities::Public)),
            (None | Some("verify-full"), Some(path)) => {
                let pem = files::read(path, AUTHORITIES_BYTES_MAX)
                    .with_context(|| format!("--ca-file {} cannot be read", path.display()))?;
                if roots(&pem)?.is_empty() {
                    bail!("--ca-file {} contains no PEM certificate", path.display());
                }
                Ok(Self::Verified(Authorities::Pem(pem)))
            }
            (Some("disable" | "require"), Some(_)) => {
                bail!("--ca-file is used only with sslmode=verify-full")
            }
            (Some(_), _) => {
                bail!("sslmode in --url is not one of disable, require, verify-full")
            }
        }
    }

    /// For Postgres, whose client does not use it without TLS.
    pub(super) fn client_config(&self) -> anyhow::Result<ClientConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let config = match self {
            Self::Disabled => builder
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth(),
            Self::Required => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
                .with_no_client_auth(),
            Self::Verified(Authorities::Public) => {
                let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
                builder.with_root_certificates(roots).with_no_client_auth()
            }
            Self::Verified(Authorities::Pem(pem)) => builder
                .with_root_certificates(roots(pem)?)
                .with_no_client_auth(),
        };
        Ok(config)
    }

    /// For MySQL and MariaDB; none without TLS.
    pub(super) fn mysql(&self) -> Option<SslOpts> {
        // That client takes the cryptography that the process has; an error says that somebody has chosen already.
        let _chosen = aws_lc_rs::default_provider().install_default();
        match self {
            Self::Disabled => None,
            Self::Required => Some(SslOpts::default().with_danger_accept_invalid_certs(true)),
            Self::Verified(Authorities::Public) => Some(SslOpts::default()),
            Self::Verified(Authorities::Pem(pem)) => Some(
                SslOpts::default()
                    .with_disable_built_in_roots(true)
                    .with_root_certs(vec![pem.clone().into()]),
            ),
        }
    }
}

fn roots(pem: &[u8]) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots
            .add(certificate.context("--ca-file")?)
            .context("--ca-file")?;
    }
    Ok(roots)
}

/// Takes any certificate whose key signs the handshake: `sslmode=require` is about listeners, not about impostors.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
