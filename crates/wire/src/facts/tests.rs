use super::{both_lsns, lsns_of_sequence};

/// What is spelt as Debezium nearly always does is read without splitting it.
#[test]
fn a_sequence_has_the_lsns_of_commit_and_event_where_it_says_them() {
    for (text, quick, wanted) in [
        (r#"["200","300"]"#, true, (Some(200), Some(300))),
        (r#"["200", "300"]"#, false, (Some(200), Some(300))),
        (r#"[null,"300"]"#, false, (None, Some(300))),
        (r#"["200",null]"#, false, (Some(200), None)),
        (r#"["200"]"#, false, (Some(200), None)),
        (r#"["200","300"]]"#, false, (Some(200), None)),
        (r#"["200","300""#, false, (None, None)),
        ("", false, (None, None)),
    ] {
        assert_eq!(lsns_of_sequence(text), wanted, "{text}");
        assert_eq!(both_lsns(text.as_bytes()).is_some(), quick, "{text}");
    }
}
