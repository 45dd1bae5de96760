//! The literal parts of a name hold only what such names may hold.

use freshet_core::codec;
use freshet_core::template::NameForm;

use crate::decided::bound::Bound;
use crate::decided::template::Piece;
use crate::diagnostics::Diagnostics;

const CODE: &str = "FR0016";

pub(super) fn check(bound: Bound<'_>, found: &mut Diagnostics) {
    for place in &bound.family.places {
        let (fits, allowed): (fn(&str) -> bool, _) = match place.form() {
            NameForm::RedisKey => (
                codec::is_redis_literal,
                "printable ASCII without blanks and without * ? [ ] \\ % ~",
            ),
            NameForm::SurrogateKey => (codec::is_tag_literal, "a-z, 0-9, `.`, `_`, `-`"),
        };
        for template in place.names().iter() {
            for piece in &template.pieces {
                if let Piece::Literal(literal) = piece
                    && !fits(literal)
                {
                    let message = format!("`{literal}` has characters that are not allowed here");
                    let spot = bound.family.spot(&template.text);
                    found.error(CODE, spot, &message, allowed);
                }
            }
        }
    }
}
