//! A provider that no crate knows: what the seam asks of one is all in this file.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use freshet_cdn::{
    Answer, Bounds, Budgets, Call, Chunk, HttpPurger, Provider, Reading, Reason, SecretHeader,
    Terms, Unsendable,
};
use freshet_core::purge::PurgeOutcome;
use freshet_core::secret::Secret;
use freshet_testbed::{FakeEdge, FakePages, SeenRequest, http_answer, purger_contract};
use http::{Method, StatusCode};

/// An API that takes one tag a call, in its path, and a key.
#[derive(Debug)]
struct Parcel {
    url: String,
    key: SecretHeader,
}

impl Provider for Parcel {
    fn name(&self) -> &'static str {
        "parcel"
    }

    fn terms(&self) -> Terms {
        let bounds = Bounds {
            names_max: 1,
            bytes_max: 1_024,
        };
        Terms {
            chunks_in_flight: 8,
            ..Terms::new(bounds, Duration::from_secs(10)).hiding(Some(&self.key))
        }
    }

    fn calls(&self, chunk: &Chunk<'_>) -> Result<Vec<Call<'_>>, Unsendable> {
        let url = format!("{}/tags/{}", self.url, chunk.names.join(""));
        Ok(vec![
            Call::new("parcel", Method::DELETE, url).with_secret(Some(&self.key)),
        ])
    }

    fn read(&self, chunk: &Chunk<'_>, answer: &Answer<'_>) -> Reading {
        match (answer.status, answer.body) {
            (StatusCode::OK, Ok(b"0")) => Reading::all(chunk, PurgeOutcome::NothingCached),
            (StatusCode::OK, Ok(_)) => Reading::all(chunk, PurgeOutcome::Purged),
            (status, _) => {
                let reason = Reason::new(format!("answered {status}"));
                Reading::failed(chunk, answer.outcome(), reason)
            }
        }
    }

    fn pings(&self) -> Vec<Call<'_>> {
        let url = format!("{}/account", self.url);
        vec![Call::new("parcel", Method::GET, url).with_secret(Some(&self.key))]
    }

    fn read_ping(&self, answer: &Answer<'_>) -> Result<(), Reason> {
        match answer.status {
            StatusCode::OK => Ok(()),
            status => Err(Reason::new(format!("answered {status}"))),
        }
    }
}

fn parcel(seen: &SeenRequest, pages: &mut FakePages) -> String {
    if seen.header("x-key") != Some("open sesame") {
        return http_answer("401 Unauthorized", "", "");
    }
    let path = seen.line.split(' ').nth(1).unwrap_or_default();
    match path.strip_prefix("/tags/") {
        Some(tag) => http_answer("200 OK", "", &pages.purge(&[tag]).to_string()),
        None => http_answer("200 OK", "", "{}"),
    }
}

#[tokio::test]
async fn a_provider_of_a_test_file_alone_passes_the_contract() -> Result<()> {
    let key = SecretHeader::new("X-Key", &Secret::from("open sesame"))?;
    let mut edge = FakeEdge::start(parcel, |url| {
        let url = url.to_owned();
        Ok(HttpPurger::new(
            Arc::new(Parcel { url, key }),
            &Budgets::default(),
        )?)
    })?;
    purger_contract(&mut edge).await
}

/// A provider that needs more decides too much, or does something.
#[test]
fn each_provider_is_one_small_file() -> Result<()> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/provider");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let lines = std::fs::read_to_string(&path)?.lines().count();
        assert!(lines <= 250, "{}: {lines} lines", path.display());
        seen += 1;
    }
    assert!(seen >= 4, "{seen} providers");
    Ok(())
}
