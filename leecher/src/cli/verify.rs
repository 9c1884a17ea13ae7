//! `leecher verify`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sealift_command::args::CommonArgs;
use sealift_command::escape::{escape, escape_os};
use sealift_command::event::Event;
use sealift_command::exit::{Exit, Failure};
use sealift_command::human;
use sealift_command::people::speaker::Speaker;
use sealift_command::program;
use sealift_command::shell::{shell_os, shell_word};
use tokio::time::interval;

use crate::check::hash::{Hashing, Outcome};
use crate::check::places::Copy;
use crate::check::walk::{Local, walk};
use crate::check::{Finding, Plan, State};
use crate::cli::args::VerifyArgs;
use crate::cli::checking::CheckBar;
use crate::cli::known::{freshen, tell_unread, unreadable};
use crate::freshen::News;
use crate::replica::{LogView, ReplicaError};
use sealift_content::naming::portable_name;

/// How often the bar moves.
const TICK: Duration = Duration::from_millis(100);

/// Compares what is at a path of this machine with the catalogues, and tells what is not as they state.
///
/// # Errors
/// When the path cannot be read (exit 8), when nothing there is known (exit 3), or the catalogues cannot be read.
pub async fn run(
    speaker: &Speaker,
    common: &CommonArgs,
    args: VerifyArgs,
) -> Result<Exit, Failure> {
    let local = look(speaker, &args.path).await?;
    let mut spaces = freshen(speaker, common, News::wanted(args.offline)).await?;
    spaces.iter().for_each(|known| tell_unread(speaker, known));
    let views: Vec<LogView> = spaces.iter_mut().flat_map(|known| known.views.drain(..)).collect();
    let with =
        args.with.as_ref().map(|with| with.trim_start_matches("./").trim_matches('/').to_owned());
    let plan = move |views: &[LogView]| Plan::new(views, local, with.as_deref());
    let (views, plan) = with_views(speaker, views, plan).await?;
    if let Some(with) = args.with.as_deref().filter(|_| !plan.states_anything()) {
        return Err(nothing_at(with));
    }
    tell_plan(speaker, &args.path, &plan);
    let single = plan.local.single;
    let copies = plan.copies.clone();
    let outcomes = hash(speaker, &plan).await?;
    let judge = move |views: &[LogView]| plan.judge(views, outcomes);
    let (_, findings) = with_views(speaker, views, judge).await?;
    let place = |finding: &Finding| match single {
        true => args.path.clone(),
        false => args.path.join(&finding.path),
    };
    findings.iter().for_each(|finding| tell(speaker, &place(finding), finding));
    summary(speaker, &args.path, &copies, &findings)
}

/// Finds what there is at `path`.
async fn look(speaker: &Speaker, path: &Path) -> Result<Local, Failure> {
    let disk = speaker.profile.platform().disk.clone();
    let looked = path.to_owned();
    let local = blocking(move || walk(&*disk, &looked)).await?;
    local.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::new(Exit::Disk, "there is nothing to verify")
            .why(format!("{} does not exist", escape_os(path.as_os_str()))),
        _ => Failure::disk(escape_os(path.as_os_str()), &error),
    })
}

/// Does `work` with the views where it holds nobody up, and gives them back.
async fn with_views<T: Send + 'static>(
    speaker: &Speaker,
    views: Vec<LogView>,
    work: impl FnOnce(&[LogView]) -> Result<T, ReplicaError> + Send + 'static,
) -> Result<(Vec<LogView>, T), Failure> {
    let (views, done) = blocking(move || {
        let done = work(&views);
        (views, done)
    })
    .await?;
    match done {
        Ok(done) => Ok((views, done)),
        Err(error) => Err(unreadable(speaker, &views, error)),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::new(Exit::Other, "a task ended early").why(error))
}

async fn hash(speaker: &Speaker, plan: &Plan) -> Result<HashMap<usize, Outcome>, Failure> {
    let mut bar = CheckBar::new(&speaker.console, plan.bytes_to_hash());
    let mut hashing = Hashing::start(plan.local.folder.clone(), plan.to_hash());
    let mut ticks = interval(TICK);
    let mut outcomes = HashMap::new();
    loop {
        tokio::select! {
            done = hashing.next() => match done {
                Ok(Some(some)) => outcomes.extend(some),
                Ok(None) => return Ok(outcomes),
                Err(error) => {
                    return Err(Failure::new(Exit::Other, "a task ended early").why(error));
                }
            },
            _ = ticks.tick() => bar.set(hashing.read()),
        }
    }
}

fn nothing_at(with: &str) -> Failure {
    Failure::new(Exit::NotFound, format!("nothing is shared at `{}`", escape(with)))
        .next(format!("`{} list` shows the shared folders", program::finder()))
}

