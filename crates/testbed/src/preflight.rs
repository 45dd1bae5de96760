//! Which programs the testbed needs, and the Debian package that has each.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// A program or file that was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// What was looked for.
    pub program: &'static str,
    /// The Debian package that has it.
    pub package: &'static str,
}

const PROGRAMS: &[(&str, &str)] = &[
    ("setpriv", "util-linux"),
    ("tar", "tar"),
    ("java", "openjdk-17-jre-headless"),
    ("mvn", "maven"),
    ("redis-server", "redis-server"),
    ("varnishd", "varnish"),
    ("nginx", "nginx"),
    ("mariadbd", "mariadb-server"),
    ("mariadb-install-db", "mariadb-server"),
    ("mariadb", "mariadb-client"),
    ("initdb", "postgresql"),
    ("postgres", "postgresql"),
    ("psql", "postgresql-client"),
    ("prometheus", "prometheus"),
    ("kcat", "kcat"),
    ("python3", "python3-venv"),
];

/// Everything that is missing on this machine, in a fixed order.
pub fn preflight() -> Vec<Missing> {
    let mut missing: Vec<Missing> = PROGRAMS
        .iter()
        .filter(|(program, _)| find_program(program).is_none())
        .map(|&(program, package)| Missing { program, package })
        .collect();
    if !has_xkey() {
        missing.push(Missing {
            program: "libvmod_xkey.so",
            package: "varnish-modules",
        });
    }
    if find_nginx_purge().is_none() {
        missing.push(Missing {
            program: "ngx_http_cache_purge_module.so",
            package: "libnginx-mod-http-cache-purge",
        });
    }
    missing
}

/// Fails with one message that names every missing program and the packages to install.
///
/// # Errors
/// When anything is missing.
pub fn require_programs() -> Result<()> {
    let missing = preflight();
    if missing.is_empty() {
        return Ok(());
    }
    let programs: Vec<&str> = missing.iter().map(|entry| entry.program).collect();
    let mut packages: Vec<&str> = missing.iter().map(|entry| entry.package).collect();
    packages.dedup();
    bail!(
        "missing: {}; apt-get install {}",
        programs.join(", "),
        packages.join(" ")
    )
}

/// The path of a program, looked for in `PATH`, in `sbin`, and where Debian keeps PostgreSQL's.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
    folders.extend(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders.extend(postgres_folders());
    folders
        .into_iter()
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Newest major version first.
fn postgres_folders() -> Vec<PathBuf> {
    let mut versions: Vec<PathBuf> = entries(Path::new("/usr/lib/postgresql"));
    versions.sort();
    versions
        .into_iter()
        .rev()
        .map(|version| version.join("bin"))
        .collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(read) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    read.filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect()
}

/// Where nginx's purge module is.
pub(crate) fn find_nginx_purge() -> Option<PathBuf> {
    let folders = ["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules"];
    let mut files = folders
        .iter()
        .map(|folder| Path::new(folder).join("ngx_http_cache_purge_module.so"));
    files.find(|file| file.is_file())
}

fn has_xkey() -> bool {
    let inside = "varnish/vmods/libvmod_xkey.so";
    let mut roots = vec![PathBuf::from("/usr/lib"), PathBuf::from("/usr/lib64")];
    roots.extend(
        entries(Path::new("/usr/lib"))
            .into_iter()
            .filter(|path| path.is_dir()),
    );
    roots.iter().any(|root| root.join(inside).is_file())
}
