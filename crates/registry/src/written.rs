//! What the files say, as they say it. Values that rules speak of keep their place.

pub(crate) mod family;
pub(crate) mod limits;
pub mod source;
