//! Records of Freshet's own topics. Others can write to those topics too, and a later build writes newer forms.

use freshet_wire::{
    DeadLetter, DeadLetterResolution, PurgeRequest, ReadPosition, decode_intent, encode_intent,
};

/// Whatever can be read is written in a form that reads as the same.
pub(crate) fn read(input: &[u8]) {
    if let Ok(request) = PurgeRequest::decode(input) {
        assert_eq!(PurgeRequest::decode(&request.encode()), Ok(request));
    }
    if let Ok(letter) = DeadLetter::decode(input) {
        assert_eq!(DeadLetter::decode(&letter.encode()), Ok(letter));
    }
    if let Ok(resolution) = DeadLetterResolution::decode(input) {
        let again = DeadLetterResolution::decode(&resolution.encode());
        assert_eq!(again, Ok(resolution));
    }
    if let Ok(position) = ReadPosition::decode(input) {
        assert_eq!(ReadPosition::decode(&position.encode()), Ok(position));
    }
    if let Ok(intent) = decode_intent(input) {
        assert_eq!(decode_intent(&encode_intent(&intent)), Ok(intent));
    }
}
