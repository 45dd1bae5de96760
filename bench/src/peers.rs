//! Builds the peers from the sources in `bench/peers` and the public registries, when somebody asks for them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use freshet_testbed::{Artefact, fetch_jars, run};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");
const CONNECT_ARTEFACTS: &str = include_str!("../peers/connect/artefacts.txt");

/// Where what is built is kept; never in the repository.
#[derive(Debug, Clone)]
pub struct PeerFolder(PathBuf);

/// What a JVM needs to run the sink.
#[derive(Debug, Clone)]
pub struct ConnectJars {
    /// Kafka and Connect.
    pub class_path: String,
    /// The sink's folder and the Avro converter's.
    pub plugin_path: String,
}

impl PeerFolder {
    /// `bench-peers` below the target folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn below(target: &Path) -> anyhow::Result<Self> {
        let folder = target.join("bench-peers");
        fs::create_dir_all(&folder)?;
        Ok(Self(folder.canonicalize()?))
    }

    /// The Go peer's program; Go itself knows what is up to date.
    ///
    /// # Errors
    /// When there is no Go or it does not build.
    pub fn go(&self) -> anyhow::Result<PathBuf> {
        let program = self.0.join("peer-go");
        let installed = Path::new("/usr/local/go/bin/go");
        let go = if installed.exists() {
            installed
        } else {
            Path::new("go")
        };
        let mut build = Command::new(go);
        build.current_dir(Path::new(SOURCES).join("go"));
        build
            .args(["build", "-trimpath", "-o"])
            .arg(&program)
            .arg(".");
        run(build).context(
            "the Go peer needs Go 1.21 or later, see https://go.dev/dl; PARTICIPANTS leaves it out",
        )?;
        Ok(program)
    }

    /// The Python of an environment with the peer's packages.
    ///
    /// # Errors
    /// When there is no Python or a package cannot be had.
    pub fn python(&self) -> anyhow::Result<PathBuf> {
        let folder = self.0.join("python");
        let requirements = Path::new(SOURCES).join("python/requirements.txt");
        let wanted = fs::read_to_string(&requirements)?;
        let done = folder.join("installed.txt");
        let python = folder.join("bin/python");
        if fs::read_to_string(&done).is_ok_and(|there| there == wanted) {
            return Ok(python);
        }
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(&folder);
        run(venv)?;
        let mut install = Command::new(&python);
        install
            .args(["-m", "pip", "install", "-q", "-r"])
            .arg(&requirements);
        run(install)?;
        fs::write(done, wanted)?;
        Ok(python)
    }

    /// The Python peer's script.
    pub fn python_script(&self) -> PathBuf {
        Path::new(SOURCES).join("python/consumer.py")
    }

    /// The sink, compiled, with what it needs.
    ///
    /// # Errors
    /// When there is no JDK or an artefact cannot be had.
    pub fn connect(&self) -> anyhow::Result<ConnectJars> {
        let kafka = Artefact::Kafka.fetch()?;
        let artefacts: Vec<(&str, &str, &str)> = CONNECT_ARTEFACTS
            .lines()
            .map(|line| {
                let mut words = line.split_whitespace();
                let mut next = || words.next().context("group, name and version");
                Ok((next()?, next()?, next()?))
            })
            .collect::<anyhow::Result<_>>()?;
        let name: Vec<String> = artefacts
            .iter()
            .map(|(_, name, version)| format!("{name}-{version}"))
            .collect();
        let jars = fetch_jars(&self.0, &name.join("-"), &artefacts)?;
        let plugin = self.0.join("connect-plugin/purge-sink");
        fs::create_dir_all(&plugin)?;
        for jar in fs::read_dir(&jars)? {
            let jar = jar?;
            fs::copy(jar.path(), plugin.join(jar.file_name()))?;
        }
        let classes = tempfile::tempdir()?;
        let mut javac = Command::new("javac");
        javac.arg("-d").arg(classes.path()).arg("-cp");
        javac.arg(format!("{}/*:{}/*", kafka.display(), jars.display()));
        for file in fs::read_dir(Path::new(SOURCES).join("connect/freshet/bench"))? {
            javac.arg(file?.path());
        }
        run(javac)?;
        let mut jar = Command::new("jar");
        jar.arg("cf").arg(plugin.join("purge-sink.jar"));
        jar.arg("-C").arg(classes.path()).arg(".");
        run(jar)?;
        Ok(ConnectJars {
            class_path: format!("{}/*", kafka.display()),
            plugin_path: format!(
                "{},{}",
                self.0.join("connect-plugin").display(),
                Artefact::AvroConverter.fetch()?.display()
            ),
        })
    }
}
