//! `freshet dlq show`.

use crate::dlq::args::{OutputForm, ShowArgs};
use crate::dlq::{Desk, DlqError, answer, render};
use crate::exit::Exit;

pub(super) fn show(args: &ShowArgs) -> Result<Exit, DlqError> {
    let desk = Desk::open(&args.reach)?;
    let letters = desk.letters(Some(args.id))?;
    let letter = letters
        .get(args.id)
        .ok_or(DlqError::NoSuchLetter(args.id))?;
    answer(&match args.reach.output {
        OutputForm::Text => render::show(letter),
        OutputForm::Json => render::show_json(letter),
    });
    Ok(Exit::Clean)
}
