//! CDNs and HTTP caches behind Freshet's [`Purger`](freshet_core::ports::Purger) port.
//!
//! A [`Provider`] decides and does nothing: which calls purge a chunk of a batch, and what an answer means. A status
//! code is not an outcome: each provider says "done", "nothing cached", "not now" and "never" in its own way, and each
//! file below `provider/` reads its own provider only. [`HttpPurger`] is the one place that sends anything.

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

/// A target cannot be what its settings say.
#[derive(Debug, thiserror::Error)]
#[error("`{field}` {fault}")]
pub struct CdnConfigError {
    /// The field, as the config calls it.
    pub field: &'static str,
    /// What is wrong with it. Its value is not repeated.
    pub fault: String,
}

impl CdnConfigError {
    pub(crate) fn new(field: &'static str, fault: impl Into<String>) -> Self {
        let fault = fault.into();
        Self { field, fault }
    }
}
