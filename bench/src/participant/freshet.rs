//! Freshet, with its defaults.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use freshet_testbed::lease_port;

use super::task::{Task, end_with_us};
use crate::case::Form;
use crate::registry;

/// Writes config and registry, and says how to start it and where it tells its metrics. Several processes are told apart
/// by their numbers.
pub(super) fn command(
    program: &Path,
    task: Task<'_>,
    number: usize,
) -> anyhow::Result<(Command, String)> {
    ensure!(
        program.exists(),
        "{} is not there: build it with cargo build --release",
        program.display()
    );
    let folder = task.bed.folder(task.run)?;
    let topic = &task.load.topic;
    registry::write(
        &folder.join("registry"),
        &topic.name,
        task.families,
        task.load.idle,
    )?;
    let (run, admin) = (task.run, lease_port()?.address());
    // Its own topics are named after the run, so that no run finds what an earlier one left.
    let mut config = format!(
        "registry: registry\nkafka: {{ brokers: \"{}\", group: {run} }}\n\
         targets: {{ main: {{ redis: {{ url: \"redis://{}\" }} }} }}\n\
         outbox: {{ topic_prefix: {run}.purges., backlog_prefix: {run}.backlog., \
         dead_letters: {run}.dead-letters, positions: {run}.positions }}\n\
         admin: {{ listen: \"{}\" }}\nlog: {{ level: warn }}\n",
        task.bed.kafka.bootstrap(),
        task.redis,
        admin,
    );
    if topic.form == Form::Avro {
        let url = task.bed.schemas()?.0.ccompat_url();
        config.push_str(&format!("schema_registry: {{ url: \"{url}\" }}\n"));
    }
    let file = folder.join(format!("freshet{number}.yaml"));
    fs::write(&file, config)?;
    let mut command = Command::new("setpriv");
    end_with_us(&mut command).arg(program);
    command.args(["run", "--config"]).arg(file);
    Ok((command, format!("http://{admin}/metrics")))
}
