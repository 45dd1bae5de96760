//! One recorded event as one line of JSON.

use freshet_testbed::TopicRecord;
use serde_json::{Map, Value, json};

/// Text forms keep the very text of key and value; binary ones go as base64.
pub(crate) fn line(scenario: &str, record: &TopicRecord, binary: bool) -> Value {
    let mut line = Map::new();
    line.insert("scenario".to_owned(), json!(scenario));
    line.insert("topic".to_owned(), json!(record.topic));
    line.insert("partition".to_owned(), json!(record.partition));
    line.insert("offset".to_owned(), json!(record.offset));
    line.insert("timestamp_ms".to_owned(), json!(record.timestamp_ms));
    for (name, bytes) in [("key", &record.key), ("value", &record.value)] {
        let (name, shown) = match (binary, bytes.as_deref()) {
            (true, bytes) => (format!("{name}_base64"), bytes.map(base64)),
            (false, bytes) => (name.to_owned(), bytes.map(text)),
        };
        line.insert(name, json!(shown));
    }
    let headers: Vec<Value> = record
        .headers
        .iter()
        .map(|(name, value)| json!([name, value.as_deref().map(text)]))
        .collect();
    line.insert("headers".to_owned(), Value::Array(headers));
    Value::Object(line)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) & 63;
            let filled = place <= chunk.len();
            out.push(if filled {
                char::from(ALPHABET[index as usize])
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_pads() {
        assert_eq!(base64(b""), "");
        assert_eq!(base64(b"f"), "Zg==");
        assert_eq!(base64(b"fo"), "Zm8=");
        assert_eq!(base64(b"foobar"), "Zm9vYmFy");
        assert_eq!(base64(&[0, 255, 254]), "AP/+");
    }
}
