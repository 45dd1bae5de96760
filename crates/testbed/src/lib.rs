//! Real servers as child processes, for tests, benchmarks and the demo stack.
//!
//! Every server runs on free ports in a temporary folder, is waited for by a condition with a
//! deadline, and is killed when its value is dropped or when this process ends for any reason.
//! With `FRESHET_TESTBED_KEEP` set, the folders with logs and data stay. Java artefacts are kept in
//! `target/testbed`, or in `FRESHET_TESTBED_DIR`.
//!
//! Calls block; use them from a plain thread or from `spawn_blocking`.

mod artefacts;
mod authority;
mod cleaner;
mod connect;
mod connector;
mod fake_api;
mod fake_edge;
mod fault_proxy;
mod http;
mod kafka;
mod mariadb;
mod nginx;
mod port;
mod postgres;
mod preflight;
mod process;
mod prometheus;
mod purger_contract;
mod redis;
mod redis_cluster;
mod redis_sentinel;
mod resp;
mod schema_registry;
mod topics;
mod varnish;

pub use artefacts::{Artefact, fetch_jars};
pub use authority::Authority;
pub use cleaner::keep_folder;
pub use connect::{Connect, ConnectBuilder};
pub use connector::{ConnectorConfig, Format, MariaDbConnector, PgConnector, flattened};
pub use fake_api::{FakeApi, SeenRequest, http_answer};
pub use fake_edge::{FakeEdge, FakePages, tag_of};
pub use fault_proxy::{Fault, FaultProxy};
pub use http::{Response, get, request};
pub use kafka::KafkaBroker;
pub use mariadb::MariaDb;
pub use nginx::Nginx;
pub use port::{PortLease, lease_port};
pub use postgres::Postgres;
pub use preflight::{Missing, preflight, require_programs};
pub use process::{server_folder, wait_until};
pub use prometheus::{Prometheus, PrometheusOptions};
pub use purger_contract::{ContractEntry, PurgedCache, purger_contract};
pub use redis::RedisServer;
pub use redis_cluster::RedisCluster;
pub use redis_sentinel::RedisSentinel;
pub use resp::{Reply, Resp, push_command, read_reply};
pub use schema_registry::SchemaRegistry;
pub use topics::{TopicReader, TopicRecord, TopicWriter};
pub use varnish::{DEFAULT_VCL, Varnish};
