use freshet_core::change::{Change, Op};
use freshet_core::image::Column;
use freshet_core::table::{ColumnKind, ColumnSlot, TableId, TableShape};
use proptest::prelude::*;

use super::Tracks;
use crate::column_text::BoundColumn;
use crate::draft::Draft;
use crate::error::DecodeError;
use crate::facts::{Facts, OpCode};
use crate::json::cursor::Cursor;
use crate::json::envelope;
use crate::row_rules::RowRules;
use crate::row_rules::tests::shape;
use crate::topic_memory;

const COLUMNS: [(&str, ColumnKind); 3] = [
    ("id", ColumnKind::BIGINT),
    ("name", ColumnKind::TEXT),
    ("price", ColumnKind::Decimal { scale: None }),
];

/// Open brackets around a value at most.
const DEPTH_MAX: usize = 8;

/// Everything that a reading came to.
type Read = (Facts, usize, Vec<Vec<String>>);

fn columns(change: &Change) -> Vec<Vec<String>> {
    let images = [&change.before, &change.after];
    let text = |image: &freshet_core::image::Image| {
        let slots = (0..4).map(|slot| match image.column(ColumnSlot(slot)) {
            Column::Known(text) => format!("={text}"),
            other => format!("{other:?}"),
        });
        slots.chain([image.is_present().to_string()]).collect()
    };
    images.map(text).to_vec()
}

/// What stands around an envelope that has a schema.
const AROUND: [&[u8]; 2] = [b"{\"payload\":", b"}"];

struct Reader {
    members: bool,
    wrapped: bool,
    columns: Box<[BoundColumn]>,
    shape: TableShape,
    tracks: Tracks,
    change: Change,
    hits: u32,
}

impl Reader {
    fn new() -> Self {
        let shape = shape(&COLUMNS);
        Self {
            members: true,
            wrapped: false,
            columns: topic_memory::undeclared(&shape),
            shape,
            tracks: Tracks::default(),
            change: Change::default(),
            hits: 0,
        }
    }

    /// Reads in the general way and on a track, which must agree; learns where no track fits.
    fn read(&mut self, text: &[u8]) -> Result<Read, DecodeError> {
        let rules = RowRules {
            shape: &self.shape,
            columns: &self.columns,
            members: self.members,
        };
        let [front, behind] = if self.wrapped { AROUND } else { [&b""[..]; 2] };
        let text = &[front, text, behind].concat();
        let depth = usize::from(self.wrapped);
        let start = Cursor::new(text, DEPTH_MAX).starting_at(front.len(), depth);
        let mut scratch = String::new();
        let mut cursor = start.clone();
        let mut change = Change::default();
        change.reset(TableId(0), Op::Read);
        let mut facts = Facts::default();
        let into = Draft {
            change: &mut change,
            facts: &mut facts,
        };
        let general = envelope::read(&mut cursor, rules, into, &mut scratch)
            .map(|()| (facts, cursor.position(), columns(&change)));
        let mut cursor = start.clone();
        let mut facts = Facts::default();
        let into = Draft {
            change: &mut self.change,
            facts: &mut facts,
        };
        let fits = self.tracks.read(&mut cursor, rules, into, &mut scratch);
        let on_track = fits.then(|| (facts, cursor.position(), columns(&self.change)));
        match (&general, on_track) {
            (Ok(general), Some(on_track)) => {
                assert_eq!(*general, on_track, "{}", String::from_utf8_lossy(text));
                self.hits += 1;
            }
            (Err(error), Some(_)) => {
                panic!("{error} on no track: {}", String::from_utf8_lossy(text))
            }
            (Ok(_), None) => self.tracks.learn(&start, rules),
            (Err(_), None) => {}
        }
        general
    }
}

