//! Names of contract entries at a CDN: tags as the codec makes them for families.

use freshet_core::codec;
use freshet_testbed::ContractEntry;

/// The tag of one entry.
pub(crate) fn tag_of(entry: &ContractEntry) -> Vec<u8> {
    let mut tag = format!("{}-", entry.family).into_bytes();
    codec::push_tag_value(&mut tag, &entry.value);
    codec::shorten_tag(&mut tag, 0);
    tag
}
