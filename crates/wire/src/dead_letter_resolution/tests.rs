use super::*;
use crate::{DeadLetter, RecordError};

#[test]
fn a_resolution_comes_back_and_is_no_letter() {
    for action in ResolutionAction::ALL {
        let resolution = DeadLetterResolution {
            letter_partition: 3,
            letter_offset: 1 << 40,
            action,
            because: "the connector was set right".to_owned(),
            actor: "ada@ops-1".to_owned(),
            families: vec!["catalog.item".to_owned()],
            purges: 12,
            at: WallMicros(1_795_406_543_404_140),
        };
        let record = resolution.encode();
        assert_eq!(DeadLetterResolution::decode(&record), Ok(resolution));
        let letter = DeadLetter::decode(&record);
        assert!(matches!(letter, Err(RecordError::UnknownSchema { .. })));
        for at in 0..record.len() {
            assert!(DeadLetterResolution::decode(&record[..at]).is_err());
        }
    }
}
