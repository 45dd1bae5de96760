//! Standard base64, as Jackson writes bytes: decoded into a buffer that the caller owns.

/// Decodes `text` into `out` and gives the decoded part. None when it is not base64 with padding, or does
/// not fit.
pub(crate) fn decode<'o>(text: &str, out: &'o mut [u8]) -> Option<&'o [u8]> {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let padding = bytes.iter().rev().take_while(|&&byte| byte == b'=').count();
    if padding > 2 {
        return None;
    }
    let digits = bytes.get(..bytes.len() - padding)?;
    let mut length = 0;
    for group in digits.chunks(4) {
        let mut bits = 0u32;
        for &byte in group {
            bits = (bits << 6) | u32::from(sextet(byte)?);
        }
        bits <<= 6 * (4 - group.len());
        let decoded = bits.to_be_bytes();
        let wanted = decoded.get(1..group.len())?;
        out.get_mut(length..length + wanted.len())?
            .copy_from_slice(wanted);
        length += wanted.len();
    }
    out.get(..length)
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