fn record(id: u32, op: &str) -> String {
    let row = |price: u32| {
        format!("{{\"id\":{id},\"note\":\"x{id}\",\"name\":\"n\",\"price\":\"{price}\"}}")
    };
    let (before, after) = match op {
        "c" => ("null".to_owned(), row(2)),
        "d" => (row(1), "null".to_owned()),
        _ => (row(1), row(2)),
    };
    format!(
        "{{\"before\":{before},\"after\":{after},\"source\":{{\"version\":\"3\",\"ts_ms\":{},\"lsn\":{id},\
         \"snapshot\":\"false\"}},\"transaction\":null,\"op\":\"{op}\",\"ts_ms\":17}}",
        1_000 + id
    )
}

#[test]
fn after_two_records_of_a_layout_the_rest_are_on_its_track() {
    let mut reader = Reader::new();
    for id in 0..100 {
        for op in ["c", "u", "d"] {
            let (facts, _, images) = reader.read(record(id, op).as_bytes()).expect("it reads");
            assert_eq!(facts.op, Some(OpCode::of(op)));
            let image = &images[usize::from(op != "d")];
            assert_eq!(image[0], format!("={id}"));
            assert_eq!(image[1], "=n");
        }
    }
    assert!(reader.hits >= 3 * 98, "{} hits", reader.hits);
}

#[test]
fn a_value_that_was_always_the_same_and_is_no_more_is_read() {
    let mut reader = Reader::new();
    for id in 0..20 {
        reader.read(record(id, "u").as_bytes()).expect("it reads");
    }
    let streamed = record(20, "u");
    let snapshot = streamed.replace("\"snapshot\":\"false\"", "\"snapshot\":\"incremental\"");
    let (one, ..) = reader.read(snapshot.as_bytes()).expect("it reads");
    let (other, ..) = reader.read(streamed.as_bytes()).expect("it reads");
    assert_ne!(one, other);
    let hits = reader.hits;
    reader.read(snapshot.as_bytes()).expect("it reads");
    assert_eq!(reader.hits, hits + 1, "its place is known to vary");
}

#[test]
fn a_topic_without_any_layout_is_let_be_and_looked_at_again_later() {
    let mut reader = Reader::new();
    let strange = |at: u32| format!("{{\"x{at}\":1,\"after\":{{\"id\":{at}}},\"op\":\"c\"}}");
    for at in 0..64 {
        reader.read(strange(at).as_bytes()).expect("it reads");
    }
    assert_eq!(reader.tracks.rest, 0);
    reader.read(strange(64).as_bytes()).expect("it reads");
    assert!(reader.tracks.known.is_empty() && reader.tracks.rest > 0);
    for id in 0..super::REST_RECORDS + 10 {
        reader.read(record(id, "c").as_bytes()).expect("it reads");
    }
    assert!(reader.hits > 0);
}

/// How often a track fitted when these records were read in turn, each of them twenty times.
fn hits(reader: Reader, records: &[String]) -> u32 {
    let mut reader = reader;
    for record in records.iter().cycle().take(20 * records.len()) {
        reader.read(record.as_bytes()).expect("it reads");
    }
    reader.hits
}

#[test]
fn layouts_that_alternate_have_a_track_each() {
    let one = record(1, "u");
    for other in [
        one.replace("\"note\"", "\"text\""),
        one.replace("\"note\":\"x1\",", ""),
        one.replace(
            "\"before\":{\"id\":1,\"note\":\"x1\",\"name\":\"n\",\"price\":\"1\"}",
            "\"before\":null",
        ),
        one.replace(":17}", ":17 }"),
    ] {
        assert_ne!(one, other);
        let both = [one.clone(), other];
        assert_eq!(hits(Reader::new(), &both), 2 * 19, "{}", both[1]);
    }
    // Parts without a field in them.
    let bare = |before: &str| format!("{{\"before\":{before},\"after\":{{}},\"op\":\"u\"}}");
    assert_eq!(hits(Reader::new(), &[bare("{}"), bare("null")]), 2 * 19);
    // As many as are kept, and one more: each takes the place of the one that is next.
    let layout = |at: u32| one.replace("\"note\"", &format!("\"note{at}\""));
    let layouts: Vec<String> = (0..5).map(layout).collect();
    assert_eq!(hits(Reader::new(), &layouts[..4]), 4 * 19);
    let mut reader = Reader::new();
    for layout in &layouts {
        reader.read(layout.as_bytes()).expect("it reads");
    }
    assert_eq!(reader.tracks.known.len(), 4);
}

