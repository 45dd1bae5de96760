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
mod edge_cache;
mod fake_api;
mod fake_edge;
mod fault_proxy;
mod freshet;
mod http;
mod http_server;
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
mod server;
mod topics;
mod varnish;

pub use artefacts::{Artefact, fetch_jars};
pub use authority::Authority;
pub use cleaner::keep_folder;
pub use connect::{Connect, ConnectBuilder};
pub use connector::{ConnectorConfig, Format, MariaDbConnector, PgConnector, flattened};
pub use edge_cache::EdgeCache;
pub use fake_api::FakeApi;
pub use fake_edge::{FakeEdge, FakePages};
pub use fault_proxy::{Fault, FaultProxy};
pub use freshet::{Freshet, Left};
pub use http::{Response, get, request};
pub use http_server::{SeenRequest, http_answer, serve_http};
pub use kafka::KafkaBroker;
pub use mariadb::MariaDb;
pub use nginx::Nginx;
pub use port::{PortLease, lease_port};
pub use postgres::Postgres;
pub use preflight::{Missing, preflight, require_programs};
pub use process::{run, server_folder, wait_until};
pub use prometheus::{Prometheus, PrometheusOptions};
pub use purger_contract::{ContractEntry, PurgedCache, batch_of_tags, purger_contract, tag_of};
pub use redis::RedisServer;
pub use redis_cluster::RedisCluster;
pub use redis_sentinel::RedisSentinel;
pub use resp::{Reply, Resp, push_command, read_reply};
pub use schema_registry::SchemaRegistry;
pub use server::Server;
pub use topics::{TopicReader, TopicRecord, TopicWriter};
pub use varnish::{DEFAULT_VCL, Varnish};
