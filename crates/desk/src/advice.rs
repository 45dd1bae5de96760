//! What to do about each reason.

/// The reason and what to do; docs/dead-letters.md says it too.
const ADVICE: [(&str, &str); 14] = [
    (
        "bad_json",
        "The record is not JSON. Another producer writes to the topic, or the connector's converter was changed.",
    ),
    (
        "bad_utf8",
        "The record contains bytes that are not UTF-8. Check the connector's converter and the database's encoding.",
    ),
    (
        "too_deep",
        "The record is nested too deeply. Exclude the column in the connector (column.exclude.list).",
    ),
    (
        "too_many_steps",
        "The record's Avro schema has nested types without bytes, so that decoding would not end. No connector writes \
         such a schema. Find out who registered it.",
    ),
    (
        "too_large",
        "The record is larger than intake.value_bytes_max. Raise it and retry, or exclude the column in the \
         connector (column.exclude.list).",
    ),
    (
        "bad_framing",
        "The record starts like Avro, but without the framing of a schema registry's serializer. Another producer \
         writes to the topic, or the converter was changed.",
    ),
    (
        "bad_avro",
        "The record does not match its schema id. Was the schema registry restored or replaced? Correct it, restart \
         freshet, and retry.",
    ),
    (
        "bad_schema",
        "The record's schema cannot be used. Check it in the schema registry; retry when it is corrected.",
    ),
    (
        "bad_envelope",
        "The record is well-formed, but not a Debezium change. Another producer writes to the topic, or a transform changes it.",
    ),
    (
        "foreign_format",
        "The record has the format of another system; see the detail. Another producer writes to the topic, or the \
         connector's converter was changed. Write Debezium's envelope, then discard.",
    ),
    (
        "unknown_op",
        "The record has an op that this release does not know. Was Debezium upgraded? Upgrade freshet and retry.",
    ),
    (
        "unknown_schema",
        "The schema registry does not have the record's schema, or none is configured. Register the \
         schema, or set schema_registry, and retry.",
    ),
    (
        "refused",
        "The target rejects the purge itself; the detail has its error message. There is no record to read again: \
         fix the cause, then discard, or retry with family scope.",
    ),
    (
        "bad_request",
        "A record in a lane's topic that this release cannot read. Was freshet rolled back, or does another \
         producer write there? Upgrade and retry, or discard.",
    ),
];

/// What to do about letters with `reason`.
pub fn advice_about(reason: &str) -> &'static str {
    let known = ADVICE.iter().find(|(known, _)| *known == reason);
    known.map_or(
        "This release does not know the reason: another release wrote the letter.",
        |(_, advice)| advice,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_advice_here_and_in_the_docs() {
        let page = include_str!("../../../docs/dead-letters.md");
        let others = ["unknown_schema", "refused", "bad_request"];
        let reasons = freshet_wire::DecodeError::REASONS;
        let mut known: Vec<&str> = ADVICE.iter().map(|(reason, _)| *reason).collect();
        for reason in reasons.iter().chain(&others) {
            assert!(known.contains(reason), "{reason}");
            assert!(
                page.contains(&format!("| `{reason}`")),
                "{reason} is not on the page"
            );
            known.retain(|it| it != reason);
        }
        assert_eq!(known, [""; 0], "no such reasons");
        assert!(advice_about("from the future").contains("another"));
    }
}
