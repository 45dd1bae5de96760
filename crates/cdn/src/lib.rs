//! CDNs and HTTP caches behind Freshet's [`Purger`](freshet_core::ports::Purger) port, one file per provider.
//!
//! A status code is not an outcome: each provider says "done", "nothing cached", "not now" and "never" in its
//! own way, and each adapter reads its own provider only.

mod chunk;
mod client;
mod fastly;
mod varnish;

pub use client::{CdnConfigError, SecretHeader};
pub use fastly::{FastlyPurger, FastlyTarget};
pub use varnish::{VarnishPurger, VarnishTarget};
