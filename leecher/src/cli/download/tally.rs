//! What a download has done so far, and what is said of it at the end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use sealift_command::escape::escape_os;
use sealift_command::event::{Event, SeederBytes};
use sealift_command::exit::{Exit, Failure};
use sealift_command::human;
use sealift_command::meter::rate;
use sealift_command::people::speaker::Speaker;
use sealift_command::people::ways;
use sealift_content::fetch::schedule::Outcome;
use sealift_content::landing::Landing;
use sealift_content::landing::sink::Sink;
use sealift_transport::path::{self, Way};

use super::Job;
use super::stale::Stale;
use crate::cli::words::fetch::explain;
use crate::reach::Names;

/// What has been done in spaces that are finished.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) there: u64,
    pub(super) written: u64,
    /// Verified bytes by the name of the seeder that sent them.
    pub(super) shares: Vec<(String, u64)>,
    /// The same by the way they took.
    pub(super) ways: Vec<(Way, u64)>,
    pub(super) failures: Vec<(String, Failure)>,
    /// The folder that the files are in, escaped; `None` where they went on.
    pub(super) place: Option<String>,
    /// Where the last one is.
    pub(super) last: Option<PathBuf>,
}

/// How much was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) files: usize,
    /// Empty folders.
    pub(super) folders: usize,
}

impl Tally {
    /// Bytes that are there, with what is coming now. What had come of content that nobody gives any more is no part of it.
    pub(super) const fn have(&self, coming: u64) -> u64 {
        self.bytes.saturating_add(coming)
    }

    /// Adds up how `jobs` ended; those that are no longer what was stated come back.
    pub(super) fn add(
        &mut self,
        speaker: &Speaker,
        jobs: Vec<Job>,
        ends: Vec<Outcome>,
        (landing, names): (&Landing, &Names),
    ) -> Vec<Stale> {
        let mut stale = Vec::new();
        for (number, (job, end)) in jobs.into_iter().zip(ends).enumerate() {
            match end {
                Outcome::Stale(error) => {
                    let (label, chosen, path) = (job.wanted.label, job.chosen, job.target.path);
                    let failure = explain(&error, &label, names);
                    stale.push(Stale { label, chosen, path, failure });
                }
                Outcome::Failed(error) => {
                    let failure = explain(&error, &job.wanted.label, names);
                    self.failures.push((job.wanted.label, failure));
                }
                Outcome::Done => {
                    self.files += 1;
                    self.bytes = self.bytes.saturating_add(job.size);
                    self.there += u64::from(tell_landed(speaker, &job, landing, number));
                    self.last = landing.landed(number).map(|(path, _)| path);
                }
            }
        }
        self.written += landing.written();
        stale
    }

    /// States what was verified, and what is missing and why.
    pub(super) fn report(
        mut self,
        speaker: &Speaker,
        what: &str,
        all: Asked,
        elapsed: Duration,
    ) -> Result<(), Failure> {
        if self.files > 0 {
            self.tell_verified(speaker, what, all.files, elapsed);
        }
        match self.failures.len() {
            0 => Ok(()),
            1 if all.files + all.folders == 1 => Err(self.failures.remove(0).1),
            _ => Err(summary(speaker, all, &self.failures)),
        }
    }

    fn tell_verified(&self, speaker: &Speaker, what: &str, all: usize, elapsed: Duration) {
        let speed = rate(self.written, elapsed);
        let name = self.name(what, all);
        let how = if self.there == self.files {
            "already there".to_owned()
        } else {
            format!("{}{}{}", human::speed(speed), ways::behind_speed(&self.ways), self.origins())
        };
        let share =
            |(seeder, bytes): &(String, u64)| SeederBytes { seeder: seeder.clone(), bytes: *bytes };
        speaker.console.result(
            format!("verified {name}, {}, {how}", human::size(self.bytes)),
            &Event::Verified {
                files: self.files,
                bytes: self.bytes,
                already_there: self.there,
                path: path::chief(&self.ways).name().into(),
                paths: ways::path_bytes(&self.ways),
                fetched_bytes: self.written,
                bytes_per_second: speed,
                seconds: elapsed.as_secs_f64(),
                place: self.place.clone(),
                sources: self.shares.iter().map(share).collect(),
            },
        );
    }

