//! What was found, beside what it should be.

use std::fmt::Display;

/// One line of the table.
struct Line {
    row: &'static str,
    what: String,
    figure: String,
    target: String,
    verdict: Verdict,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Missed,
    Told,
    Skipped,
}

/// All lines so far.
#[derive(Default)]
pub(crate) struct Report {
    row: &'static str,
    lines: Vec<Line>,
}

impl Report {
    /// What follows belongs to this row.
    pub(crate) fn begin(&mut self, row: &'static str) {
        self.row = row;
        eprintln!("== {row}");
    }

    /// A figure that may be `most` at most.
    pub(crate) fn at_most(&mut self, what: impl Into<String>, figure: f64, most: f64, unit: &str) {
        self.judge(what.into(), figure, format!("≤ {}", number(most)), figure <= most, unit);
    }

    /// A figure that must be `least` at least.
    pub(crate) fn at_least(
        &mut self,
        what: impl Into<String>,
        figure: f64,
        least: f64,
        unit: &str,
    ) {
        self.judge(what.into(), figure, format!("≥ {}", number(least)), figure >= least, unit);
    }

    /// Something that must hold.
    pub(crate) fn must(
        &mut self,
        what: impl Into<String>,
        found: impl Display,
        target: &str,
        good: bool,
    ) {
        let verdict = if good { Verdict::Good } else { Verdict::Missed };
        self.push(what.into(), found.to_string(), target.to_owned(), verdict);
    }

    /// A figure worth knowing, without a target.
    pub(crate) fn tell(&mut self, what: impl Into<String>, figure: impl Display) {
        self.push(what.into(), figure.to_string(), "–".to_owned(), Verdict::Told);
    }

    /// This row cannot be had here.
    pub(crate) fn skip(&mut self, why: impl Display) {
        self.push("skipped".to_owned(), why.to_string(), "–".to_owned(), Verdict::Skipped);
    }

    fn judge(&mut self, what: String, figure: f64, target: String, good: bool, unit: &str) {
        let verdict = if good { Verdict::Good } else { Verdict::Missed };
        self.push(what, format!("{} {unit}", number(figure)), format!("{target} {unit}"), verdict);
    }

    fn push(&mut self, what: String, figure: String, target: String, verdict: Verdict) {
        let mark = mark(verdict);
        eprintln!("   {mark:7} {what}: {figure} (target {target})");
        self.lines.push(Line { row: self.row, what, figure, target, verdict });
    }

    /// Whether any target was missed.
    pub(crate) fn missed(&self) -> bool {
        self.lines.iter().any(|line| line.verdict == Verdict::Missed)
    }

    /// The table as Markdown.
    pub(crate) fn print(&self) {
        println!("| row | what | figure | target | |\n| --- | --- | --- | --- | --- |");
        for Line { row, what, figure, target, verdict } in &self.lines {
            println!("| {row} | {what} | {figure} | {target} | {} |", mark(*verdict));
        }
    }
}

const fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "met",
        Verdict::Missed => "MISSED",
        Verdict::Told => "",
        Verdict::Skipped => "skipped",
    }
}

/// As many digits as say something.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
