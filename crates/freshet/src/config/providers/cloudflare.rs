//! A zone at Cloudflare.

use std::path::Path;
use std::sync::Arc;

use freshet_cdn::{Cloudflare, CloudflareTarget, Provider};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{SecretHeaderWritten, Section, decide_api, decide_header, provider_or_fault};
use crate::config::faults::Faults;
use crate::config::ranges::{Numbers, TIMEOUT, numbers};
use crate::config::values::{AddressWritten, DurationWritten, SecretWritten};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloudflareWritten {
    pub(crate) zone_id: Spanned<String>,
    pub(crate) token: Spanned<SecretWritten>,
    pub(crate) account_id: Option<Spanned<String>>,
    pub(crate) environment_id: Option<Spanned<String>>,
    pub(crate) soft: Option<bool>,
    pub(crate) tags_per_call: Option<Spanned<u32>>,
    pub(crate) requests_per_minute: Option<Spanned<u32>>,
    pub(crate) burst: Option<Spanned<u32>>,
    pub(crate) secret_header: Option<SecretHeaderWritten>,
    pub(crate) api: Option<Spanned<AddressWritten>>,
    pub(crate) timeout: Option<Spanned<DurationWritten>>,
}

/// Cloudflare takes no more.
const TAGS_PER_CALL: Numbers = numbers(1, 100, 100);
/// The usual ones are those of a free plan; an Enterprise plan has 3 000, and 500 at once.
const REQUESTS_PER_MINUTE: Numbers = numbers(1, 60_000, 5);
const BURST: Numbers = numbers(1, 10_000, 25);

/// Headers that a purge has already.
const TAKEN: [&str; 3] = ["authorization", "content-type", "host"];

impl Section for Spanned<CloudflareWritten> {
    fn decide(&self, base: &Path, faults: &mut Faults<'_>) -> Option<Arc<dyn Provider>> {
        let written = &self.value;
        let token = faults.secret(&written.token, base);
        let mut target = CloudflareTarget::new(written.zone_id.value.clone(), token);
        let id = |id: &Option<Spanned<String>>| id.as_ref().map(|id| id.value.clone());
        target.account_id = id(&written.account_id);
        target.environment_id = id(&written.environment_id);
        target.soft = written.soft.unwrap_or(target.soft);
        let tags = faults.number(written.tags_per_call.as_ref(), &TAGS_PER_CALL);
        target.tags_per_call = tags as usize;
        let per_minute = written.requests_per_minute.as_ref();
        target.requests_per_minute = faults.number(per_minute, &REQUESTS_PER_MINUTE);
        target.burst = faults.number(written.burst.as_ref(), &BURST);
        target.api = decide_api(written.api.as_ref(), &target.api, faults);
        target.secret_header = decide_header(written.secret_header.as_ref(), base, &TAKEN, faults);
        let timeout = TIMEOUT.usually(target.timeout);
        target.timeout = faults.duration(written.timeout.as_ref(), &timeout);
        let optional = [
            ("account_id", &written.account_id),
            ("environment_id", &written.environment_id),
        ];
        let optional = optional.into_iter();
        let mut fields: Vec<_> = optional
            .filter_map(|(name, id)| Some((name, id.as_ref()?)))
            .collect();
        fields.push(("zone_id", &written.zone_id));
        provider_or_fault(Cloudflare::new(target), self, &fields, faults)
    }
}
