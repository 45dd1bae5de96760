//! A Fastly service.

use std::path::Path;
use std::sync::Arc;

use freshet_cdn::{Fastly, FastlyTarget, Provider};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{SecretHeaderWritten, Section, decide_api, decide_header, provider_or_fault};
use crate::config::faults::Faults;
use crate::config::ranges::TIMEOUT;
use crate::config::values::{AddressWritten, DurationWritten, SecretWritten};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FastlyWritten {
    pub(crate) service_id: Spanned<String>,
    pub(crate) token: Spanned<SecretWritten>,
    pub(crate) secret_header: Option<SecretHeaderWritten>,
    pub(crate) api: Option<Spanned<AddressWritten>>,
    pub(crate) timeout: Option<Spanned<DurationWritten>>,
}

/// Headers that a purge has already.
const TAKEN: [&str; 5] = [
    "fastly-key",
    "fastly-soft-purge",
    "accept",
    "content-type",
    "host",
];

impl Section for Spanned<FastlyWritten> {
    fn decide(&self, base: &Path, faults: &mut Faults<'_>) -> Option<Arc<dyn Provider>> {
        let written = &self.value;
        let token = faults.secret(&written.token, base);
        let mut target = FastlyTarget::new(written.service_id.value.clone(), token);
        target.api = decide_api(written.api.as_ref(), &target.api, faults);
        target.secret_header = decide_header(written.secret_header.as_ref(), base, &TAKEN, faults);
        let timeout = TIMEOUT.usually(target.timeout);
        target.timeout = faults.duration(written.timeout.as_ref(), &timeout);
        let fields = [("service_id", &written.service_id)];
        provider_or_fault(Fastly::new(target), self, &fields, faults)
    }
}
