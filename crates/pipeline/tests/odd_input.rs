//! Odd input of real databases and connectors (`schemas/cases/odd-input`): each registry is compiled, each record goes
//! through the pipeline, and what was purged for it is compared with what is wanted.

#[path = "odd_input/case.rs"]
mod case;
#[path = "odd_input/pipe.rs"]
mod pipe;
mod support;

use case::{Answer, Case, Entry};
use freshet_registry::load;
use pipe::Pipe;

/// Cases that are answered wrongly so far. Whoever corrects one removes it here.
const NOT_YET: &[&str] = &[];

/// What is wrong about the case's answer; none when it is what is wanted.
fn fault_of(case: &Case) -> Option<String> {
    let loaded = load(&case.folder.join("registry"));
    let loaded = match (loaded, &case.refused) {
        (Ok(_), Some(code)) => return Some(format!("the registry is accepted, wanted: {code}")),
        (Err(found), Some(code)) => {
            let named = found.iter().any(|it| it.code == code);
            return (!named).then(|| format!("wanted {code}, found:\n{}", found.render()));
        }
        (Err(found), None) => return Some(format!("refused:\n{}", found.render())),
        (Ok(loaded), None) => loaded,
    };
    let mut pipe = Pipe::new(loaded.registry);
    let mut wanted = case.answers.iter();
    let mut faults = Vec::new();
    for (at, entry) in case.entries.iter().enumerate() {
        let Entry::Record(record) = entry else {
            pipe.restart();
            continue;
        };
        let answer = pipe.answer(record);
        let choices = wanted.next().expect("an answer for each record");
        if !choices.iter().any(|choice| choice.fits(&answer)) {
            faults.push(format!("entry {at}: {answer:?}, wanted one of {choices:?}"));
        }
    }
    assert_eq!(
        wanted.next(),
        None,
        "{}: an answer without a record",
        case.name
    );
    pipe.stop();
    (!faults.is_empty()).then(|| faults.join("\n"))
}

#[test]
fn p15_odd_input_is_answered_as_wanted() {
    let cases = case::all();
    assert!(cases.len() >= 17, "only {} cases", cases.len());
    let mut faults = Vec::new();
    for case in &cases {
        match (fault_of(case), NOT_YET.contains(&&*case.name)) {
            (None, false) | (Some(_), true) => {}
            (Some(fault), false) => faults.push(format!("{}:\n{fault}", case.name)),
            (None, true) => faults.push(format!("{}: is right by now, remove it", case.name)),
        }
    }
    for name in NOT_YET {
        assert!(
            cases.iter().any(|case| case.name == *name),
            "no case {name}"
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn an_answer_that_is_not_wanted_is_noticed() {
    let mut case = case::all()
        .into_iter()
        .find(|it| it.name.starts_with("01"))
        .expect("case 01");
    case.answers[0] = vec![Answer::default()];
    assert!(fault_of(&case).is_some());
}
