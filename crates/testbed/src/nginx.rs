//! An nginx cache whose entries are purged by their path, with the purge module of FRiCKLE.

use std::fs;
use std::net::TcpStream;

use anyhow::{Result, anyhow};

use crate::port::lease_port;
use crate::preflight::{find_nginx_purge, find_program};
use crate::process::{Launch, server_folder};
use crate::server::{Server, is_a_server};

/// What [`Nginx::start`] writes. `/purge/PATH` purges the page at `/PATH`. Two other forms crash the nginx of Debian 12:
/// taking purges at the page itself, and `$1` in place of a named group.
const CONFIG: &str = r#"
load_module "{{MODULE}}";
daemon off;
master_process off;
worker_processes 1;
pid "{{FOLDER}}/nginx.pid";
error_log "{{FOLDER}}/error.log";
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path "{{FOLDER}}/body";
    proxy_temp_path "{{FOLDER}}/proxy";
    fastcgi_temp_path "{{FOLDER}}/fastcgi";
    uwsgi_temp_path "{{FOLDER}}/uwsgi";
    scgi_temp_path "{{FOLDER}}/scgi";
    proxy_cache_path "{{FOLDER}}/cache" keys_zone=pages:1m;
    proxy_cache_key $uri;
    server {
        listen {{ADDRESS}};
        location / {
            proxy_pass http://{{ORIGIN}};
            proxy_cache pages;
            proxy_cache_valid 200 1h;
            add_header X-Cache $upstream_cache_status;
        }
        location ~ ^/purge(?<page>/.*)$ {
            {{RULES}}
            proxy_cache_purge pages $page;
        }
    }
}
"#;

/// An nginx in front of one origin.
#[derive(Debug)]
pub struct Nginx {
    server: Server,
}

is_a_server!(Nginx);

impl Nginx {
    /// Starts one in front of `origin` (`host:port`). `rules` stand in the location that purges, such as `deny all;`.
    ///
    /// # Errors
    /// When the program or its module is missing, or the cache is not ready in time.
    pub fn start(origin: &str, rules: &str) -> Result<Nginx> {
        let packages = "apt-get install nginx libnginx-mod-http-cache-purge";
        let program = find_program("nginx").ok_or_else(|| anyhow!("no nginx; {packages}"))?;
        let module = find_nginx_purge().ok_or_else(|| anyhow!("no purge module; {packages}"))?;
        let folder = server_folder("nginx")?;
        let port = lease_port()?;
        let file = folder.path().join("nginx.conf");
        let config = CONFIG
            .replace("{{MODULE}}", &module.display().to_string())
            .replace("{{FOLDER}}", &folder.path().display().to_string())
            .replace("{{ADDRESS}}", &port.address())
            .replace("{{ORIGIN}}", origin)
            .replace("{{RULES}}", rules);
        fs::write(&file, config)?;
        let launch = Launch {
            name: "nginx",
            program,
            args: vec!["-c".to_owned(), file.display().to_string()],
            user: None,
            folder: folder.path().to_owned(),
            quits_politely: false,
        };
        let address = port.address();
        let ready = move || Ok(TcpStream::connect(&address).is_ok());
        Ok(Nginx {
            server: Server::start(launch, port, folder, ready)?,
        })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }
}
