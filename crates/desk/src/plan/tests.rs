use std::sync::Mutex;

use freshet_wire::DeadLetter;

use super::*;

/// Topics in memory, of which one may refuse.
#[derive(Default)]
struct Topics {
    appended: Mutex<Vec<OutboxRecord>>,
    refuses: Option<&'static str>,
}

impl Outbox for Topics {
    async fn append(&self, record: OutboxRecord) -> Result<(), OutboxError> {
        if self.refuses == Some(&*record.topic) {
            return Err(OutboxError {
                topic: record.topic,
                reason: "away".to_owned(),
            });
        }
        self.appended.lock().expect("not poisoned").push(record);
        Ok(())
    }
}

/// One letter is closed with a purge, another one stays open.
fn plan() -> Plan {
    let letter = |offset| Letter {
        id: LetterId {
            partition: 2,
            offset,
        },
        record_key: b"shop.public.items".to_vec(),
        content: DeadLetter::default(),
        resolution: None,
    };
    let retried = Closure {
        purges: 1,
        ..Closure::of(&letter(5), Some(ResolutionAction::Retried), String::new())
    };
    let purge = OutboxRecord {
        topic: Arc::from("lane"),
        key: b"edge".to_vec(),
        payload: b"purge".to_vec(),
    };
    let open = Closure::of(&letter(6), None, "why".to_owned());
    Plan::new(vec![retried, open], vec![purge])
}

fn carry_out(
    plan: &Plan,
    refuses: Option<&'static str>,
) -> (Result<(), DeskError>, Vec<OutboxRecord>) {
    let signature = Signature {
        actor: "ada@ops".to_owned(),
        because: "looked into".to_owned(),
        at: WallMicros(7),
    };
    let topics = Topics {
        refuses,
        ..Topics::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    let done = runtime.block_on(plan.carry_out(&signature, &Arc::from("letters"), &topics));
    (done, topics.appended.into_inner().expect("not poisoned"))
}

#[test]
fn purges_come_before_the_audit_trail_and_open_letters_are_not_in_it() {
    let (done, appended) = carry_out(&plan(), None);
    assert_eq!(done, Ok(()));
    let [purge, trail] = appended.as_slice() else {
        panic!("{appended:?}");
    };
    assert_eq!((&*purge.topic, &*trail.topic), ("lane", "letters"));
    assert_eq!(trail.key, b"shop.public.items", "its letter's partition");
    let resolution = DeadLetterResolution::decode(&trail.payload).expect("a resolution");
    assert_eq!(
        (resolution.letter_partition, resolution.letter_offset),
        (2, 5)
    );
    assert_eq!(
        (resolution.action, resolution.purges),
        (ResolutionAction::Retried, 1)
    );
    assert_eq!(
        (&*resolution.actor, &*resolution.because),
        ("ada@ops", "looked into")
    );
    assert_eq!(resolution.at, WallMicros(7));
}

#[test]
fn no_letter_is_closed_whose_purges_are_not_stored() {
    let (done, appended) = carry_out(&plan(), Some("lane"));
    assert!(matches!(done, Err(DeskError::Purges(_))), "{done:?}");
    assert_eq!(appended, []);
    let (done, appended) = carry_out(&plan(), Some("letters"));
    assert!(matches!(done, Err(DeskError::Trail(_))), "{done:?}");
    assert_eq!(appended.len(), 1, "what was purged stays so");
}

#[test]
fn a_plan_that_closes_nothing_and_purges_nothing_is_empty() {
    let Plan { closures, purges } = plan();
    let (closed, open) = closures.split_at(1);
    let is_empty = |closures: &[Closure], purges: &[OutboxRecord]| {
        Plan::new(closures.to_vec(), purges.to_vec()).is_empty()
    };
    assert!(is_empty(open, &[]));
    assert!(!is_empty(closed, &[]));
    assert!(!is_empty(open, &purges));
}
