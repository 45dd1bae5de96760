//! Operator commands without a user interface. The command line calls them; a server can too. Input and output are
//! values; the only dependencies are ports.
//!
//! Dead letters: [`Letters`] are read and filtered; [`discard()`] and [`Retry`] make a [`Plan`] for
//! some of them; [`Plan::carry_out`] executes it. A dry run is a plan that is not executed.

mod advice;
mod discard;
mod fault;
mod letter;
mod letters;
mod plan;
mod redo;
mod retry;

pub use advice::advice_about;
pub use discard::discard;
pub use fault::DeskError;
pub use letter::{Letter, LetterId, LetterIdError};
pub use letters::{Filter, Letters, Which};
pub use plan::{Closure, Plan, Signature};
pub use retry::Retry;
