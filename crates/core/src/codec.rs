//! The one codec between row values and names of cache entries, shared with the emitting side.
//!
//! It is injective per value: two different values never give the same text, and no value can add a
//! separator, a glob or a second tag. `docs/event-semantics.md` has it in words for other languages.

use sha2::{Digest, Sha256};

/// A value longer than this many bytes is hashed in a Redis key.
pub const REDIS_VALUE_BYTES_MAX: usize = 128;
/// A tag longer than this many bytes is shortened to a prefix and a hash (RFC 9875 obliges caches to
/// support 32 characters and no more).
pub const TAG_BYTES_MAX: usize = 32;

/// Bytes that a shortened tag keeps of its beginning.
pub const TAG_HEAD_BYTES: usize = 11;
const HEX_UPPER: &[u8; 16] = b"0123456789ABCDEF";
const HEX_LOWER: &[u8; 16] = b"0123456789abcdef";

/// Appends `value` to a Redis key: `A-Z a-z 0-9 . _ -` stand for themselves, every other byte is `%XX`.
/// A value over [`REDIS_VALUE_BYTES_MAX`] becomes `~` and the first 32 hex digits of its SHA-256.
pub fn push_redis_value(out: &mut Vec<u8>, value: &str) {
    let bytes = value.as_bytes();
    if bytes.len() > REDIS_VALUE_BYTES_MAX {
        out.push(b'~');
        push_sha256_hex(out, bytes, 16);
        return;
    }
    if bytes.iter().all(|&byte| is_redis_safe(byte)) {
        out.extend_from_slice(bytes);
        return;
    }
    for &byte in bytes {
        push_redis_byte(out, byte);
    }
}

/// The same for the value in lower case ([`Fold::lower`](crate::template::Fold)), without an intermediate text.
pub(crate) fn push_redis_value_lower(out: &mut Vec<u8>, value: &str) {
    let bytes = value.as_bytes();
    if bytes.len() <= REDIS_VALUE_BYTES_MAX {
        for &byte in bytes {
            push_redis_byte(out, byte.to_ascii_lowercase());
        }
        return;
    }
    let mut hash = Sha256::new();
    for chunk in bytes.chunks(REDIS_VALUE_BYTES_MAX) {
        let mut lower = [0; REDIS_VALUE_BYTES_MAX];
        let lower = &mut lower[..chunk.len()];
        lower.copy_from_slice(chunk);
        lower.make_ascii_lowercase();
        hash.update(lower);
    }
    out.push(b'~');
    push_hex(out, &hash.finalize()[..16]);
}

fn push_redis_byte(out: &mut Vec<u8>, byte: u8) {
    if is_redis_safe(byte) {
        out.push(byte);
    } else {
        out.push(b'%');
        out.push(HEX_UPPER[usize::from(byte >> 4)]);
        out.push(HEX_UPPER[usize::from(byte & 15)]);
    }
}

/// Appends `value` to a tag: `a-z 0-9 . -` stand for themselves, every other byte (upper case and `_`
/// included, since some providers fold case) is `_xx`.
pub fn push_tag_value(out: &mut Vec<u8>, value: &str) {
    for &byte in value.as_bytes() {
        push_tag_byte(out, byte);
    }
}

/// The same for the value in lower case.
pub(crate) fn push_tag_value_lower(out: &mut Vec<u8>, value: &str) {
    for &byte in value.as_bytes() {
        push_tag_byte(out, byte.to_ascii_lowercase());
    }
}

fn push_tag_byte(out: &mut Vec<u8>, byte: u8) {
    if is_tag_safe(byte) {
        out.push(byte);
    } else {
        out.push(b'_');
        out.push(HEX_LOWER[usize::from(byte >> 4)]);
        out.push(HEX_LOWER[usize::from(byte & 15)]);
    }
}

/// Shortens the tag that begins at `start` in `out` when it is longer than [`TAG_BYTES_MAX`]: its first 11
/// characters, a dot, and the first 20 hex digits of the SHA-256 of the whole tag.
pub fn shorten_tag(out: &mut Vec<u8>, start: usize) {
    if out.len() - start <= TAG_BYTES_MAX {
        return;
    }
    let digest = Sha256::digest(&out[start..]);
    out.truncate(start + TAG_HEAD_BYTES);
    out.push(b'.');
    push_hex(out, &digest[..10]);
}

/// Whether a literal may stand in a tag as it is.
pub fn is_tag_literal(literal: &str) -> bool {
    literal
        .bytes()
        .all(|byte| is_tag_safe(byte) || byte == b'_')
}

/// Whether a literal may stand in a Redis key template: printable ASCII without blank, glob and escape.
pub fn is_redis_literal(literal: &str) -> bool {
    literal
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"*?[]\\%~".contains(&byte))
}

/// Whether a rendered value of a Redis key can hold `byte`: what stands for itself, and the marks of an escape and a hash.
pub fn is_redis_value_byte(byte: u8) -> bool {
    is_redis_safe(byte) || matches!(byte, b'%' | b'~')
}

/// Whether the tag `tag` can come from a template of these literals, with a value between each two of them.
pub fn is_tag_of(tag: &[u8], literals: &[&[u8]]) -> bool {
    let [first, rest @ ..] = literals else {
        return false;
    };
    let tail = tag.strip_prefix(*first);
    tail.is_some_and(|tag| is_tag_tail(tag, rest)) || may_be_shortened(tag, literals)
}

/// Whether `tag` is values and these literals by turns. Tags are short: all ways are followed at once.
fn is_tag_tail(tag: &[u8], literals: &[&[u8]]) -> bool {
    // Where a literal may end in the tag; before the first one, at its beginning.
    let mut ends = vec![false; tag.len() + 1];
    ends[0] = true;
    for literal in literals {
        let mut reached = ends;
        for at in 0..tag.len() {
            if reached[at] {
                let escaped = tag[at..].starts_with(b"_")
                    && tag
                        .get(at + 1..at + 3)
                        .is_some_and(|hex| hex.iter().all(|it| HEX_LOWER.contains(it)));
                if is_tag_safe(tag[at]) {
                    reached[at + 1] = true;
                } else if escaped {
                    reached[at + 3] = true;
                }
            }
        }
        ends = vec![false; tag.len() + 1];
        for at in 0..=tag.len() {
            if reached[at] && tag[at..].starts_with(literal) {
                ends[at + literal.len()] = true;
            }
        }
    }
    ends[tag.len()]
}

/// Whether `tag` has the form of a shortened one whose head these literals can produce. Which tags a hash stands for is
/// not known, so each may be.
fn may_be_shortened(tag: &[u8], literals: &[&[u8]]) -> bool {
    let Some((head, hash)) = tag.split_at_checked(TAG_HEAD_BYTES) else {
        return false;
    };
    let is_hash = tag.len() == TAG_BYTES_MAX
        && hash[0] == b'.'
        && hash[1..].iter().all(|it| HEX_LOWER.contains(it));
    let first = literals.first().copied().unwrap_or_default();
    let fits = head.starts_with(first) || (first.starts_with(head));
    let is_long = literals.len() > 1 || first.len() > TAG_BYTES_MAX;
    is_hash && fits && is_long
}

fn is_redis_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

fn is_tag_safe(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-')
}

fn push_sha256_hex(out: &mut Vec<u8>, bytes: &[u8], digest_bytes: usize) {
    let digest = Sha256::digest(bytes);
    push_hex(out, &digest[..digest_bytes]);
}

fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        out.push(HEX_LOWER[usize::from(byte >> 4)]);
        out.push(HEX_LOWER[usize::from(byte & 15)]);
    }
}
