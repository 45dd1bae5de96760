use freshet_core::registry::LetterPolicy;
use freshet_desk::LetterId;
use freshet_wire::{DeadLetter, ResolutionAction};

use super::*;

const SECRET: &str = "row-data-nobody-may-see";

fn poison() -> Letter {
    Letter {
        id: LetterId {
            partition: 0,
            offset: 17,
        },
        record_key: Vec::new(),
        content: DeadLetter {
            topic: "shop.public.items".to_owned(),
            partition: 3,
            offset: 42,
            reason: "bad_json".to_owned(),
            detail: "bad JSON at byte 12".to_owned(),
            families: vec!["catalog.item".to_owned(), "catalog.listing".to_owned()],
            value_bytes: 66,
            attempts: 1,
            at: WallMicros(1_795_406_543_404_140),
            appended: WallMicros(1_795_406_541_000_000),
            ..DeadLetter::default()
        },
        resolution: None,
    }
}

/// A refused purge whose detail would clear the terminal, closed.
fn refused() -> Letter {
    Letter {
        id: LetterId {
            partition: 1,
            offset: 2,
        },
        record_key: Vec::new(),
        content: DeadLetter {
            partition: -1,
            offset: -1,
            reason: "refused".to_owned(),
            detail: "target edge refused a purge: \u{1b}[2J".to_owned(),
            families: vec!["catalog.item".to_owned()],
            attempts: 1,
            at: WallMicros(1_795_400_000_000_000),
            ..DeadLetter::default()
        },
        resolution: Some(DeadLetterResolution {
            letter_partition: 1,
            letter_offset: 2,
            action: ResolutionAction::Discarded,
            because: "the tag was shortened".to_owned(),
            actor: "ada@ops-1".to_owned(),
            families: Vec::new(),
            purges: 0,
            at: WallMicros(1_795_407_000_000_000),
        }),
    }
}

#[test]
fn a_list_has_aligned_columns_and_says_how_many_there_are() {
    let (poison, refused) = (poison(), refused());
    let text = list(&[&poison, &refused], 2);
    assert_eq!(text, include_str!("golden/list.txt"), "\n{text}");
    let one = list(&[&poison], 9);
    assert!(
        one.ends_with("\n1 of 9 letters; --limit shows more\n"),
        "{one}"
    );
    assert_eq!(list(&[], 0), "no letters\n");
}

#[test]
fn a_letter_is_shown_with_what_to_do() {
    let text = format!("{}\n---\n{}", show(&poison()), show(&refused()));
    assert_eq!(text, include_str!("golden/show.txt"), "\n{text}");
}

#[test]
fn json_has_the_same_and_parses() {
    let (poison, refused) = (poison(), refused());
    let parsed = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    let text = list_json(&[&poison, &refused]);
    assert_eq!(
        parsed(&text),
        parsed(include_str!("golden/list.json")),
        "\n{text}"
    );
    let text = show_json(&poison);
    assert_eq!(
        parsed(&text),
        parsed(include_str!("golden/show.json")),
        "\n{text}"
    );
}

#[test]
fn p12_a_letter_shows_of_its_record_what_its_policy_kept() {
    let value = format!("{{\"after\": {{\"name\": \"{SECRET}\"}}}}");
    for &policy in LetterPolicy::ALL {
        let mut letter = poison();
        letter
            .content
            .keep(policy, Some(&[0xff, 0x00]), Some(value.as_bytes()));
        for text in [show(&letter), show_json(&letter)] {
            let full = policy == LetterPolicy::Full;
            assert_eq!(text.contains(SECRET), full, "{policy:?}: {text}");
            let key = policy != LetterPolicy::None;
            assert_eq!(text.contains("ff00"), key, "{policy:?}: {text}");
        }
        for text in [list(&[&letter], 1), list_json(&[&letter])] {
            assert!(!text.contains(SECRET) && !text.contains("ff00"), "{text}");
        }
    }
}
