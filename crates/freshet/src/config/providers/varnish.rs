//! Varnish nodes.

use std::path::Path;
use std::sync::Arc;

use freshet_cdn::{Provider, Varnish, VarnishTarget};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{SecretHeaderWritten, Section, decide_header, provider_or_fault};
use crate::config::faults::{Faults, UrlRule};
use crate::config::ranges::TIMEOUT;
use crate::config::values::{AddressWritten, DurationWritten};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VarnishWritten {
    pub(crate) nodes: Vec<Spanned<AddressWritten>>,
    pub(crate) host: Option<String>,
    pub(crate) purge_header: Option<String>,
    pub(crate) soft_header: Option<String>,
    pub(crate) secret_header: Option<SecretHeaderWritten>,
    pub(crate) timeout: Option<Spanned<DurationWritten>>,
}

const URL: UrlRule = UrlRule {
    schemes: &["http", "https"],
    credentials: "give a secret for the VCL as `secret_header: { name: HEADER, value: { env: NAME } }`",
};

impl Section for Spanned<VarnishWritten> {
    fn decide(&self, base: &Path, faults: &mut Faults<'_>) -> Option<Arc<dyn Provider>> {
        let written = &self.value;
        for node in &written.nodes {
            faults.url(node, &URL);
        }
        let nodes = written.nodes.iter();
        let nodes = nodes.map(|node| node.value.0.trim_end_matches('/').to_owned());
        let mut target = VarnishTarget::new(nodes.collect());
        target.host.clone_from(&written.host);
        if let Some(header) = &written.purge_header {
            target.purge_header.clone_from(header);
        }
        if let Some(header) = &written.soft_header {
            target.soft_header.clone_from(header);
        }
        let taken = [
            target.purge_header.as_str(),
            target.soft_header.as_str(),
            "host",
        ];
        target.secret_header = decide_header(written.secret_header.as_ref(), base, &taken, faults);
        let timeout = TIMEOUT.usually(target.timeout);
        target.timeout = faults.duration(written.timeout.as_ref(), &timeout);
        provider_or_fault(Varnish::new(target), self, &[], faults)
    }
}
