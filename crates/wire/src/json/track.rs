//! Envelopes of one topic look alike: the same names in the same order, and many of the same values. A track is what
//! was the same in the records before: literal bytes to be recognised by one comparison each, and between them the
//! values that differ. Where a record leaves the track it is read from its beginning in the general way, so that a
//! track can only be faster, never different; the property tests hold both to the same answers.

mod layout;
mod learn;

use freshet_core::change::Change;

use super::cursor::Cursor;
use crate::column_text;
use crate::draft::Draft;
use crate::facts::{Facts, Part, SourceField};
use crate::row_rules::RowRules;
use layout::{Action, Layout};
use learn::Lesson;

/// Layouts of one topic that alternate: an insert has no before-image, a delete no after-image.
const TRACKS_MAX: usize = 4;
/// A topic of whose records too few fit is read in the general way for a while: a miss takes back several hits.
const MISS_COSTS: u32 = 3;
const MISSES_MAX: u32 = 64 * MISS_COSTS;
const REST_RECORDS: u32 = 4_096;

/// One layout, and the envelope that it was learned from.
#[derive(Debug)]
struct Track {
    lesson: Lesson,
    layout: Layout,
}

/// The layouts of one topic, and whether they are worth trying.
#[derive(Debug, Default)]
pub(crate) struct Tracks {
    /// The one last used comes first.
    known: Vec<Track>,
    /// Records that no track fitted, less those that one did.
    misses: u32,
    /// So many records are read without a look at tracks.
    rest: u32,
}

impl Tracks {
    /// Reads the envelope at `cursor` if a track fits. If none does, `cursor` is where it was, and what `draft`
    /// holds must be forgotten.
    pub(crate) fn read(
        &mut self,
        cursor: &mut Cursor<'_>,
        rules: RowRules<'_>,
        mut draft: Draft<'_>,
        scratch: &mut String,
    ) -> bool {
        if self.rest > 0 {
            self.rest -= 1;
            return false;
        }
        cursor.peek();
        for at in 0..self.known.len() {
            let mut ahead = cursor.clone();
            let track = &self.known[at];
            let fits = track.run(&mut ahead, rules, draft.again(), scratch);
            let facts = &*draft.facts;
            if fits.is_some() && (facts.is_envelope() || facts.skipped().is_some()) {
                *cursor = ahead;
                self.known.swap(0, at);
                self.misses = self.misses.saturating_sub(1);
                return true;
            }
        }
        false
    }

    /// Learns from an envelope that was read in the general way, `cursor` being at its beginning.
    pub(crate) fn learn(&mut self, cursor: &Cursor<'_>, rules: RowRules<'_>) {
        if self.rest > 0 {
            return;
        }
        self.misses += MISS_COSTS;
        if self.misses > MISSES_MAX {
            self.misses = 0;
            self.rest = REST_RECORDS;
            self.known.clear();
            return;
        }
        let Some(mut lesson) = Lesson::of(cursor.clone(), rules) else {
            return;
        };
        let same = self.known.iter().position(|it| lesson.is_like(&it.lesson));
        if let Some(at) = same {
            lesson.keep_what_never_differed(&self.known[at].lesson);
            self.known.remove(at);
        }
        self.known.truncate(TRACKS_MAX - 1);
        let layout = lesson.layout();
        self.known.insert(0, Track { lesson, layout });
    }
}

impl Track {
    fn run(
        &self,
        cursor: &mut Cursor<'_>,
        rules: RowRules<'_>,
        draft: Draft<'_>,
        scratch: &mut String,
    ) -> Option<()> {
        let Draft { change, facts } = draft;
        let mut from = 0;
        *facts = self.layout.facts;
        let outside = cursor.depth();
        begin_images(facts, rules, change);
        for step in &self.layout.steps {
            let to = step.literal_end as usize;
            cursor.take(
                self.layout.literals.get(from..to)?,
                outside + usize::from(step.depth),
            )?;
            from = to;
            match step.action {
                Action::Skip => cursor.pass().ok()?,
                Action::Before(at) => {
                    let value = cursor.scalar(scratch).ok()?;
                    column_text::set(&mut change.before, rules.bound(at)?, value);
                }
                Action::After(at) => {
                    let value = cursor.scalar(scratch).ok()?;
                    column_text::set(&mut change.after, rules.bound(at)?, value);
                }
                Action::Envelope(field) => facts.set(field, cursor.fact(scratch).ok()?),
                Action::Source(SourceField::Sequence) => match cursor.lsns() {
                    Some((commit, event)) => facts.set_lsns(commit, event),
                    None => facts.set_source(SourceField::Sequence, cursor.scalar(scratch).ok()?),
                },
                Action::Source(field) => facts.set_source(field, cursor.fact(scratch).ok()?),
                Action::Transaction(field) => {
                    facts.set_transaction(field, cursor.fact(scratch).ok()?);
                }
            }
        }
        cursor.take(self.layout.literals.get(from..)?, outside)
    }
}

fn begin_images(facts: &Facts, rules: RowRules<'_>, change: &mut Change) {
    for (part, image) in [
        (facts.before, &mut change.before),
        (facts.after, &mut change.after),
    ] {
        match part {
            Part::Read => image.begin(rules.shape.columns.len()),
            _ => image.clear(),
        }
    }
}

#[cfg(test)]
mod tests;
