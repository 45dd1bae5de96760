//! Names of transactions: which records belong together, and which end came after which.

use freshet_core::transaction::{Boundary, TransactionId};

fn is_same(one: &str, other: &str) -> bool {
    TransactionId::of(one) == TransactionId::of(other)
}

#[test]
fn a_postgres_transaction_is_its_xid_and_any_other_its_whole_name() {
    assert!(
        is_same("571:53195829", "571:53195832"),
        "the LSN differs in each record"
    );
    assert!(!is_same("571:53195829", "572:53195829"));
    // The server's UUID of a GTID is no number, and what follows it tells transactions apart.
    let uuid = "36ff5f5e-66b1-11ee-9a2b-0242ac120002";
    assert!(!is_same(&format!("{uuid}:17"), &format!("{uuid}:18")));
    // MariaDB's GTID, the place of a begin, and names that only begin like a Postgres one.
    for (one, other) in [
        ("0-1-17", "0-1-18"),
        ("file=binlog.000002,pos=4", "file=binlog.000002,pos=400"),
        ("571:a", "571:b"),
        ("571:", "571:1"),
        (":1", ":2"),
    ] {
        assert!(!is_same(one, other), "{one} {other}");
        assert!(is_same(one, one));
    }
}

#[test]
fn an_end_is_ordered_by_the_number_that_its_name_ends_with() {
    for (text, sequence) in [
        ("571:53195829", 53_195_829),
        ("36ff5f5e-66b1-11ee-9a2b-0242ac120002:17", 17),
        ("0-1-18", 18),
        ("file=binlog.000002,pos=400", 400),
        ("42", 42),
        ("no number", 0),
        ("", 0),
        ("1:99999999999999999999999", 0),
    ] {
        let boundary = Boundary {
            transaction: TransactionId::of(text),
            text: text.to_owned(),
            counts: None,
        };
        assert_eq!(boundary.sequence(), sequence, "{text}");
    }
}