/// Tells what is compared with what, and what is not looked at.
fn tell_plan(speaker: &Speaker, path: &Path, plan: &Plan) {
    for copy in &plan.copies {
        let here = escape_os(path.join(&copy.place).as_os_str());
        speaker.console.detail(
            format!("{here} is compared with {}", escape(&copy.folder)),
            &Event::Compared { path: here.clone(), with: copy.folder.clone() },
        );
    }
    for skipped in &plan.local.skipped {
        let here = escape_os(path.join(skipped).as_os_str());
        speaker.console.detail(
            format!("{here} is no regular file and is not looked at"),
            &Event::Skipped { path: here.clone(), why: None },
        );
    }
}

const fn word(state: State) -> &'static str {
    match state {
        State::Same => "same",
        State::Differs => "differs",
        State::Missing => "missing",
        State::Unreadable => "unreadable",
        State::Unread => "not hashed yet",
        State::Unknown => "unknown",
    }
}

fn tell(speaker: &Speaker, place: &Path, finding: &Finding) {
    let (word, here) = (word(finding.state), escape_os(place.as_os_str()));
    let event = Event::Checked {
        path: here.clone(),
        state: word.replace(' ', "_"),
        shared: finding.shared.clone(),
        bytes: finding.size,
        folder: finding.folder,
        why: finding.why.clone(),
    };
    let shared = finding.shared.as_deref().map(escape);
    let tail = match (finding.state, shared, &finding.why) {
        (State::Unreadable, _, Some(why)) => format!("  {why}"),
        // Where names agree the place says it already.
        (State::Same | State::Missing, Some(shared), _) if here.ends_with(&*shared) => {
            String::new()
        }
        (State::Same, Some(shared), _) => format!("  as {shared}"),
        (State::Differs | State::Unread, Some(shared), _) => format!("  from {shared}"),
        (State::Missing, Some(shared), _) => format!("  of {shared}"),
        _ => String::new(),
    };
    let slash = if finding.folder { "/" } else { "" };
    let line = format!("{word:<14}  {here}{slash}{tail}");
    if finding.state == State::Same && !speaker.console.is_json() {
        speaker.console.detail(line, &event);
    } else {
        speaker.console.result(line, &event);
    }
}

/// The last lines, and how the command ends.
fn summary(
    speaker: &Speaker,
    path: &Path,
    copies: &[Copy],
    findings: &[Finding],
) -> Result<Exit, Failure> {
    let count = |state: State| findings.iter().filter(|finding| finding.state == state).count();
    let states = [
        State::Same,
        State::Differs,
        State::Missing,
        State::Unreadable,
        State::Unread,
        State::Unknown,
    ];
    let counts = states.map(|state| (word(state), count(state)));
    let bytes: u64 = findings.iter().filter(|f| f.state == State::Same).map(|f| f.size).sum();
    let told: Vec<_> = counts
        .iter()
        .filter(|(word, count)| *count > 0 || *word == "same")
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    if count(State::Same) + count(State::Differs) + count(State::Missing) + count(State::Unread)
        == 0
        && count(State::Unreadable) == 0
    {
        return Err(Failure::new(
            Exit::NotFound,
            format!("no catalogue knows anything of {}", escape_os(path.as_os_str())),
        )
        .next(format!(
            "`{} verify PATH --with FOLDER` names the shared folder that it is a copy of",
            program::finder()
        )));
    }
    speaker.console.result(
        format!(
            "{}: {}, verified {}",
            escape_os(path.as_os_str()),
            told.join(", "),
            human::size(bytes)
        ),
        &Event::Summary {
            same: counts[0].1,
            differs: counts[1].1,
            missing: counts[2].1,
            unreadable: counts[3].1,
            not_hashed_yet: counts[4].1,
            unknown: counts[5].1,
            verified_bytes: bytes,
        },
    );
    let wrong = counts[1..5].iter().any(|(_, count)| *count > 0);
    if count(State::Missing) > 0 {
        tell_how(speaker, path, copies);
    }
    Ok(if wrong { Exit::Other } else { Exit::Done })
}

/// How to fetch what is missing.
fn tell_how(speaker: &Speaker, path: &Path, copies: &[Copy]) {
    let lines: Vec<String> = copies.iter().filter_map(|copy| fetch_line(path, copy)).collect();
    if lines.is_empty() {
        return;
    }
    speaker.console.note(
        format!("what is missing is fetched by:\n    {}", lines.join("\n    ")),
        &Event::Hint { next: None, fetch: Some(lines.clone()) },
    );
}

fn fetch_line(path: &Path, copy: &Copy) -> Option<String> {
    let full = std::path::absolute(path).ok()?.join(&copy.place);
    let local: PathBuf = full.components().collect();
    // A copy under another name is not where a download would land.
    let name = portable_name(copy.folder.rsplit('/').next()?);
    if portable_name(local.file_name()?.to_str()?) != name {
        return None;
    }
    let out = shell_os(local.parent()?.as_os_str());
    Some(format!("{} download {}/ --out {out}", program::finder(), shell_word(&copy.folder)))
}
