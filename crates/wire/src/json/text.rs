//! The inside of a JSON string: finding its end, and undoing its escapes.

/// How many bytes come before the first quote, backslash or control byte. Eight at a time: strings are most
/// of a record.
pub(crate) fn plain_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
    const SLASHES: u64 = u64::from_ne_bytes([b'\\'; 8]);
    const BLANKS: u64 = u64::from_ne_bytes([0x20; 8]);
    let mut at = 0;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let (quote, slash) = (word ^ QUOTES, word ^ SLASHES);
        let hit = (quote.wrapping_sub(ONES) & !quote)
            | (slash.wrapping_sub(ONES) & !slash)
            | (word.wrapping_sub(BLANKS) & !word);
        let hit = hit & HIGH;
        if hit != 0 {
            // Only bytes above the first hit can be flagged wrongly, by the borrow.
            return at + (hit.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    at + rest.iter().position(special).unwrap_or(rest.len())
}

/// Appends a string's text to `out`. None when it is not UTF-8 or holds half of a surrogate pair.
pub(crate) fn unescape(raw: &[u8], out: &mut String) -> Option<()> {
    let mut rest = std::str::from_utf8(raw).ok()?;
    while let Some(at) = rest.find('\\') {
        let (plain, escape) = (rest.get(..at)?, rest.get(at + 1..)?);
        out.push_str(plain);
        rest = escape.get(1..)?;
        match escape.as_bytes().first()? {
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let unit = hex_unit(rest)?;
                rest = rest.get(4..)?;
                let code = match unit {
                    0xd800..=0xdbff => {
                        let low = hex_unit(rest.strip_prefix("\\u")?)?;
                        rest = rest.get(6..)?;
                        let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                        0x10000 + ((unit - 0xd800) << 10) + low
                    }
                    other => other,
                };
                out.push(char::from_u32(code)?);
            }
            other => out.push(char::from(*other)),
        }
    }
    out.push_str(rest);
    Some(())
}

fn hex_unit(text: &str) -> Option<u32> {
    u32::from_str_radix(text.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests;
