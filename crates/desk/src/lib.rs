//! What an operator may do, without a screen. The command line calls it, and so can a server: it takes values and gives
//! values, and knows the ports only.
//!
//! Dead letters: [`Letters`] are read and filtered; [`discard()`] and [`Retry`] make a [`Plan`] of what is to be done about
//! some of them; [`Plan::carry_out`] does it. A dry run is a plan that is not carried out.

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
