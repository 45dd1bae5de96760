//! `freshet dlq list`.

use crate::dlq::args::{ListArgs, OutputForm};
use crate::dlq::{Desk, DlqError, answer, render};
use crate::exit::Exit;

pub(super) fn list(args: &ListArgs) -> Result<Exit, DlqError> {
    let desk = Desk::open(&args.reach)?;
    let letters = desk.letters(None)?;
    let found = letters.matching(&args.filter, args.all, desk.now);
    let shown = found.get(..args.limit).unwrap_or(&found);
    answer(&match args.reach.output {
        OutputForm::Text => render::list(shown, found.len()),
        OutputForm::Json => render::list_json(shown),
    });
    Ok(Exit::Clean)
}
