//! Letters and what became of them as text and as JSON.

use freshet_core::position::WallMicros;
use freshet_core::setting::Setting;
use freshet_desk::{Closure, DeskError, Letter, Signature, advice_about};
use freshet_wire::{DeadLetterResolution, RowBytes};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The columns of a list, each as wide as its widest cell.
pub(super) fn list(letters: &[&Letter], found: usize) -> String {
    let mut rows = vec![["ID", "AT", "STATE", "REASON", "RECORD", "FAMILIES"].map(str::to_owned)];
    rows.extend(letters.iter().map(|letter| row(letter)));
    let mut text = String::new();
    if !letters.is_empty() {
        for row in &rows {
            let cells = row.iter().enumerate().map(|(at, cell)| {
                let width = rows.iter().map(|row| row.get(at).map_or(0, String::len));
                format!("{cell:width$}", width = width.max().unwrap_or(0))
            });
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
    }
    text.push_str(&match (letters.len(), found) {
        (_, 0) => "no letters".to_owned(),
        (1, 1) => "1 letter".to_owned(),
        (shown, all) if shown == all => format!("{all} letters"),
        (shown, all) => format!("{shown} of {all} letters; --limit shows more"),
    });
    text.push('\n');
    text
}

fn row(letter: &Letter) -> [String; 6] {
    let content = &letter.content;
    [
        letter.id.to_string(),
        moment(content.at, false).unwrap_or_else(unknown),
        letter.state().to_owned(),
        plain(&content.reason),
        record_of(letter).unwrap_or_else(|| "-".to_owned()),
        plain(&content.families.join(", ")),
    ]
}

pub(super) fn list_json(letters: &[&Letter]) -> String {
    pretty(&letters.iter().map(|letter| value_of(letter)).collect())
}

/// Everything that is known of one letter.
pub(super) fn show(letter: &Letter) -> String {
    let content = &letter.content;
    let record = record_of(letter).unwrap_or_else(|| "none: a purge was refused".to_owned());
    let attempts = match content.attempts {
        1 => "1 attempt".to_owned(),
        many => format!("{many} attempts"),
    };
    let at = |at| moment(at, false).unwrap_or_else(unknown);
    let cut = if content.cut { ", cut at 64 KiB" } else { "" };
    let state = letter.resolution.as_ref();
    let mut lines = vec![
        ("letter", letter.id.to_string()),
        ("state", state.map_or_else(|| "open".to_owned(), resolution)),
        ("record", record),
        ("stored", at(content.appended)),
        ("size", format!("{} bytes", content.value_bytes)),
        ("reason", plain(&content.reason)),
        ("detail", plain(&content.detail)),
        ("families", plain(&content.families.join(", "))),
        ("written", format!("{} after {attempts}", at(content.at))),
        ("policy", format!("{}{cut}", content.policy.word())),
    ];
    let kept = [("key", &content.key), ("value", &content.value)];
    for (name, bytes) in kept {
        lines.extend(bytes.as_ref().map(|bytes| (name, bytes_as_text(bytes))));
    }
    let mut text = String::new();
    for (name, line) in lines {
        text.push_str(&format!("{name:<10} {line}\n"));
    }
    text.push_str(&format!("\n{}\n", advice_about(&content.reason)));
    text
}

pub(super) fn show_json(letter: &Letter) -> String {
    let content = &letter.content;
    let mut value = value_of(letter);
    for (name, bytes) in [("key", &content.key), ("value", &content.value)] {
        value[name] = bytes.as_ref().map_or(Value::Null, bytes_as_json);
    }
    value["cut"] = Value::Bool(content.cut);
    value["advice"] = Value::from(advice_about(&content.reason));
    pretty(&value)
}

/// What was done, by whom, when and why.
pub(super) fn resolution(resolution: &DeadLetterResolution) -> String {
    format!(
        "{} by {} at {}: {}",
        resolution.action.name(),
        plain(&resolution.actor),
        moment(resolution.at, false).unwrap_or_else(unknown),
        plain(&resolution.because)
    )
}

/// Why a command did nothing, with what to do.
pub(super) fn fault(error: &DeskError) -> String {
    match error {
        DeskError::NoTopic(_) => {
            format!("{error}: `freshet run` creates it; check outbox.dead_letters in the config")
        }
        DeskError::NoSuchLetter(_) => {
            format!("{error}; `freshet dlq list --all` lists all letters")
        }
        DeskError::Closed {
            resolution: how, ..
        } => format!("{error}: {}", resolution(how)),
        DeskError::Scan(_) | DeskError::Purges(_) | DeskError::Trail(_) => error.to_string(),
    }
}

/// What was done about letters, or would be.
#[derive(Debug)]
pub(super) struct Account<'a> {
    pub(super) closures: &'a [Closure],
    pub(super) signature: &'a Signature,
    pub(super) dry_run: bool,
    /// What to do about a letter that stays open.
    pub(super) hint: &'a str,
}

