//! An Apicurio schema registry that keeps everything in memory.

use anyhow::Result;

use crate::artefacts::Artefact;
use crate::http::get;
use crate::kafka::{JVM_ARGS, jvm_folder};
use crate::port::lease_port;
use crate::process::{Launch, server_folder};
use crate::server::{Server, is_a_server};

/// A schema registry that speaks Confluent's interface.
#[derive(Debug)]
pub struct SchemaRegistry {
    server: Server,
}

is_a_server!(SchemaRegistry);

impl SchemaRegistry {
    /// Starts one.
    ///
    /// # Errors
    /// When the artefact cannot be fetched or the registry is not ready in time.
    pub fn start() -> Result<SchemaRegistry> {
        let app = Artefact::SchemaRegistry.fetch()?;
        let folder = server_folder("registry")?;
        let port = lease_port()?;
        let mut args: Vec<String> = JVM_ARGS.map(str::to_owned).to_vec();
        args.extend(jvm_folder(folder.path()));
        args.push("-Xmx512m".to_owned());
        args.push("-Dquarkus.http.host=127.0.0.1".to_owned());
        args.push(format!("-Dquarkus.http.port={}", port.port()));
        args.push("-cp".to_owned());
        args.push(format!(
            "{app}/lib/*:{app}/apicurio-registry-app-2.6.13.Final-runner.jar",
            app = app.display()
        ));
        args.push("io.quarkus.runner.GeneratedMain".to_owned());
        let launch = Launch {
            name: "schema registry",
            program: "java".into(),
            args,
            user: None,
            folder: folder.path().to_owned(),
            quits_politely: false,
        };
        let subjects = format!("http://{}/apis/ccompat/v7/subjects", port.address());
        let ready = move || Ok(answers(&subjects));
        Ok(SchemaRegistry {
            server: Server::start(launch, port, folder, ready)?,
        })
    }

    /// The root of Confluent's interface: append `/schemas/ids/1`, `/subjects`.
    pub fn ccompat_url(&self) -> String {
        format!("http://{}/apis/ccompat/v7", self.address())
    }

    /// The root of Apicurio's own interface, which its converter wants.
    pub fn apicurio_url(&self) -> String {
        format!("http://{}/apis/registry/v2", self.address())
    }
}

fn answers(url: &str) -> bool {
    get(url).is_ok_and(|answer| answer.status == 200)
}
