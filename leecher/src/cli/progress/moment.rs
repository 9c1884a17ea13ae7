//! How far a download is, and the line that shows it.

use std::time::Duration;

use sealift_command::human;
use sealift_command::line::{Line, elide};
use sealift_command::terminal::Glyphs;
use sealift_transport::path::Way;

use sealift_content::fetch::schedule::SourceView;

/// Most columns of a member's name within a sentence.
const PERSON: usize = 24;

/// How far a download is.
#[derive(Debug, Clone, Default)]
pub struct Moment {
    /// Bytes that are there.
    pub have: u64,
    /// Bytes of them that came by this process.
    pub fresh: u64,
    /// Bytes that an earlier process left.
    pub found: u64,
    /// Files that are there.
    pub files: usize,
    /// The file of which something came last, escaped.
    pub current: Option<String>,
    /// The links at work, with the names of the seeders (escaped).
    pub sources: Vec<(String, SourceView)>,
    /// Bytes that came by this process, by the way they took.
    pub ways: Vec<(Way, u64)>,
    /// Nobody is at work.
    pub waiting: Option<Waiting>,
}

/// What a download waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Who or what has to come, escaped.
    pub whom: String,
    /// How long it still will.
    pub left: Duration,
}

impl Waiting {
    /// `waiting for ana, 4 min left`.
    #[must_use]
    pub fn words(&self, glyphs: Glyphs) -> String {
        let left = human::left(self.left.as_secs()).map(|left| format!(", {left} left"));
        format!("waiting for {}{}", elide(&self.whom, PERSON, glyphs), left.unwrap_or_default())
    }
}

/// What does not change while a download lasts.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    /// What is fetched, escaped.
    pub(super) what: String,
    /// Bytes in all.
    pub(super) total: u64,
    /// Files in all.
    pub(super) files: usize,
}

/// How it goes now.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    /// Bytes per second, once it can be told.
    pub(super) speed: Option<u64>,
    /// For how long nothing has come, if that is worth a word.
    pub(super) silent: Option<Duration>,
}

impl Moment {
    /// What stays of `what` if the command is interrupted now.
    pub(super) fn kept(&self, what: &str) -> String {
        if self.have == 0 {
            return "what has come is kept".to_owned();
        }
        format!("{} of {what} kept", human::size(self.have))
    }

    /// Who still has to read a file before it can send it, if anybody.
    pub(super) fn reading(&self) -> Option<String> {
        let mut reading = self.sources.iter().filter_map(|(name, of)| Some((name, of.reading?)));
        let (name, (done, size)) = reading.next()?;
        Some(format!("{name} still reads it ({} %)", percent(done, size)))
    }

    /// The ways that work now, the best first.
    fn working(&self) -> Vec<Way> {
        let works = |of: &SourceView| !of.stands_by && of.speed.is_some();
        let mut ways: Vec<_> =
            self.sources.iter().filter(|(_, of)| works(of)).map(|(_, of)| of.way).collect();
        ways.sort_unstable_by(|a, b| b.cmp(a));
        ways.dedup();
        ways
    }

    /// Which ways work now: `directly over TCP and through the relay`; nothing, where none does.
    pub(super) fn now(&self) -> String {
        let ways = self.working();
        ways.iter().map(|way| way.phrase()).collect::<Vec<_>>().join(" and ")
    }

    /// Why nothing comes, if nothing does.
    pub(super) fn halt(&self, pace: Pace, glyphs: Glyphs) -> Option<String> {
        if let Some(waiting) = &self.waiting {
            return Some(waiting.words(glyphs));
        }
        let reading = self.reading();
        if reading.is_some() {
            return reading;
        }
        let silent = human::duration(pace.silent?.as_secs());
        let name = |(name, _): &(String, SourceView)| elide(name, PERSON, glyphs);
        // Of one that stands by nothing is awaited.
        let awaited = self.sources.iter().find(|(_, of)| !of.stands_by);
        Some(match awaited.or(self.sources.first()).map(name) {
            Some(who) => format!("nothing from {who} for {silent}"),
            None => format!("connecting for {silent}"),
        })
    }

    /// Seconds until all is there, if that can be told.
    pub(super) fn seconds_left(&self, whole: &Whole, pace: Pace) -> Option<u64> {
        let left = whole.total.saturating_sub(self.have).checked_div(pace.speed?)?;
        human::left(left).map(|_| left)
    }

    /// The line of a terminal.
    pub(super) fn line(&self, whole: &Whole, pace: Pace, glyphs: Glyphs) -> Line {
        let many = whole.files > 1;
        let name = self.current.as_ref().filter(|_| many).unwrap_or(&whole.what);
        let files = if many { format!("{}/{}", self.files, whole.files) } else { String::new() };
        let line = Line::new().name(2, name).text(5, files);
        let line = line.text(1, format!("{} %", percent(self.have, whole.total)));
        let line = line.bar(3, self.have.min(whole.total), whole.total);
        let sizes = format!("{}/{}", human::size(self.have), human::size(whole.total));
        let line = line.text(7, sizes);
        if let Some(halt) = self.halt(pace, glyphs) {
            return line.text(0, halt);
        }
        let left = self.seconds_left(whole, pace).and_then(human::left);
        let ways: Vec<_> = self.working().into_iter().map(Way::name).collect();
        line.text(4, pace.speed.map_or_else(String::new, human::speed))
            .text(6, left.map_or_else(String::new, |left| format!("{left} left")))
            .text(8, ways.join(" + "))
    }
}

