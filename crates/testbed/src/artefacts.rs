//! Java artefacts and a Python package, fetched once with Maven and pip and kept in the workspace's target folder.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::run;

const KAFKA: &str = "4.3.0";
const DEBEZIUM: &str = "3.6.1.Final";
/// Newer versions of this one connector are not published as a plugin archive.
const DEBEZIUM_MARIADB: &str = "3.5.0.Final";
/// The last line that runs on Java 17.
const APICURIO: &str = "2.6.13.Final";
/// Binds the slf4j 1.7 interface, which is the one Kafka speaks.
const LOG4J: &str = "2.24.3";
const FASTAVRO: &str = "1.12.1";

/// A folder of jars or modules that a server or a test needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Artefact {
    /// Kafka broker and Connect, with their dependencies, flat.
    Kafka,
    /// Debezium's Postgres connector, a Connect plugin path.
    DebeziumPostgres,
    /// Debezium's MySQL connector, a Connect plugin path.
    DebeziumMySql,
    /// Debezium's MariaDB connector, a Connect plugin path.
    DebeziumMariaDb,
    /// The Apicurio registry.
    SchemaRegistry,
    /// Apicurio's Avro converter, a Connect plugin path.
    AvroConverter,
    /// An implementation of Avro that is not ours, a path of Python modules.
    FastAvro,
}

impl Artefact {
    /// Every artefact.
    pub const ALL: [Artefact; 7] = [
        Artefact::Kafka,
        Artefact::DebeziumPostgres,
        Artefact::DebeziumMySql,
        Artefact::DebeziumMariaDb,
        Artefact::SchemaRegistry,
        Artefact::AvroConverter,
        Artefact::FastAvro,
    ];

    /// The folder's name; it has the version, so that a new version is a new download.
    pub fn folder_name(self) -> String {
        match self {
            Artefact::Kafka => format!("kafka-{KAFKA}"),
            Artefact::DebeziumPostgres => format!("debezium-postgres-{DEBEZIUM}"),
            Artefact::DebeziumMySql => format!("debezium-mysql-{DEBEZIUM}"),
            Artefact::DebeziumMariaDb => format!("debezium-mariadb-{DEBEZIUM_MARIADB}"),
            Artefact::SchemaRegistry => format!("apicurio-registry-{APICURIO}"),
            Artefact::AvroConverter => format!("apicurio-converter-{APICURIO}"),
            Artefact::FastAvro => format!("fastavro-{FASTAVRO}"),
        }
    }

    /// The folder with the artefact, downloaded now if it is not there yet.
    ///
    /// Safe to call from several processes at once: one downloads, the others wait for it.
    ///
    /// # Errors
    /// When the folder cannot be written or Maven fails.
    pub fn fetch(self) -> Result<PathBuf> {
        fetch_into(&base_folder(), &self.folder_name(), |scratch, content| {
            self.fill(scratch, content)
        })
    }

    fn fill(self, scratch: &Path, content: &Path) -> Result<()> {
        match self {
            Artefact::Kafka => copy_with_dependencies(
                scratch,
                content,
                &[
                    ("org.apache.kafka", "kafka_2.13", KAFKA),
                    ("org.apache.kafka", "connect-runtime", KAFKA),
                    ("org.apache.kafka", "connect-json", KAFKA),
                    ("org.apache.kafka", "kafka-tools", KAFKA),
                    ("org.apache.logging.log4j", "log4j-slf4j-impl", LOG4J),
                ],
            ),
            Artefact::DebeziumPostgres => unpack_debezium(content, "postgres", DEBEZIUM),
            Artefact::DebeziumMySql => unpack_debezium(content, "mysql", DEBEZIUM),
            Artefact::DebeziumMariaDb => unpack_debezium(content, "mariadb", DEBEZIUM_MARIADB),
            Artefact::SchemaRegistry => unpack(
                content,
                &format!("io.apicurio:apicurio-registry-app:{APICURIO}:tar.gz:all"),
            ),
            Artefact::AvroConverter => {
                let plugin = content.join("apicurio-converter");
                let converter = ("io.apicurio", "apicurio-registry-utils-converter", APICURIO);
                copy_with_dependencies(scratch, &plugin, &[converter])?;
                remove_what_connect_has(&plugin)?;
                write_service_manifest(&plugin)
            }
            Artefact::FastAvro => {
                install_python(scratch, content, &format!("fastavro=={FASTAVRO}"))
            }
        }
    }
}

/// The folder `base/name` with these artefacts (group, name, version) and what they need, downloaded now if it is not
/// there yet. As safe as [`Artefact::fetch`].
///
/// # Errors
/// When the folder cannot be written or Maven fails.
pub fn fetch_jars(base: &Path, name: &str, of: &[(&str, &str, &str)]) -> Result<PathBuf> {
    fetch_into(base, name, |scratch, content| {
        copy_with_dependencies(scratch, content, of)
    })
}