/// What would take memory, and what is not expected to come again.
#[test]
fn long_envelopes_are_not_learned_and_long_values_not_expected_again() {
    let with =
        |value: &str| record(1, "u").replace("\"version\":\"3\"", &format!("\"version\":{value}"));
    let text = |letter: &str, length: usize| format!("\"{}\"", letter.repeat(length - 2));
    let frame = with("").len();
    for (length, learned) in [((32 << 10) - frame, true), ((32 << 10) - frame + 1, false)] {
        let envelope = with(&text("x", length));
        let wanted = if learned { 19 } else { 0 };
        assert_eq!(hits(Reader::new(), &[envelope]), wanted, "{length}");
    }
    let fields = |count: usize| {
        let fields: Vec<String> = (0..count).map(|at| format!("\"x{at}\":0")).collect();
        format!(
            "{{{},\"after\":{{\"id\":1}},\"op\":\"c\"}}",
            fields.join(",")
        )
    };
    assert_eq!(hits(Reader::new(), &[fields(1022)]), 19);
    assert_eq!(hits(Reader::new(), &[fields(1023)]), 0);
    // The second record differs from the first in one value.
    for (length, hits) in [(256, 0), (257, 1)] {
        let mut reader = Reader::new();
        for letter in ["x", "y"] {
            let envelope = with(&text(letter, length));
            reader.read(envelope.as_bytes()).expect("it reads");
        }
        assert_eq!(reader.hits, hits, "{length}");
    }
}

#[test]
fn a_value_may_be_as_deep_on_a_track_as_beside_it() {
    for wrapped in [false, true] {
        // In the envelope, in its row, and maybe in the payload.
        let depth = DEPTH_MAX - 2 - usize::from(wrapped);
        let deep = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let reader = || Reader {
            wrapped,
            ..Reader::new()
        };
        let fitting = record(1, "u").replace("\"x1\"", &deep);
        assert_eq!(hits(reader(), std::slice::from_ref(&fitting)), 19);
        let deeper = fitting.replace(&deep, &format!("[{deep}]"));
        let mut reader = reader();
        // Two records that differ in this value: from then on whatever stands there is read on the track.
        for envelope in [&record(1, "u"), &fitting, &fitting] {
            reader.read(envelope.as_bytes()).expect("it reads");
        }
        assert_eq!(reader.hits, 1);
        let error = reader.read(deeper.as_bytes()).expect_err("too deep");
        assert_eq!(error.reason(), "too_deep");
    }
}

#[test]
fn what_is_said_twice_counts_as_it_does_in_the_general_way() {
    let (row, other) = ("{\"id\":1}", "{\"name\":\"n\"}");
    for part in ["before", "after", "source"] {
        for (first, second) in [
            (row, "null"),
            ("null", row),
            ("null", other),
            (row, other),
            (row, "7"),
        ] {
            for id in [1, 2] {
                let first = first.replace('1', &id.to_string());
                let record = format!(
                    "{{\"after\":{{\"id\":{id}}},\"{part}\":{first},\"{part}\":{second},\"op\":\"c\"}}"
                );
                hits(Reader::new(), &[record]);
            }
        }
    }
    // The later one counts, though it is always the same and the earlier one is not.
    let mut reader = Reader::new();
    for op in ["c", "d", "r", "c"] {
        let record = format!("{{\"op\":\"{op}\",\"after\":{{\"id\":1}},\"op\":\"u\"}}");
        let (facts, ..) = reader.read(record.as_bytes()).expect("it reads");
        assert_eq!(facts.op, Some(OpCode::of("u")));
    }
}

