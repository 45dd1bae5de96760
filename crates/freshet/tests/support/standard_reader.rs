//! `schemas/read.py` with `fastavro`, given records as kcat frames them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use freshet_testbed::Artefact;
use serde_json::Value;

/// What the reader makes of `records`, each as one JSON object.
pub(crate) fn read(records: &[Vec<u8>]) -> Vec<Value> {
    let modules = Artefact::FastAvro.fetch().expect("fastavro from PyPI");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/read.py");
    let mut reader = Command::new("python3")
        .arg(script)
        .env("PYTHONPATH", modules)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let mut framed = Vec::new();
    for record in records {
        framed.extend((record.len() as i32).to_be_bytes());
        framed.extend(record);
    }
    let mut input = reader.stdin.take().expect("piped");
    // Written by a thread of its own: the reader answers before it has read all.
    let writer = std::thread::spawn(move || input.write_all(&framed));
    let output = reader.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("all is read");
    assert!(output.status.success(), "the reader gives up, see above");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}
