use freshet_core::ports::{Demand, RawRecord, Reading, SourceError, SourceEvent};

use super::*;

const SECOND: u64 = 1_000_000;

/// Keeps what was committed, while it takes commits.
#[derive(Default)]
struct Offsets {
    committed: Vec<u64>,
    refuses: bool,
}

impl Source for Offsets {
    fn next(
        &mut self,
        _demand: Demand,
        _record: &mut dyn FnMut(RawRecord<'_>),
    ) -> Result<Vec<SourceEvent>, SourceError> {
        Ok(Vec::new())
    }

    fn commit(
        &mut self,
        settled: &[StreamPosition],
        _wait: Option<Duration>,
    ) -> Result<(), SourceError> {
        if self.refuses {
            return Err(SourceError::Commit("not the coordinator".to_owned()));
        }
        let settled = settled.iter().map(|position| position.ordinal);
        self.committed.extend(settled);
        Ok(())
    }

    fn follow(&mut self, _reading: Reading<'_>) -> Result<(), SourceError> {
        Ok(())
    }
}

fn at(ordinal: u64) -> StreamPosition {
    let stream = StreamId(1);
    StreamPosition { stream, ordinal }
}

#[test]
fn p1_only_the_settled_prefix_is_committed_and_nothing_while_commits_are_held() {
    let (mut commits, mut source) = (Commits::new(Steady(0)), Offsets::default());
    for (ordinal, waits_for) in [(4, 1), (5, 0), (6, 1)] {
        commits.open(at(ordinal), waits_for);
    }
    commits.settle(&[at(6)]);
    let mut commit = |commits: &mut Commits, is_held| {
        let committed = commits.commit(&mut source, is_held, None, Steady(SECOND));
        committed.expect("it takes commits");
        std::mem::take(&mut source.committed)
    };
    assert!(commit(&mut commits, false).is_empty(), "the first is open");
    commits.settle(&[at(4)]);
    assert!(commit(&mut commits, true).is_empty(), "held");
    assert_eq!(commit(&mut commits, false).last(), Some(&6));
    assert_eq!(commits.open_count(), 0);
}

#[test]
fn a_commit_that_is_refused_is_said_since_when_and_repeated() {
    let (mut commits, mut source) = (Commits::new(Steady(0)), Offsets::default());
    source.refuses = true;
    commits.open(at(4), 0);
    let refused = commits.commit(&mut source, false, None, Steady(3 * SECOND));
    let reason = refused.expect_err("it takes none");
    assert!(reason.contains("not the coordinator"), "{reason}");
    let again = commits.commit(&mut source, false, None, Steady(4 * SECOND));
    assert_eq!(again, Ok(()), "said once");
    // Nothing else is read meanwhile.
    let found = commits.blocking(None, Steady(9 * SECOND)).expect("refused");
    assert_eq!((found.position, found.since), (at(4), Steady(3 * SECOND)));
    assert!(matches!(found.waits_for, Some(WaitsFor::Source(_))));
    commits.close(StreamId(1));
    assert_eq!(commits.blocking(None, Steady(9 * SECOND)), None, "gone");
    source.refuses = false;
    commits.open(at(5), 0);
    commits.open(at(6), 1);
    let taken = commits.commit(&mut source, false, None, Steady(10 * SECOND));
    taken.expect("it takes commits");
    assert_eq!(source.committed, [5], "the latest of the stream");
    let found = commits.blocking(None, Steady(11 * SECOND)).expect("open");
    assert_eq!((found.position, found.waits_for), (at(6), None));
}

#[test]
fn a_commit_is_due_after_its_time_and_at_the_end_even_without_news() {
    let (mut commits, mut source) = (Commits::new(Steady(SECOND)), Offsets::default());
    let every = Duration::from_secs(1);
    assert!(!commits.is_due(Steady(2 * SECOND - 1), every));
    assert!(commits.is_due(Steady(2 * SECOND), every));
    let mut commit = |wait| commits.commit(&mut source, false, wait, Steady(2 * SECOND));
    commit(None).expect("there is nothing to refuse");
    source.refuses = true;
    assert!(commits.commit(&mut source, false, None, Steady(2)).is_ok());
    let last = commits.commit(&mut source, false, Some(every), Steady(2));
    assert!(last.is_err(), "the source is asked for what is under way");
}
