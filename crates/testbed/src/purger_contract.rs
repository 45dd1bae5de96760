//! What every [`Purger`] owes, whatever cache is behind it: real adapters and fakes pass the same cases.
//!
//! A case is a statement; the error of one that does not hold begins with it. Names are the business of the
//! cache under test, so that each gets what its families would render.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use freshet_core::codec;
use freshet_core::ports::Purger;
use freshet_core::position::WallMicros;
use freshet_core::purge::{PurgeBatch, PurgeOutcome, PurgeReport, WantedPurge};
use freshet_core::registry::{FamilyId, PurgeMode, Scope, TargetId};

/// Names in the largest batch.
const MANY: usize = 3_000;

/// Values that are hard to name: separators, globs, escapes, other scripts, long ones.
const ODD_VALUES: [&str; 14] = [
    "a b",
    "line\nbreak",
    "cr\r\nlf",
    "a*",
    "a?",
    "[a]",
    "a\\",
    "a,b",
    "größe",
    "日本語",
    "A",
    "100%",
    "\"quoted\"",
    "",
];

/// Values that a sloppy reading of [`ODD_VALUES`] would take as well.
const BESIDE: [&str; 10] = [
    "a", "b", "ab", "abc", "line", "break", "größ", "日本", "100", "quoted",
];

/// One entry of a cache: of which family, and what tells it from the others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContractEntry {
    /// The family, a plain word.
    pub family: String,
    /// Any text at all.
    pub value: String,
}

impl ContractEntry {
    fn new(family: &str, value: impl Into<String>) -> Self {
        Self {
            family: family.to_owned(),
            value: value.into(),
        }
    }
}

/// The tag of one entry, as families make it.
pub fn tag_of(entry: &ContractEntry) -> String {
    let mut tag = format!("{}-", entry.family).into_bytes();
    codec::push_tag_value(&mut tag, &entry.value);
    codec::shorten_tag(&mut tag, 0);
    String::from_utf8_lossy(&tag).into_owned()
}

/// A cache, real or made up, and the purger that is to be judged by it.
pub trait PurgedCache {
    /// The purger's type.
    type Purger: Purger;

    /// The purger.
    fn purger(&self) -> &Self::Purger;

    /// How wide a purge of one name is; that of a tag, unless the cache says otherwise.
    fn exact(&self) -> Scope {
        Scope::Tag
    }

    /// The name of one entry; its tag, unless the cache says otherwise.
    fn name(&self, entry: &ContractEntry) -> Vec<u8> {
        tag_of(entry).into_bytes()
    }

    /// The name that takes all of a family; its tag, unless the cache says otherwise.
    fn family_name(&self, family: &str) -> Vec<u8> {
        family.as_bytes().to_vec()
    }

    /// An entry of another family that has the whole name of `entry` in its own and begins with it; none where names
    /// do not contain one another.
    fn beneath(&self, _entry: &ContractEntry) -> Option<ContractEntry> {
        None
    }

    /// Puts entries in.
    ///
    /// # Errors
    /// When the cache does not take them.
    fn store(&mut self, entries: &[ContractEntry]) -> Result<()>;

    /// Which of `entries` are still there, asked without the purger and without putting any in.
    ///
    /// # Errors
    /// When the cache does not answer.
    fn held(&mut self, entries: &[ContractEntry]) -> Result<Vec<ContractEntry>>;

    /// Takes the server away. What it holds may be lost.
    ///
    /// # Errors
    /// When that does not work.
    fn stop(&mut self) -> Result<()>;

    /// Brings it back at the same address.
    ///
    /// # Errors
    /// When it is not ready in time.
    fn restart(&mut self) -> Result<()>;

    /// A server that is back is used again within this.
    fn patience(&self) -> Duration {
        Duration::from_secs(20)
    }
}

/// A batch of tags.
pub fn batch_of_tags(tags: &[(&str, PurgeMode)]) -> PurgeBatch {
    let mut batch = PurgeBatch::new(TargetId(0));
    for &(tag, mode) in tags {
        batch.add(WantedPurge {
            family: FamilyId(0),
            scope: Scope::Tag,
            mode,
            committed: WallMicros(1),
            name: tag.as_bytes(),
            cause: None,
        });
    }
    batch
}

/// Holds a purger to the contract.
///
/// # Errors
/// The first statement that does not hold, and how.
pub async fn purger_contract<C: PurgedCache>(cache: &mut C) -> Result<()> {
    let said = |statement: &'static str| move || format!("broken: {statement}");
    exact_names(cache).await.with_context(said(
        "exact names go, however odd, and all others stay; purging again is as good",
    ))?;
    empty_batch(cache)
        .await
        .with_context(said("an empty batch is an empty report"))?;
    duplicates(cache)
        .await
        .with_context(said("a name asked for twice is purged and reported"))?;
    many_names(cache).await.with_context(said(
        "thousands of names in one batch all go, and nothing else",
    ))?;
    family_scope(cache)
        .await
        .with_context(said("a family scope takes its whole family only"))?;
    mixed_scopes(cache).await.with_context(said(
        "scopes may be mixed, and outcomes stand in the batch's order",
    ))?;
    away_and_back(cache).await.with_context(said(
        "a server away is unreachable, never done; back, it is used again",
    ))
}

