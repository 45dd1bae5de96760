//! What a run came to, for people.

use std::fmt::Write as _;

use crate::figures::Spread;
use crate::limit::Limit;
use crate::paced::at;
use crate::report::{CaseReport, DrainOf, PacedOf};

/// The table of one case.
pub fn of(report: &CaseReport) -> String {
    match report {
        CaseReport::Drain {
            case,
            limit,
            participants,
        } => {
            let events = participants.first().map_or(0, |it| it.events);
            let mut out = format!(
                "\n{case}: {events} events, {} key(s) each, all present before\n",
                case.families
            );
            if let Some(limit) = limit {
                out.push_str(&limit_line(limit));
            }
            out.push_str(&drains(participants, limit.as_ref()));
            out
        }
        CaseReport::Paced {
            case,
            rate,
            participants,
        } => {
            let mut out = format!("\n{case}: {rate} events/s, open loop, milliseconds\n");
            out.push_str(&latencies(participants));
            out
        }
    }
}

fn limit_line(limit: &Limit) -> String {
    let [own, broker, redis] = limit.least_us;
    format!(
        "stages: fetch {:.2} + decode {:.2} + write {:.2}, broker {:.2}, redis {:.2} µs\n\
         limit: {:.0}/s, the lower of {} cores / (own {own:.2} + broker {broker:.2} + redis {redis:.2} µs) = {:.0}/s \
         and redis alone = {:.0}/s\n",
        limit.fetch_us,
        limit.decode_us,
        limit.write_us,
        limit.broker_us,
        limit.redis_us,
        limit.rate(),
        limit.cores,
        limit.by_box(),
        limit.by_redis(),
    )
}

fn drains(participants: &[DrainOf], limit: Option<&Limit>) -> String {
    let mut out = format!(
        "{:<14} {:>10} {:>21} {:>6} {:>6} {:>8} {:>8} {:>8} {:>8} {:>9} {:>7}  {}\n",
        "participant",
        "events/s",
        "(min – max)",
        "limit",
        "of 1st",
        "own µs",
        "redis µs",
        "broker µs",
        "peak MiB",
        "unlinks/k",
        "left",
        "crash"
    );
    let first = participants
        .first()
        .map_or(0.0, |it| it.spread(|round| round.rate).median);
    for it in participants {
        let rate = it.spread(|round| round.rate);
        let share = limit.map_or("-".to_owned(), |limit| percent(rate.median / limit.rate()));
        // Writing into a string cannot fail.
        let _ = writeln!(
            out,
            "{:<14} {:>10.0} {:>21} {:>6} {:>6.2} {:>8.2} {:>8.2} {:>8.2} {:>8.0} {:>9.1} {:>7}  {}{}",
            it.name,
            rate.median,
            format!("({:.0} – {:.0})", rate.min, rate.max),
            share,
            rate.median / first,
            it.spread(|round| round.own_us).median,
            it.spread(|round| round.redis_us).median,
            it.spread(|round| round.broker_us).median,
            it.spread(|round| round.peak_mib).max,
            it.spread(|round| round.unlinks).median * 1000.0,
            it.left(),
            it.safety
                .map_or("-".to_owned(), |safety| safety.to_string()),
            match participants.first() {
                Some(one) if one.events != it.events => format!("  [{} events]", it.events),
                _ => String::new(),
            },
        );
    }
    out
}

/// What an event costs as families, partitions, rows and processes grow, against the first case.
pub fn growth(reports: &[CaseReport]) -> String {
    let mut out = format!(
        "\n{:<28} {:<10} {:>10} {:>8} {:>15} {:>9} {:>9} {:>10}\n",
        "case", "", "events/s", "own µs", "(min – max)", "of first", "peak MiB", "least busy"
    );
    let mut first = None;
    for report in reports {
        let CaseReport::Drain {
            case, participants, ..
        } = report
        else {
            continue;
        };
        for it in participants {
            let own = it.spread(|round| round.own_us);
            let first = *first.get_or_insert(own.median);
            let _ = writeln!(
                out,
                "{:<28} {:<10} {:>10.0} {:>8.2} {:>15} {:>9.2} {:>9.0} {:>10}",
                case.to_string(),
                it.name,
                it.spread(|round| round.rate).median,
                own.median,
                format!("({:.2} – {:.2})", own.min, own.max),
                own.median / first,
                it.spread(|round| round.peak_mib).max,
                percent(it.spread(|round| round.least_share).median),
            );
        }
    }
    out
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn latencies(participants: &[PacedOf]) -> String {
    let mut out = format!(
        "{:<14} {:>20} {:>20} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>6}\n",
        "participant",
        "p50 (min – max)",
        "p99 (min – max)",
        "p99.9",
        "ack p50",
        "ack p99",
        "net p50",
        "net p99",
        "own µs",
        "left"
    );
    let range = |spread: Spread| {
        format!(
            "{:.2} ({:.2} – {:.2})",
            spread.median, spread.min, spread.max
        )
    };
    for it in participants {
        let _ = writeln!(
            out,
            "{:<14} {:>20} {:>20} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>6}",
            it.name,
            range(it.spread(|round| at(&round.total, 0.5))),
            range(it.spread(|round| at(&round.total, 0.99))),
            it.spread(|round| at(&round.total, 0.999)).median,
            it.spread(|round| at(&round.acknowledged, 0.5)).median,
            it.spread(|round| at(&round.acknowledged, 0.99)).median,
            it.spread(|round| at(&round.net, 0.5)).median,
            it.spread(|round| at(&round.net, 0.99)).median,
            it.spread(|round| round.own_us).median,
            it.rounds.iter().map(|round| round.left).max().unwrap_or(0),
        );
    }
    out
}
