//! A template folds what its column's collation ignores: readers who ask for one row would fill more than one entry.

use crate::decided::bound::Bound;
use crate::decided::template::Piece;
use crate::diagnostics::Diagnostics;

const CODE: &str = "FR0045";

pub(super) fn check(bound: Bound<'_>, found: &mut Diagnostics) {
    for template in bound.templates() {
        for piece in &template.pieces {
            let Piece::Placeholder(placeholder, fold) = piece else {
                continue;
            };
            let Some(column) = bound.column_of(placeholder) else {
                continue;
            };
            let ignored = column.ignored;
            let what = match (ignored.lower && !fold.lower, ignored.trim && !fold.trim) {
                (false, false) => continue,
                (true, false) => "case",
                (false, true) => "trailing blanks",
                (true, true) => "case and trailing blanks",
            };
            let message = format!(
                "column `{}` ignores {what} in comparisons: readers that spell a value differently find the same row but fill different entries",
                column.written.name
            );
            let folds = [(ignored.lower, "|lower"), (ignored.trim, "|trim")];
            let folds = folds.iter().filter(|(needed, _)| *needed);
            let folds: String = folds.map(|(_, fold)| *fold).collect();
            let help = format!(
                "write `{{{placeholder}{folds}}}`, and fold the value in the same way wherever the name is built"
            );
            found.warning(CODE, bound.family.spot(&template.text), &message, &help);
        }
    }
}