    /// What is there, and where.
    fn name(&self, what: &str, all: usize) -> String {
        let what = match self.failures.len() {
            0 => what.to_owned(),
            _ => format!("{} of {all} files", self.files),
        };
        match (&self.place, &self.last) {
            (Some(_), Some(file)) if all == 1 => escape_os(file.as_os_str()),
            (Some(place), _) if all > 1 => format!("{what} in {place}"),
            _ => what,
        }
    }

    /// Who sent how much, if it was more than one.
    fn origins(&self) -> String {
        let sent: Vec<_> = self.shares.iter().filter(|(_, bytes)| *bytes > 0).collect();
        let all = sent.iter().map(|(_, bytes)| *bytes).fold(0u64, u64::saturating_add);
        if sent.len() < 2 {
            return String::new();
        }
        let share = |(name, bytes): &&(String, u64)| {
            let percent = u128::from(*bytes) * 100 / u128::from(all.max(1));
            format!("{name} {percent} %")
        };
        format!(" ({})", sent.iter().map(share).collect::<Vec<_>>().join(", "))
    }
}

/// Bytes by way, or by who sent them, of two lists together.
pub(super) fn merged<K: Ord>(
    before: impl Iterator<Item = (K, u64)>,
    now: Vec<(K, u64)>,
) -> Vec<(K, u64)> {
    let mut all = BTreeMap::<_, u64>::new();
    for (of, bytes) in before.chain(now) {
        *all.entry(of).or_default() += bytes;
    }
    all.into_iter().collect()
}

/// Tells where a file is, where that is not where one would look; whether it was there before.
fn tell_landed(speaker: &Speaker, job: &Job, landing: &Landing, number: usize) -> bool {
    let Some((path, there)) = landing.landed(number) else { return false };
    let place = escape_os(path.as_os_str());
    let event = Event::Landed { path: place.clone(), bytes: job.size, already_there: there };
    let local = path.file_name().map(escape_os).unwrap_or_default();
    if local == job.wanted.label {
        let tail = if there { " (already there)" } else { "" };
        speaker.console.detail(format!("{place}{tail}"), &event);
    } else {
        speaker.console.note(format!("{} is called {place} here", job.wanted.label), &event);
    }
    there
}

/// Several files and folders, some of which failed: each is told, and the command ends with the gravest code.
fn summary(speaker: &Speaker, all: Asked, failures: &[(String, Failure)]) -> Failure {
    let gravest = [
        Exit::Tampered,
        Exit::Disk,
        Exit::Refused,
        Exit::Relay,
        Exit::NoPath,
        Exit::Offline,
        Exit::NotFound,
    ];
    for (label, failure) in failures {
        let why = failure.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        speaker.console.warn(
            format!("{label} is missing: {}{why}", failure.what),
            &Event::Missing { name: label.clone(), error: failure.failed() },
        );
    }
    let has = |exit: &Exit| failures.iter().any(|(_, failure)| failure.exit == *exit);
    let exit = gravest.into_iter().find(has).unwrap_or(Exit::Other);
    let of = all.files + all.folders;
    let what = if all.folders == 0 { "files" } else { "files and folders" };
    Failure::new(exit, format!("{} of {of} {what} are missing", failures.len()))
        .next("the same command fetches what is missing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_content_that_is_gone_is_not_there() {
        let tally = Tally { bytes: 5, written: 9, ..Tally::default() };
        assert_eq!(tally.have(2), 7);
    }

    #[test]
    fn who_sends_in_two_rounds_is_named_once() {
        let (before, now) = ([("ana", 5), ("qi", 3)], vec![("qi", 4)]);
        assert_eq!(merged(before.into_iter(), now), [("ana", 5), ("qi", 7)]);
    }
}
