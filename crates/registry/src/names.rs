//! The names under which Debezium sends tables and columns whose own names Kafka or Avro does not allow.

use std::borrow::Cow;
use std::fmt::Write;

use freshet_core::connector::FieldNames;

/// Characters of a topic name at most.
const TOPIC_CHARS_MAX: usize = 249;

/// The topic that Debezium writes a table's changes to, by default: what a topic name cannot have becomes `_`, a
/// UTF-16 code unit at a time, and what is too long is cut.
pub fn topic_of(table: &str) -> Cow<'_, str> {
    if is_topic(table) {
        return Cow::Borrowed(table);
    }
    let units = table.encode_utf16().take(TOPIC_CHARS_MAX);
    let sent = units.map(|unit| match u8::try_from(unit) {
        Ok(byte) if is_topic_byte(byte) => char::from(byte),
        _ => '_',
    });
    Cow::Owned(sent.collect())
}

/// Whether Kafka allows a topic of this name.
pub fn is_topic(name: &str) -> bool {
    (1..=TOPIC_CHARS_MAX).contains(&name.len())
        && name.bytes().all(is_topic_byte)
        && !matches!(name, "." | "..")
}

fn is_topic_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// The name of a column in a record, by what the source file states of the connector. Without a statement columns keep
/// their names; a column that arrives under another one is unknown then, and widens.
pub(crate) fn field_of(column: &str, mode: Option<FieldNames>) -> Cow<'_, str> {
    let unicode = match mode {
        None | Some(FieldNames::AsIs) => return Cow::Borrowed(column),
        Some(FieldNames::Avro) => false,
        Some(FieldNames::AvroUnicode) => true,
    };
    let mut sent = String::with_capacity(column.len());
    for (at, unit) in column.encode_utf16().enumerate() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii_alphabetic() => sent.push(char::from(byte)),
            Ok(byte) if byte.is_ascii_digit() && at > 0 => sent.push(char::from(byte)),
            _ if unicode => push_unicode(&mut sent, unit),
            Ok(byte) if byte.is_ascii_digit() => sent.extend(['_', char::from(byte)]),
            _ => sent.push('_'),
        }
    }
    Cow::Owned(sent)
}

/// `_u` and the code unit in hexadecimal; Debezium pads only what has one or two digits.
fn push_unicode(sent: &mut String, unit: u16) {
    let padding = if unit <= 0xff { "00" } else { "" };
    // Writing to a String cannot fail.
    let _ = write!(sent, "_u{padding}{unit:x}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_called_as_debezium_calls_it() {
        for (table, topic) in [
            ("shop.public.items", "shop.public.items"),
            ("shop.public.Order Items", "shop.public.Order_Items"),
            ("shop.public.\"t\"", "shop.public._t_"),
            ("shop.public.a-b_c.d", "shop.public.a-b_c.d"),
            ("shop.public.größe", "shop.public.gr__e"),
            ("s.p.näh😀$", "s.p.n_h___"),
            // Two code units.
            ("shop.public.😀", "shop.public.__"),
        ] {
            assert_eq!(topic_of(table), topic);
            assert!(is_topic(topic), "{topic}");
        }
        let long = format!("shop.public.{}", "ä".repeat(300));
        assert_eq!(topic_of(&long).len(), TOPIC_CHARS_MAX);
        for name in ["", ".", "..", "a b", "a/b", "a\u{e4}", &"x".repeat(250)] {
            assert!(!is_topic(name), "{name:?}");
        }
    }

    #[test]
    fn a_column_is_called_as_the_connector_calls_it() {
        use FieldNames::{AsIs, Avro, AvroUnicode};
        for (column, avro, unicode) in [
            ("id", "id", "id"),
            ("order_id", "order_id", "order_u005fid"),
            ("Order ID", "Order_ID", "Order_u0020ID"),
            ("a.b", "a_b", "a_u002eb"),
            ("1st", "_1st", "_u0031st"),
            ("größe", "gr__e", "gr_u00f6_u00dfe"),
            ("œuvre", "_uvre", "_u153uvre"),
            ("é1", "_1", "_u00e91"),
        ] {
            assert_eq!(field_of(column, None), column);
            assert_eq!(field_of(column, Some(AsIs)), column);
            assert_eq!(field_of(column, Some(Avro)), avro);
            assert_eq!(field_of(column, Some(AvroUnicode)), unicode);
        }
    }
}
