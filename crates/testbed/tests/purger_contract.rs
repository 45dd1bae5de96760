//! The purger contract itself: a sound cache in memory passes, and every flaw is found and named.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Result;
use freshet_core::ports::Purger;
use freshet_core::purge::{PurgeBatch, PurgeOutcome, PurgeReport};
use freshet_core::registry::Scope;
use freshet_core::shape::NameShape;
use freshet_testbed::{ContractEntry, PurgedCache, purger_contract};

/// What is wrong with a cache, and a part of what the contract has to say to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    SplitsNamesAtBlanks,
    TakesNamesForPatterns,
    SkipsAChunk,
    ForgetsAChunk,
    SaysNothingOfNothing,
    TakesFamiliesByPart,
    TakesFamiliesByPrefix,
    IgnoresFamilies,
    ReportsFamiliesFirst,
    IsDoneWhenAway,
    SaysWhyWithNames,
    GivesNoReason,
    StaysAway,
}

#[derive(Default)]
struct Server {
    names: BTreeSet<Vec<u8>>,
    away: bool,
    was_away: bool,
}

/// A Redis of one's own.
struct MemoryCache {
    server: Mutex<Server>,
    flaw: Flaw,
}

impl MemoryCache {
    fn with(flaw: Flaw) -> Self {
        let server = Mutex::default();
        Self { server, flaw }
    }

    fn remove(&self, server: &mut Server, scope: Scope, name: &[u8]) -> usize {
        let before = server.names.len();
        let shape = NameShape::new(name);
        let starts = |held: &[u8], name: &[u8]| held.starts_with(name);
        let parts = |held: &[u8], name: &[u8]| held.windows(name.len()).any(|it| it == name);
        match (scope, self.flaw) {
            (Scope::Family, Flaw::IgnoresFamilies) => {}
            (Scope::Family, Flaw::TakesFamiliesByPart) => {
                server.names.retain(|held| !parts(held, shape.prefix()));
            }
            (Scope::Family, Flaw::TakesFamiliesByPrefix) => {
                server.names.retain(|held| !starts(held, shape.prefix()));
            }
            (Scope::Family, _) => server.names.retain(|held| !shape.matches(held)),
            (_, Flaw::SplitsNamesAtBlanks) => {
                for part in name.split(|byte| *byte == b' ') {
                    server.names.remove(part);
                }
            }
            (_, Flaw::TakesNamesForPatterns) if name.ends_with(b"*") => {
                server
                    .names
                    .retain(|held| !starts(held, &name[..name.len() - 1]));
            }
            _ => {
                server.names.remove(name);
            }
        }
        before - server.names.len()
    }

    fn unreachable(&self, batch: &PurgeBatch) -> PurgeReport {
        let name = batch.get(0).map_or(&b""[..], |(_, name)| name);
        let reason = match self.flaw {
            Flaw::SaysWhyWithNames => Some(format!("no {}", String::from_utf8_lossy(name))),
            Flaw::GivesNoReason => None,
            _ => Some("connection refused".to_owned()),
        };
        let outcome = match self.flaw {
            Flaw::IsDoneWhenAway => PurgeOutcome::Purged,
            _ => PurgeOutcome::Unreachable,
        };
        PurgeReport {
            reason,
            ..PurgeReport::all(outcome, batch.len())
        }
    }
}