async fn exact_names<C: PurgedCache>(cache: &mut C) -> Result<()> {
    let long = "x".repeat(1_000);
    let mut odd = entries("odd", ODD_VALUES);
    odd.push(ContractEntry::new("odd", long.as_str()));
    let mut beside = entries("odd", BESIDE);
    beside.push(ContractEntry::new("odd", format!("{long}y")));
    beside.extend(entries("odder", ODD_VALUES));
    fill(cache, &[&odd, &beside])?;
    let batch = exact_batch(cache, &odd);
    let report = settled(cache, &batch).await?;
    ensure!(
        report
            .outcomes
            .iter()
            .all(|it| *it != PurgeOutcome::NothingCached),
        "what was there is reported as not there: {report:?}"
    );
    gone_and_kept(cache, &odd, &beside)?;
    settled(cache, &batch).await.context("purged again")?;
    gone_and_kept(cache, &odd, &beside)
}

async fn empty_batch<C: PurgedCache>(cache: &mut C) -> Result<()> {
    let kept = entries("empty", ["a"]);
    fill(cache, &[&kept])?;
    let report = settled(cache, &PurgeBatch::new(TargetId(0))).await?;
    ensure!(
        report.removed == 0 && report.reason.is_none(),
        "something was done: {report:?}"
    );
    gone_and_kept(cache, &[], &kept)
}

async fn duplicates<C: PurgedCache>(cache: &mut C) -> Result<()> {
    let (gone, kept) = (entries("twice", ["a", "b"]), entries("twice", ["c"]));
    fill(cache, &[&gone, &kept])?;
    let mut batch = exact_batch(cache, &[gone.clone(), gone.clone()].concat());
    // The same name in another scope is another purge of the same thing.
    add(&mut batch, Scope::Family, &cache.name(&gone[0]));
    ensure!(batch.len() == 3, "the batch merges: {}", batch.len());
    settled(cache, &batch).await?;
    gone_and_kept(cache, &gone, &kept)
}

async fn many_names<C: PurgedCache>(cache: &mut C) -> Result<()> {
    let asked = entries("many", (0..MANY).map(|at| format!("{at:05}")));
    // Some of each request, with neighbours; the rest was never there, and that settles too.
    let gone: Vec<_> = asked.iter().step_by(20).cloned().collect();
    let kept = entries("many", (MANY..MANY + 50).map(|at| format!("{at:05}")));
    fill(cache, &[&gone, &kept])?;
    let batch = exact_batch(cache, &asked);
    settled(cache, &batch).await?;
    gone_and_kept(cache, &gone, &kept)
}

async fn family_scope<C: PurgedCache>(cache: &mut C) -> Result<()> {
    let gone = entries("leaf", (0..40).map(|at| format!("leaf.{at}")));
    // Its name stands in theirs, before and behind.
    let mut kept = entries("leafy", ["a", "leaf", "leaf.1"]);
    kept.extend(entries("cloverleaf", ["a", "leaf", "leaf.1"]));
    // P13: a family may have its entries beneath those of another one.
    kept.extend(gone.iter().filter_map(|entry| cache.beneath(entry)));
    fill(cache, &[&gone, &kept])?;
    let mut batch = PurgeBatch::new(TargetId(0));
    add(&mut batch, Scope::Family, &cache.family_name("leaf"));
    add(&mut batch, Scope::Family, &cache.family_name("nobody"));
    let report = settled(cache, &batch).await?;
    ensure!(report.outcome(0) != PurgeOutcome::NothingCached);
    gone_and_kept(cache, &gone, &kept)?;
    settled(cache, &batch).await.context("purged again")?;
    gone_and_kept(cache, &gone, &kept)
}

async fn mixed_scopes<C: PurgedCache>(cache: &mut C) -> Result<()> {
    let (family, exact) = (entries("all", ["a", "b"]), entries("some", ["a", "b"]));
    let kept = entries("some", ["c"]);
    fill(cache, &[&family, &exact, &kept])?;
    let mut batch = PurgeBatch::new(TargetId(0));
    let never = ContractEntry::new("some", "never");
    add(&mut batch, cache.exact(), &cache.name(&exact[0]));
    add(&mut batch, Scope::Family, &cache.family_name("nobody"));
    add(&mut batch, cache.exact(), &cache.name(&never));
    add(&mut batch, Scope::Family, &cache.family_name("all"));
    add(&mut batch, cache.exact(), &cache.name(&exact[1]));
    let report = settled(cache, &batch).await?;
    for at in [0, 3, 4] {
        ensure!(
            report.outcome(at) != PurgeOutcome::NothingCached,
            "what was there is reported as not there at {at}: {report:?}"
        );
    }
    gone_and_kept(cache, &[family, exact].concat(), &kept)
}

