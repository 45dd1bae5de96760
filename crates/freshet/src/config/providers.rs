//! CDNs and HTTP caches: each has a file here that says what stands in its section and decides it. Which ones there are
//! is the list in `written.rs`.

pub(super) mod cloudflare;
pub(super) mod fastly;
pub(super) mod http;
pub(super) mod varnish;

use std::path::Path;
use std::sync::Arc;

use freshet_cdn::{CdnConfigError, Provider, SecretHeader};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::faults::{Faults, UrlRule};
use super::values::{AddressWritten, SecretWritten};

/// The section of a provider.
pub(super) trait Section {
    /// What was decided; none when it cannot be used at all. Faults are noted at their places.
    fn decide(&self, base: &Path, faults: &mut Faults<'_>) -> Option<Arc<dyn Provider>>;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretHeaderWritten {
    pub(crate) name: Spanned<String>,
    pub(crate) value: Spanned<SecretWritten>,
}

/// The address of a provider's API.
const API_URL: UrlRule = UrlRule {
    schemes: &["https", "http"],
    credentials: "give the token as `token: { env: NAME }`, and a secret for a proxy as `secret_header`",
};

/// The base address of an API, if it is not the usual one.
fn decide_api(
    written: Option<&Spanned<AddressWritten>>,
    usual: &str,
    faults: &mut Faults<'_>,
) -> String {
    let Some(api) = written else {
        return usual.to_owned();
    };
    faults.url(api, &API_URL);
    api.value.0.trim_end_matches('/').to_owned()
}

/// A secret header whose name is none of those that a purge has already.
fn decide_header(
    written: Option<&SecretHeaderWritten>,
    base: &Path,
    taken: &[&str],
    faults: &mut Faults<'_>,
) -> Option<SecretHeader> {
    let written = written?;
    let before = faults.count();
    let value = faults.secret(&written.value, base);
    let name = &written.name;
    if taken
        .iter()
        .any(|taken| taken.eq_ignore_ascii_case(&name.value))
    {
        let help = "use another header, such as X-Purge-Secret";
        faults.add(name, "is a header that a purge already has", help);
    }
    let header = SecretHeader::new(&name.value, &value);
    if let Err(error) = &header
        && faults.count() == before
    {
        let help = "letters, digits and `-` in the name, visible ASCII in the value";
        faults.add(name, &error.to_string(), help);
    }
    header.ok()
}

/// The provider, or what keeps it from being one: at the place of the field, if it is among `fields`, else of the
/// section.
fn provider_or_fault<P: Provider + 'static>(
    provider: Result<P, CdnConfigError>,
    section: &Spanned<impl Sized>,
    fields: &[(&str, &Spanned<String>)],
    faults: &mut Faults<'_>,
) -> Option<Arc<dyn Provider>> {
    match provider {
        Ok(provider) => Some(Arc::new(provider)),
        Err(error) => {
            let help = "docs/targets/README.md links to the page of every provider";
            let at = fields.iter().find(|(name, _)| *name == error.field);
            match at {
                Some((_, written)) => faults.add(written, &error.to_string(), help),
                None => faults.add(section, &error.to_string(), help),
            }
            None
        }
    }
}
