//! The shop's origin as a program: rows in Postgres, entries in Redis, pages over HTTP.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use freshet_shop::{CacheAside, PostgresRows, Rules, origin};
use tokio::net::TcpListener;

/// Serves the shop's pages until it is killed. Put Varnish in front of it.
#[derive(Debug, Parser)]
#[command(name = "shop", version)]
struct Cli {
    /// Where the rows are; schema.sql makes the tables
    #[arg(long, default_value = "postgres://shop:shop@127.0.0.1:5432/shop")]
    postgres: String,
    /// Where the entries are
    #[arg(long, default_value = "redis://127.0.0.1:6379")]
    redis: String,
    /// The registry that Freshet reads
    #[arg(long, default_value = "examples/shop/registry")]
    registry: PathBuf,
    /// Where to listen; port 0 is any free one
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let rules = Rules::load(&cli.registry)?;
    let rows = Arc::new(PostgresRows::connect(&cli.postgres).await?);
    let redis = redis::Client::open(cli.redis)?
        .get_multiplexed_async_connection()
        .await
        .context("redis")?;
    let listener = TcpListener::bind(&cli.listen).await?;
    eprintln!("the shop is at http://{}", listener.local_addr()?);
    let readers = Arc::new(CacheAside::new(redis, rows, rules));
    Ok(axum::serve(listener, origin::router(readers)).await?)
}
