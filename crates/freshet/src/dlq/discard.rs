//! `freshet dlq discard`.

use freshet_wire::ResolutionAction;

use crate::dlq::args::DiscardArgs;
use crate::dlq::close::{Closure, chosen, close};
use crate::dlq::{Desk, DlqError};
use crate::exit::Exit;

pub(super) fn discard(args: &DiscardArgs) -> Result<Exit, DlqError> {
    let desk = Desk::open(&args.closing.reach)?;
    let letters = desk.letters(None)?;
    let closures = chosen(&desk, &letters, &args.closing)?
        .into_iter()
        .map(|letter| Closure {
            letter,
            action: Some(ResolutionAction::Discarded),
            families: Vec::new(),
            purges: 0,
            said: "nothing was purged".to_owned(),
        });
    close(&desk, &args.closing, closures.collect(), Vec::new())
}
