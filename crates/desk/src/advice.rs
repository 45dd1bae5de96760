//! What to do about each reason.

/// The reason and what to do; docs/dead-letters.md says it too.
const ADVICE: [(&str, &str); 14] = [
    (
        "bad_json",
        "The record is no JSON. Somebody else writes to the topic, or the connector's converter was changed.",
    ),
    (
        "bad_utf8",
        "The record holds bytes that are no UTF-8. Look at the connector's converter and the database's encoding.",
    ),
    (
        "too_deep",
        "The record is nested deeper than any row is. Leave the column out in the connector (column.exclude.list).",
    ),
    (
        "too_many_steps",
        "The record's Avro schema has types without bytes that multiply, so that reading one record would not end. No \
         connector writes such a schema. Find out who registered it.",
    ),
    (
        "too_large",
        "The record is larger than intake.value_bytes_max. Raise it and retry, or leave the column out in the \
         connector (column.exclude.list).",
    ),
    (
        "bad_framing",
        "The record begins like Avro and is not framed as a schema registry's serializer frames it. Somebody else \
         writes to the topic, or the converter was changed.",
    ),
    (
        "bad_avro",
        "The record does not fit the schema that it names. Was the schema registry restored or replaced? Set it \
         right, restart freshet, and retry.",
    ),
    (
        "bad_schema",
        "The schema that the record names cannot be used. Look at it in the schema registry; retry when it is right.",
    ),
    (
        "bad_envelope",
        "The record is well-formed and no change. Somebody else writes to the topic, or a transform changes its form.",
    ),
    (
        "foreign_format",
        "The record has another system's format; the detail names it. Somebody else writes to the topic, or the \
         connector's converter was changed. Write Debezium's envelope, then discard.",
    ),
    (
        "unknown_op",
        "The record has an op that this release does not know. Was Debezium upgraded? Upgrade freshet and retry.",
    ),
    (
        "unknown_schema",
        "The schema registry does not know the schema that the record names, or none is configured. Register the \
         schema, or set schema_registry, and retry.",
    ),
    (
        "refused",
        "A target says that the purge itself is wrong; the detail has its words. There is no record to read again: \
         set right what it says, then discard, or retry with family scope.",
    ),
    (
        "bad_request",
        "A record in a lane's topic that this release cannot read. Was freshet rolled back, or does somebody else \
         write there? Upgrade and retry, or discard.",
    ),
];

/// What to do about letters with `reason`.
pub fn advice_about(reason: &str) -> &'static str {
    let known = ADVICE.iter().find(|(known, _)| *known == reason);
    known.map_or(
        "This release does not know the reason: the letter was written by another one.",
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