impl Account<'_> {
    /// One line for each letter, as it stands in the audit trail.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for closure in self.closures {
            text.push_str(&format!("{} {}\n", closure.letter, self.outcome(closure)));
        }
        let closed = self.closures.iter().filter(|it| it.action.is_some());
        let closed = closed.count();
        let open = self.closures.len() - closed;
        let because = plain(&self.signature.because);
        let actor = &self.signature.actor;
        text.push_str(&match (self.closures.is_empty(), self.dry_run) {
            (true, _) => "no open letter matches; nothing was done\n".to_owned(),
            (_, true) => format!("dry run: {closed} would be closed, {open} would stay open\n"),
            _ if closed == 0 => format!("{open} still open\n"),
            _ => format!("{closed} closed by {actor}, {open} still open: {because}\n"),
        });
        text
    }

    fn outcome(&self, closure: &Closure) -> String {
        let said = plain(&self.said(closure));
        let Some(action) = closure.action else {
            return format!("stays open: {said}");
        };
        let mut text = action.name().to_owned();
        if closure.purges > 0 {
            let families = plain(&closure.families.join(", "));
            let noun = if closure.purges == 1 {
                "purge"
            } else {
                "purges"
            };
            text.push_str(&format!(", {} {noun} for {families}", closure.purges));
        }
        if !said.is_empty() {
            text.push_str(&format!(": {said}"));
        }
        text
    }

    fn said(&self, closure: &Closure) -> String {
        match closure.action {
            Some(_) => closure.said.clone(),
            None => format!("{}; {}", closure.said, self.hint),
        }
    }

    pub(super) fn json(&self) -> String {
        let closures = self.closures.iter().map(|closure| {
            json!({
                "id": closure.letter.to_string(),
                "action": closure.action.map(|action| action.name()),
                "families": closure.families,
                "purges": closure.purges,
                "detail": self.said(closure),
            })
        });
        pretty(&json!({
            "actor": self.signature.actor,
            "because": self.signature.because,
            "dry_run": self.dry_run,
            "letters": closures.collect::<Vec<_>>(),
        }))
    }
}

fn value_of(letter: &Letter) -> Value {
    let content = &letter.content;
    let record = letter.has_record().then(|| {
        json!({
            "topic": content.topic,
            "partition": content.partition,
            "offset": content.offset,
            "value_bytes": content.value_bytes,
            "appended": moment(content.appended, true),
        })
    });
    let resolution = letter.resolution.as_ref().map(|it| {
        json!({
            "action": it.action.name(),
            "actor": it.actor,
            "because": it.because,
            "families": it.families,
            "purges": it.purges,
            "at": moment(it.at, true),
        })
    });
    json!({
        "id": letter.id.to_string(),
        "state": letter.state(),
        "at": moment(content.at, true),
        "reason": content.reason,
        "detail": content.detail,
        "record": record,
        "families": content.families,
        "attempts": content.attempts,
        "policy": content.policy.word(),
        "resolution": resolution,
    })
}

fn record_of(letter: &Letter) -> Option<String> {
    let content = &letter.content;
    let origin = freshet_core::ports::Origin {
        topic: &content.topic,
        partition: content.partition,
        offset: content.offset,
    };
    letter.has_record().then(|| plain(&origin.to_string()))
}

/// A time in UTC. None for zero, which says that it is not known.
fn moment(at: WallMicros, exact: bool) -> Option<String> {
    let step = if exact { 1 } else { 1_000_000 };
    let nanos = i128::from(at.0 / step * step) * 1000;
    let moment = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?;
    moment.format(&Rfc3339).ok().filter(|_| at.0 != 0)
}

fn unknown() -> String {
    "not known".to_owned()
}

/// Without anything that a terminal would act on: texts come from brokers and targets.
fn plain(text: &str) -> String {
    let shown = text.chars().map(|it| {
        if it.is_control() {
            it.escape_default().to_string()
        } else {
            it.to_string()
        }
    });
    shown.collect()
}

fn bytes_as_text(bytes: &RowBytes) -> String {
    match std::str::from_utf8(&bytes.0) {
        Ok(text) => plain(text),
        Err(_) => format!("0x{}", hex(bytes)),
    }
}

fn bytes_as_json(bytes: &RowBytes) -> Value {
    match std::str::from_utf8(&bytes.0) {
        Ok(text) => json!({ "text": text }),
        Err(_) => json!({ "hex": hex(bytes) }),
    }
}

fn hex(bytes: &RowBytes) -> String {
    bytes.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

#[cfg(test)]
mod tests;