async fn away_and_back<C: PurgedCache>(cache: &mut C) -> Result<()> {
    let asked = entries("away", ["hidden-name", "other-name"]);
    let mut batch = exact_batch(cache, &asked);
    add(&mut batch, Scope::Family, &cache.family_name("away"));
    settled(cache, &batch).await.context("while it is there")?;
    cache.stop()?;
    // The first time on a connection that broke, the second time without one.
    for _ in 0..2 {
        let report = cache.purger().purge(&batch).await;
        complete(&batch, &report)?;
        ensure!(
            report
                .outcomes
                .iter()
                .all(|it| *it == PurgeOutcome::Unreachable),
            "away, and yet {report:?}"
        );
        let reason = report.reason.unwrap_or_default();
        ensure!(!reason.is_empty(), "no reason is given");
        names_nothing(&batch, &reason)?;
    }
    let told = cache.purger().ping().await;
    ensure!(told.is_err(), "away, and yet the ping is answered");
    cache.restart()?;
    fill(cache, &[&asked])?;
    let deadline = Instant::now() + cache.patience();
    loop {
        let report = cache.purger().purge(&batch).await;
        complete(&batch, &report)?;
        if report.is_settled() {
            break;
        }
        ensure!(Instant::now() < deadline, "not healed: {report:?}");
    }
    gone_and_kept(cache, &asked, &[])?;
    let told = cache.purger().ping().await;
    ensure!(told.is_ok(), "back, and yet the ping says {told:?}");
    Ok(())
}

/// Purges, and holds the report to what goes for every batch that a healthy cache is given.
async fn settled<C: PurgedCache>(cache: &C, batch: &PurgeBatch) -> Result<PurgeReport> {
    let report = cache.purger().purge(batch).await;
    complete(batch, &report)?;
    ensure!(
        report.is_settled(),
        "not settled: {:?}, {:?}",
        report
            .outcomes
            .iter()
            .find(|it| !PurgeReport::all(**it, 1).is_settled()),
        report.reason
    );
    Ok(report)
}

fn complete(batch: &PurgeBatch, report: &PurgeReport) -> Result<()> {
    let (asked, told) = (batch.len(), report.outcomes.len());
    ensure!(asked == told, "{told} outcomes for {asked} purges");
    Ok(())
}

fn names_nothing(batch: &PurgeBatch, reason: &str) -> Result<()> {
    for (_, name) in batch.iter() {
        let name = String::from_utf8_lossy(name);
        ensure!(
            !reason.contains(name.as_ref()),
            "the reason names {name}: {reason}"
        );
    }
    Ok(())
}

fn fill<C: PurgedCache>(cache: &mut C, groups: &[&[ContractEntry]]) -> Result<()> {
    let wanted = groups.concat();
    cache.store(&wanted)?;
    let held = cache.held(&wanted)?;
    ensure!(
        held == wanted,
        "the cache took {} of {} entries: the test itself is wrong",
        held.len(),
        wanted.len()
    );
    Ok(())
}

fn gone_and_kept<C: PurgedCache>(
    cache: &mut C,
    gone: &[ContractEntry],
    kept: &[ContractEntry],
) -> Result<()> {
    let held = cache.held(&[gone, kept].concat())?;
    let left: Vec<_> = gone.iter().filter(|it| held.contains(it)).collect();
    ensure!(left.is_empty(), "still there: {left:?}");
    let lost: Vec<_> = kept.iter().filter(|it| !held.contains(it)).collect();
    ensure!(lost.is_empty(), "gone with them: {lost:?}");
    Ok(())
}

fn entries<T: Into<String>>(
    family: &str,
    values: impl IntoIterator<Item = T>,
) -> Vec<ContractEntry> {
    values
        .into_iter()
        .map(|value| ContractEntry::new(family, value))
        .collect()
}

fn exact_batch<C: PurgedCache>(cache: &C, entries: &[ContractEntry]) -> PurgeBatch {
    let mut batch = PurgeBatch::new(TargetId(0));
    for entry in entries {
        add(&mut batch, cache.exact(), &cache.name(entry));
    }
    batch
}

fn add(batch: &mut PurgeBatch, scope: Scope, name: &[u8]) {
    batch.add(WantedPurge {
        family: FamilyId(0),
        scope,
        mode: PurgeMode::Hard,
        committed: WallMicros(1),
        name,
        cause: None,
    });
}
