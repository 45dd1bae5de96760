//! Connect in standalone mode with the sink of `bench/peers/connect`.

use std::fs;
use std::process::Command;

use freshet_testbed::lease_port;

use super::task::{Task, end_with_us};
use crate::case::Form;
use crate::peers::ConnectJars;

/// Tasks beyond the cores only add switches.
const TASKS_MAX: i32 = 2;

/// The group that Connect gives a sink.
pub(super) fn group(run: &str) -> String {
    format!("connect-{run}")
}

/// Writes the properties, and says how to start it.
pub(super) fn command(jars: &ConnectJars, task: Task<'_>) -> anyhow::Result<Command> {
    let folder = task.bed.folder(task.run)?;
    let worker = folder.join("worker.properties");
    fs::write(
        &worker,
        format!(
            "bootstrap.servers={}\nlisteners=HTTP://{}\noffset.storage.file.filename={}\n\
             plugin.path={}\nplugin.discovery=hybrid_warn\noffset.flush.interval.ms=1000\n\
             key.converter=org.apache.kafka.connect.converters.ByteArrayConverter\n\
             consumer.max.poll.records=4000\nconsumer.max.partition.fetch.bytes=4194304\n\
             consumer.fetch.max.wait.ms=100\nconsumer.session.timeout.ms=10000\nconsumer.auto.offset.reset=earliest\n{}",
            task.bed.kafka.bootstrap(),
            lease_port()?.address(),
            folder.join("offsets").display(),
            jars.plugin_path,
            converter(task)?,
        ),
    )?;
    let sink = folder.join("sink.properties");
    fs::write(
        &sink,
        format!(
            "name={}\nconnector.class=freshet.bench.PurgeSinkConnector\ntopics={}\ntasks.max={}\n\
             purge.redis={}\npurge.families={}\n",
            task.run,
            task.load.topic.name,
            task.load.topic.partitions.min(TASKS_MAX),
            task.redis,
            task.families.join(","),
        ),
    )?;
    let log4j = folder.join("log4j2.properties");
    fs::write(
        &log4j,
        "appender.out.type=Console\nappender.out.name=out\nappender.out.layout.type=PatternLayout\n\
         appender.out.layout.pattern=%d{HH:mm:ss.SSS} %-5p %c{1} %m%n\nrootLogger.level=warn\n\
         rootLogger.appenderRef.out.ref=out\n",
    )?;
    let mut command = Command::new("setpriv");
    end_with_us(&mut command).arg("java");
    command.args(["-server", "-Xms1g", "-Xmx1g", "-XX:+UseParallelGC"]);
    command.arg(format!("-Dlog4j2.configurationFile={}", log4j.display()));
    command.args(["-cp", &jars.class_path]);
    command.arg("org.apache.kafka.connect.cli.ConnectStandalone");
    command.arg(worker).arg(sink);
    Ok(command)
}

fn converter(task: Task<'_>) -> anyhow::Result<String> {
    let json = "value.converter=org.apache.kafka.connect.json.JsonConverter\nvalue.converter.schemas.enable=";
    Ok(match task.load.topic.form {
        Form::Json => format!("{json}false\n"),
        Form::JsonSchema => format!("{json}true\n"),
        Form::Avro => format!(
            "value.converter=io.apicurio.registry.utils.converter.AvroConverter\n\
             value.converter.apicurio.registry.url={}\nvalue.converter.apicurio.registry.as-confluent=true\n\
             value.converter.apicurio.registry.use-id=contentId\n\
             value.converter.apicurio.registry.headers.enabled=false\n",
            task.bed.schemas()?.0.apicurio_url()
        ),
    })
}