/// One line for each link to a seeder, where details are wanted.
pub(super) fn source_words((name, of): &(String, SourceView)) -> String {
    let what = match (of.reading, of.speed) {
        _ if of.stands_by => "stands by".to_owned(),
        (Some((done, size)), _) => format!("reads the file, {} %", percent(done, size)),
        (None, Some(speed)) => human::speed(speed),
        (None, None) => "starting".to_owned(),
    };
    format!("from {name} {}: {}, {what}", of.way.phrase(), human::size(of.delivered))
}

/// `done` of `size` in whole per cent; all only when it is all.
pub(super) fn percent(done: u64, size: u64) -> u128 {
    u128::from(done.min(size)) * 100 / u128::from(size.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn moment() -> Moment {
        Moment { have: 205 * MIB, fresh: 5 * MIB, files: 3, ..Moment::default() }
    }

    fn whole(files: usize) -> Whole {
        Whole { what: "report.pdf".into(), total: 1024 * MIB, files }
    }

    fn shown(moment: &Moment, files: usize, pace: Pace, columns: usize) -> String {
        moment.line(&whole(files), pace, Glyphs::Unicode).layout(columns, Glyphs::Unicode)
    }

    #[test]
    fn a_download_shows_what_matters_most_for_its_columns() {
        let pace = Pace { speed: Some(2_000_000), silent: None };
        let moment = moment();
        let line = "report.pdf  20 %  ██░░░░░░░░░  2.00 MB/s";
        for (columns, expected) in [
            (19, "report.pdf  20 %"),
            (39, &line.replace("░░░░░░░░░", "░░░░░░░░")),
            (79, "report.pdf  20 %  ████░░░░░░░░░░░░░░░░  205 MiB/1.00 GiB  2.00 MB/s  7 min left"),
        ] {
            assert_eq!(shown(&moment, 1, pace, columns), expected, "{columns}");
        }
    }

    #[test]
    fn a_folder_names_the_file_that_comes() {
        let moment = Moment { current: Some("DSC_0815.jpg".into()), ..moment() };
        let pace = Pace { speed: Some(2_000_000), silent: None };
        let line = shown(&moment, 40, pace, 60);
        assert!(line.starts_with("DSC_0815.jpg  3/40  20 %  █"), "{line}");
    }

    #[test]
    fn whoever_is_away_is_waited_for_without_a_speed() {
        let waiting = Waiting { whom: "ana".into(), left: Duration::from_secs(245) };
        let moment = Moment { waiting: Some(waiting), ..moment() };
        let pace = Pace { speed: Some(1000), silent: Some(Duration::from_secs(9)) };
        for (columns, expected) in [
            (17, "waiting …min left"),
            (39, "20 %  waiting for ana, 4 min left"),
            (59, "report.pdf  20 %  ██░░░░░░░░░░  waiting for ana, 4 min left"),
        ] {
            assert_eq!(shown(&moment, 1, pace, columns), expected, "{columns}");
        }
    }

    #[test]
    fn a_time_that_nobody_waits_for_is_not_told() {
        let left = |speed| {
            let pace = Pace { speed, silent: None };
            moment().seconds_left(&whole(1), pace)
        };
        assert_eq!(left(Some(100 * MIB)), Some(8));
        assert_eq!((left(Some(100)), left(Some(0)), left(None)), (None, None, None));
    }

    #[test]
    fn silence_is_told_with_whose_it_is() {
        let pace = Pace { speed: Some(0), silent: Some(Duration::from_secs(6)) };
        assert_eq!(moment().halt(pace, Glyphs::Ascii).unwrap(), "connecting for 6 s");
        assert_eq!(moment().halt(Pace::default(), Glyphs::Ascii), None);
    }

    #[test]
    fn silence_is_that_of_a_source_something_is_awaited_from() {
        let pace = Pace { speed: Some(0), silent: Some(Duration::from_secs(6)) };
        let source = |name: &str, stands_by| {
            let (device, way) =
                (sealift_proto::identity::SecretKey::from_seed([1; 32]).id(), Way::Relay);
            let (delivered, speed, reading) = (0, None, None);
            let view = SourceView { device, way, stands_by, delivered, speed, reading };
            (name.to_owned(), view)
        };
        let sources = vec![source("ana", true), source("ben", false)];
        let moment = Moment { sources, ..moment() };
        assert_eq!(moment.halt(pace, Glyphs::Ascii).unwrap(), "nothing from ben for 6 s");
    }
}
