//! One written template → the compiled ones that its constants ask for.

use freshet_core::codec;
use freshet_core::table::ColumnSlot;
use freshet_core::template::{NameForm, Segment, Template};

use crate::decided::bound::Bound;
use crate::decided::template::{Piece, TemplateText};

/// Turns a template into as many as its constants make of it. `slot` has the column of each placeholder.
pub(super) fn expand(
    bound: Bound<'_>,
    template: &TemplateText,
    form: NameForm,
    mut slot: impl FnMut(&str) -> Option<ColumnSlot>,
) -> Vec<Template> {
    let mut expanded: Vec<Vec<Segment>> = vec![Vec::new()];
    for piece in &template.pieces {
        let (name, fold) = match piece {
            Piece::Literal(literal) => {
                push_literal(&mut expanded, literal.as_bytes());
                continue;
            }
            Piece::Placeholder(name, fold) => (name, *fold),
        };
        if let Some(constants) = bound.constants_of(name) {
            let constants = constants.iter().map(|constant| fold.apply(constant));
            expanded = multiply(&expanded, form, &constants.collect::<Vec<_>>());
        } else if let Some(column) = bound.column_of(name)
            && let Some(slot) = slot(&column.written.name)
        {
            for segments in &mut expanded {
                segments.push(Segment::Column(slot, fold));
            }
        }
    }
    let all = expanded.into_iter();
    all.map(|segments| Template { form, segments }).collect()
}

fn push_literal(expanded: &mut [Vec<Segment>], literal: &[u8]) {
    for segments in expanded {
        if let Some(Segment::Literal(last)) = segments.last_mut() {
            *last = [last, literal].concat().into();
        } else {
            segments.push(Segment::Literal(literal.into()));
        }
    }
}

/// Every expansion so far with every constant, which goes through the codec as a row's value would.
fn multiply(expanded: &[Vec<Segment>], form: NameForm, constants: &[String]) -> Vec<Vec<Segment>> {
    let mut all = Vec::with_capacity(expanded.len() * constants.len());
    for segments in expanded {
        for constant in constants {
            let mut rendered = Vec::new();
            match form {
                NameForm::RedisKey => codec::push_redis_value(&mut rendered, constant),
                NameForm::SurrogateKey => codec::push_tag_value(&mut rendered, constant),
            }
            let mut with = vec![segments.clone()];
            push_literal(&mut with, &rendered);
            all.append(&mut with);
        }
    }
    all
}
