//! The figures as text and as JSON.

use crate::harness::Measured;
use crate::table::Side;
use std::fmt::Write;

pub fn text(m: &Measured) -> String {
    let mut out = format!(
        "\n{} {}  [{}, {} rounds]\n",
        m.row, m.title, m.unit, m.rounds
    );
    let sampled = "       min     median  × best peer";
    let head = match (m.rounds, m.figures.iter().any(|f| f.allocs.is_some())) {
        (0, _) => "allocations each".into(),
        (_, true) => format!("{sampled}  allocations"),
        (_, false) => sampled.to_owned(),
    };
    let _ = writeln!(out, "  {:<44} {head}", "");
    for f in &m.figures {
        let mark = match f.side {
            Side::Ours => "*",
            Side::Peer => " ",
            Side::Bare => "=",
        };
        let _ = write!(out, "{mark} {:<44}", f.name);
        if m.rounds > 0 {
            let ratio = f.ratio.map_or(String::new(), |r| format!("{r:.2}"));
            let _ = write!(out, " {:>10.2} {:>10.2} {ratio:>12}", f.min, f.median);
        }
        if let Some(allocs) = f.allocs {
            let width = if m.rounds > 0 { 12 } else { 16 };
            let _ = write!(out, " {allocs:>width$.3}");
        }
        out.push('\n');
    }
    for v in &m.verdicts {
        let word = if v.met { "met" } else { "MISSED" };
        let _ = writeln!(out, "  -> {:<66} {:>9}  {word}", v.goal, v.found);
    }
    out
}

pub fn summary(all: &[Measured]) -> String {
    let verdicts = || {
        all.iter()
            .flat_map(|m| m.verdicts.iter().map(move |v| (m, v)))
    };
    let total = verdicts().count();
    if total == 0 {
        return String::new();
    }
    let mut out = format!(
        "\n{} of {total} targets met\n",
        verdicts().filter(|(_, v)| v.met).count()
    );
    for (m, v) in verdicts().filter(|(_, v)| !v.met) {
        let _ = writeln!(
            out,
            "  missed: {} {}: {}, found {}",
            m.row, m.title, v.goal, v.found
        );
    }
    out
}

pub fn json(all: &[Measured]) -> String {
    let tables = all.iter().map(|m| {
        let cases = m.figures.iter().map(|f| {
            let ours = f.side == Side::Ours;
            format!(
                "{{\"name\":{},\"ours\":{ours},\"min\":{},\"median\":{},\"ratio\":{},\"allocs\":{}}}",
                quoted(f.name),
                number(Some(f.min)),
                number(Some(f.median)),
                number(f.ratio),
                number(f.allocs)
            )
        });
        let goals = m.verdicts.iter().map(|v| {
            format!(
                "{{\"goal\":{},\"found\":{},\"met\":{}}}",
                quoted(&v.goal),
                quoted(&v.found),
                v.met
            )
        });
        format!(
            "{{\"row\":{},\"title\":{},\"unit\":{},\"rounds\":{},\"cases\":[{}],\"goals\":[{}]}}",
            quoted(m.row),
            quoted(&m.title),
            quoted(m.unit),
            m.rounds,
            join(cases),
            join(goals)
        )
    });
    format!("[{}]\n", join(tables))
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}

/// Titles and names are ours: no control characters.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// JSON has no NaN and no infinity.
fn number(value: Option<f64>) -> String {
    match value {
        Some(v) if v.is_finite() => format!("{v:.3}"),
        _ => "null".into(),
    }
}