/// What may stand where a value does: texts as they are, not always valid.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (0..30u32).prop_map(|number| number.to_string()),
        2 => "[a-z]{0,6}".prop_map(|text| format!("\"{text}\"")),
        1 => Just("null".to_owned()),
        1 => Just(" true ".to_owned()),
        1 => Just("\"\\u00e9\\n\"".to_owned()),
        1 => (any::<u64>(), any::<u32>()).prop_map(|(a, b)| format!("\"[\\\"{a}\\\",\\\"{b}\\\"]\"")),
        1 => Just("\"[null,\\\"7\\\"]\"".to_owned()),
        1 => Just("\"\\ud800\"".to_owned()),
        1 => Just("[1,{\"a\":[]}]".to_owned()),
        1 => Just("{\"scale\":2,\"value\":\"AQI=\"}".to_owned()),
        1 => Just("[[[[[[[[[[1]]]]]]]]]]".to_owned()),
        1 => Just("1e".to_owned()),
        1 => Just("".to_owned()),
    ]
}

fn any_fields(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    let picked = prop::sample::subsequence(names, 0..=names.len());
    let field =
        |name: &'static str| any_value().prop_map(move |value| format!("\"{name}\":{value}"));
    picked.prop_flat_map(move |names| {
        let fields: Vec<_> = names.into_iter().map(field).collect();
        fields.prop_map(|fields| format!("{{{}}}", fields.join(",")))
    })
}

fn any_record() -> impl Strategy<Value = String> {
    let row = || {
        prop_oneof![
            4 => any_fields(&["id", "name", "other", "price", "id"]),
            1 => Just("null".to_owned()),
            1 => Just("7".to_owned()),
        ]
    };
    let source = any_fields(&[
        "version", "ts_ms", "ts_us", "snapshot", "sequence", "lsn", "lsn",
    ]);
    let op = prop::sample::select(vec!["\"c\"", "\"u\"", "\"d\"", "\"m\"", "1", "null"]);
    let transaction = prop_oneof![
        1 => Just("null".to_owned()),
        1 => any_fields(&["id", "total_order", "data_collection_order"]),
    ];
    (row(), row(), (source, transaction), op, any_value(), any::<bool>()).prop_map(
        |(before, after, (source, transaction), op, ts, twice)| {
            let again = if twice { ",\"op\":\"u\"" } else { "" };
            format!(
                "{{\"before\":{before},\"after\":{after},\"source\":{source},\"transaction\":{transaction},\"op\":{op}{again},\"ts_ms\":{ts}}}"
            )
        },
    )
}

proptest! {
    /// Records of few layouts with small changes between them, as a topic has them, and broken ones among them.
    #[test]
    fn a_track_says_what_the_general_way_says(
        layouts in prop::collection::vec(any_record(), 1..4),
        turns in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any_value(), 0..4), 1..60),
        members: bool,
        wrapped: bool,
    ) {
        let mut reader = Reader { members, wrapped, ..Reader::new() };
        for (which, place, value, how) in turns {
            let mut text = which.get(&layouts).clone().into_bytes();
            let digits: Vec<usize> = (0..text.len()).filter(|&at| text[at].is_ascii_digit()).collect();
            match how {
                // Another number, byte by byte.
                0 if !digits.is_empty() => text[*place.get(&digits)] = b'5',
                // Another value in its stead.
                1 if !digits.is_empty() => {
                    let at = *place.get(&digits);
                    text.splice(at..=at, value.into_bytes());
                }
                // Anything anywhere.
                2 => { let at = place.index(text.len()); text[at] = text[at].wrapping_add(1); }
                _ => {}
            }
            let _ = reader.read(&text);
        }
    }
}