impl Purger for MemoryCache {
    async fn purge(&self, batch: &PurgeBatch) -> PurgeReport {
        let mut server = self.server.lock().expect("unpoisoned");
        if server.away || (server.was_away && self.flaw == Flaw::StaysAway) {
            return self.unreachable(batch);
        }
        let mut report = PurgeReport::all(PurgeOutcome::Forgotten, 0);
        let mut of_families = 0;
        for (at, (purge, name)) in batch.iter().enumerate() {
            let in_second_chunk = (256..512).contains(&at);
            let outcome = match self.flaw {
                Flaw::SkipsAChunk if in_second_chunk => PurgeOutcome::Purged,
                Flaw::ForgetsAChunk if in_second_chunk => PurgeOutcome::Forgotten,
                _ => match self.remove(&mut server, purge.scope, name) {
                    0 => PurgeOutcome::NothingCached,
                    removed => {
                        report.removed += removed as u64;
                        PurgeOutcome::Purged
                    }
                },
            };
            let settled = outcome == PurgeOutcome::NothingCached;
            match (self.flaw, purge.scope) {
                (Flaw::SaysNothingOfNothing, _) if settled => {}
                (Flaw::ReportsFamiliesFirst, Scope::Family) => {
                    report.outcomes.insert(of_families, outcome);
                    of_families += 1;
                }
                _ => report.outcomes.push(outcome),
            }
        }
        report
    }

    async fn ping(&self) -> Result<(), String> {
        match self.server.lock().expect("unpoisoned").away {
            true => Err("connection refused".to_owned()),
            false => Ok(()),
        }
    }
}

impl PurgedCache for MemoryCache {
    type Purger = Self;

    fn purger(&self) -> &Self {
        self
    }

    fn exact(&self) -> Scope {
        Scope::Keys
    }

    fn name(&self, entry: &ContractEntry) -> Vec<u8> {
        format!("{}:{}", entry.family, entry.value).into_bytes()
    }

    fn family_name(&self, family: &str) -> Vec<u8> {
        format!("{family}:*").into_bytes()
    }

    fn beneath(&self, entry: &ContractEntry) -> Option<ContractEntry> {
        Some(ContractEntry {
            family: format!("{}:{}", entry.family, entry.value),
            value: "reviews".to_owned(),
        })
    }

    fn store(&mut self, entries: &[ContractEntry]) -> Result<()> {
        let names: Vec<_> = entries.iter().map(|entry| self.name(entry)).collect();
        self.server.lock().expect("unpoisoned").names.extend(names);
        Ok(())
    }

    fn held(&mut self, entries: &[ContractEntry]) -> Result<Vec<ContractEntry>> {
        let server = self.server.lock().expect("unpoisoned");
        let held = |entry: &&ContractEntry| server.names.contains(&self.name(entry));
        Ok(entries.iter().filter(held).cloned().collect())
    }

    fn stop(&mut self) -> Result<()> {
        let mut server = self.server.lock().expect("unpoisoned");
        *server = Server {
            away: true,
            was_away: true,
            ..Server::default()
        };
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.server.lock().expect("unpoisoned").away = false;
        Ok(())
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(20)
    }
}

#[tokio::test]
async fn a_sound_cache_in_memory_passes() -> Result<()> {
    purger_contract(&mut MemoryCache::with(Flaw::None)).await
}

#[tokio::test]
async fn every_flaw_is_found_and_named() {
    for (flaw, said) in [
        (Flaw::SplitsNamesAtBlanks, "exact names go"),
        (Flaw::TakesNamesForPatterns, "exact names go"),
        (Flaw::SkipsAChunk, "thousands of names"),
        (Flaw::ForgetsAChunk, "thousands of names"),
        (Flaw::SaysNothingOfNothing, "purged again"),
        (Flaw::TakesFamiliesByPart, "family scope"),
        (Flaw::TakesFamiliesByPrefix, "family scope"),
        (Flaw::IgnoresFamilies, "family scope"),
        (Flaw::ReportsFamiliesFirst, "in the batch's order"),
        (Flaw::IsDoneWhenAway, "away, and yet"),
        (Flaw::SaysWhyWithNames, "the reason names"),
        (Flaw::GivesNoReason, "no reason"),
        (Flaw::StaysAway, "not healed"),
    ] {
        let found = purger_contract(&mut MemoryCache::with(flaw)).await;
        let told = format!("{:?}", found.expect_err(&format!("{flaw:?} is not found")));
        assert!(told.contains(said), "{flaw:?}: {told}");
    }
}
