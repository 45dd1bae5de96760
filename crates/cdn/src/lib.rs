//! CDNs and HTTP caches behind Freshet's [`Purger`](freshet_core::ports::Purger) port.
//!
//! A [`Provider`] does no I/O. It decides which calls purge a chunk of a batch, and what a response means. A status
//! code is not an outcome: each provider reports "done", "nothing cached", "not now" and "never" in its own way, and each
//! file in `provider/` handles only its own provider. Only [`HttpPurger`] sends requests.

mod budget;
mod chunk;
mod drive;
pub mod provider;
mod secret_header;
mod template;

pub use budget::{Budget, Budgets};
pub use chunk::{Bounds, Chunk};
pub use drive::HttpPurger;
pub use provider::cloudflare::{Cloudflare, CloudflareTarget};
pub use provider::fastly::{Fastly, FastlyTarget};
pub use provider::generic_http::{GenericHttp, HttpTarget};
pub use provider::varnish::{Varnish, VarnishTarget};
pub use provider::{Answer, Call, Provider, Reading, Reason, Terms, Unsendable};
pub use secret_header::SecretHeader;
pub use template::{Template, UnknownPlaceholder};

/// The settings of a target are invalid.
#[derive(Debug, thiserror::Error)]
#[error("`{field}` {fault}")]
pub struct CdnConfigError {
    /// The field in the config.
    pub field: &'static str,
    /// The error, without the value of the field.
    pub fault: String,
}

impl CdnConfigError {
    pub(crate) fn new(field: &'static str, fault: impl Into<String>) -> Self {
        let fault = fault.into();
        Self { field, fault }
    }
}
