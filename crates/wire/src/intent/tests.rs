use freshet_core::cause::{Cause, Reason};
use freshet_core::position::WallMicros;
use freshet_core::registry::{PurgeMode, Scope};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn any_text() -> impl Strategy<Value = Arc<str>> {
    any::<String>().prop_map(Arc::from)
}

fn any_name() -> impl Strategy<Value = NamedPurge> {
    let scope = select(vec![Scope::Keys, Scope::Tag, Scope::Family]);
    let mode = select(vec![PurgeMode::Soft, PurgeMode::Hard]);
    let name = prop::collection::vec(any::<u8>(), 0..40);
    (any_text(), any_text(), scope, mode, name).prop_map(|(target, family, scope, mode, name)| {
        NamedPurge {
            target,
            family,
            scope,
            mode,
            name,
        }
    })
}

fn any_intent() -> impl Strategy<Value = Intent> {
    let asked = prop_oneof![
        any_text().prop_map(Asked::Topic),
        prop::collection::vec(any_text(), 0..4).prop_map(Asked::Families),
        any_text().prop_map(Asked::Target),
        prop::collection::vec(any_name(), 0..4).prop_map(Asked::Names),
    ];
    let class = select(CLASSES.to_vec()).prop_map(|(class, _)| class);
    let cause = (any_text(), select(Reason::ALL.to_vec()), any_text());
    (cause, asked, class, 0..i64::MAX as u64).prop_map(
        |((actor, reason, detail), asked, class, since)| Intent {
            cause: Arc::new(Cause {
                actor,
                reason,
                detail,
            }),
            asked,
            class,
            since: WallMicros(since),
        },
    )
}

proptest! {
    #[test]
    fn any_intent_comes_back(intent in any_intent()) {
        prop_assert_eq!(decode_intent(&encode_intent(&intent)), Ok(intent));
    }

    #[test]
    fn damaged_intents_never_panic(
        intent in any_intent(),
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let mut record = encode_intent(&intent);
        let at = at.index(record.len());
        record[at] = byte;
        let _ = decode_intent(&record);
        record.truncate(at);
        prop_assert!(decode_intent(&record).is_err());
    }
}