/// `base/name`, filled by `fill` (given a scratch folder and the place for the content) unless it is there.
fn fetch_into(
    base: &Path,
    name: &str,
    fill: impl FnOnce(&Path, &Path) -> Result<()>,
) -> Result<PathBuf> {
    fs::create_dir_all(base).with_context(|| format!("create {}", base.display()))?;
    // Connect's plugin scanner finds nothing under a path with `..` in it, and says nothing.
    let base = base.canonicalize()?;
    let done = base.join(name);
    if done.is_dir() {
        return Ok(done);
    }
    let lock = File::create(base.join(format!("{name}.lock")))?;
    lock.lock()?;
    if done.is_dir() {
        return Ok(done);
    }
    // Filled beside its place and renamed whole: a broken download never counts as done.
    let staging = tempfile::Builder::new()
        .prefix(".staging-")
        .tempdir_in(&base)?;
    let content = staging.path().join("content");
    fs::create_dir(&content)?;
    fill(staging.path(), &content).with_context(|| format!("fetch {name}"))?;
    fs::rename(&content, &done)?;
    Ok(done)
}

/// `target/testbed` of the workspace, or `FRESHET_TESTBED_DIR`.
fn base_folder() -> PathBuf {
    if let Some(folder) = env::var_os("FRESHET_TESTBED_DIR") {
        return PathBuf::from(folder);
    }
    let target = match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
    };
    target.join("testbed")
}

/// A package with what it needs, without touching the machine's Python.
fn install_python(scratch: &Path, into: &Path, package: &str) -> Result<()> {
    let environment = scratch.join("environment");
    let mut python = Command::new("python3");
    python.args(["-m", "venv"]).arg(&environment);
    run(python)?;
    let mut pip = Command::new(environment.join("bin/pip"));
    pip.args(["install", "-q", "--disable-pip-version-check", "--target"]);
    pip.arg(into).arg(package);
    run(pip).map(drop)
}

fn maven() -> Command {
    let mut command = Command::new("mvn");
    command.args(["-q", "-B"]);
    command
}

type Coordinates<'a> = (&'a str, &'a str, &'a str);

fn copy_with_dependencies(scratch: &Path, into: &Path, of: &[Coordinates<'_>]) -> Result<()> {
    let dependencies: String = of
        .iter()
        .map(|(group, name, version)| {
            format!(
                "<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId>\
                 <version>{version}</version></dependency>\n"
            )
        })
        .collect();
    let pom = scratch.join("pom.xml");
    fs::write(
        &pom,
        format!(
            "<project><modelVersion>4.0.0</modelVersion><groupId>freshet</groupId>\
             <artifactId>testbed</artifactId><version>1</version><packaging>pom</packaging>\n\
             <dependencies>\n{dependencies}</dependencies></project>\n"
        ),
    )?;
    let mut command = maven();
    command
        .arg("-f")
        .arg(&pom)
        .arg("dependency:copy-dependencies")
        .arg("-DincludeScope=runtime");
    command.arg(format!("-DoutputDirectory={}", into.display()));
    run(command).map(drop)
}

fn unpack_debezium(content: &Path, database: &str, version: &str) -> Result<()> {
    unpack(
        content,
        &format!("io.debezium:debezium-connector-{database}:{version}:tar.gz:plugin"),
    )
}

fn unpack(content: &Path, artefact: &str) -> Result<()> {
    let archives = tempfile::tempdir()?;
    let mut command = maven();
    command.current_dir(archives.path()).arg("dependency:copy");
    command.arg(format!("-Dartifact={artefact}"));
    command.arg(format!("-DoutputDirectory={}", archives.path().display()));
    run(command)?;
    for entry in fs::read_dir(archives.path())? {
        let archive = entry?.path();
        if archive
            .extension()
            .is_some_and(|extension| extension == "gz")
        {
            let mut tar = Command::new("tar");
            tar.arg("xzf")
                .arg(&archive)
                .arg("-C")
                .arg(content)
                .arg("--no-same-owner");
            run(tar)?;
        }
    }
    Ok(())
}

/// A plugin that brings its own copy of these classes does not match the worker's interfaces.
fn remove_what_connect_has(plugin: &Path) -> Result<()> {
    for entry in fs::read_dir(plugin)? {
        let file = entry?;
        let name = file.file_name().to_string_lossy().into_owned();
        if ["connect-", "kafka-clients", "slf4j"]
            .iter()
            .any(|start| name.starts_with(start))
        {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

/// The converter comes without a service file; with one, Connect need not search every class of
/// every plugin at start, which takes longer than all the rest of its start.
fn write_service_manifest(plugin: &Path) -> Result<()> {
    let mut command = Command::new("java");
    command.arg("-cp").arg(Artefact::Kafka.fetch()?.join("*"));
    command.args(["org.apache.kafka.tools.ConnectPluginPath", "sync-manifests"]);
    command.arg("--plugin-location").arg(plugin);
    run(command).map(drop)
}
