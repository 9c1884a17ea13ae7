//! Which files a download fetches: names understood, choices asked for where a name has several contents.

use std::collections::BTreeSet;
use std::path::Path;

use sealift_command::escape::escape;
use sealift_command::event::{Content, Event};
use sealift_command::exit::{Exit, Failure};
use sealift_command::human;
use sealift_command::people::speaker::Speaker;
use sealift_command::pick;
use sealift_command::program;
use sealift_command::shell::{shell_os, shell_word};

use crate::cli::args::DownloadArgs;
use crate::cli::known::{excuse, tell_unread, unreadable};
use crate::freshen::Known;
use crate::people;
use crate::replica::LogView;
use crate::search::near_misses;
use crate::select::{Choice, Contents, Files, LeftOut, Offer, Selected, select};
use sealift_content::naming::{self, Names};

/// How many similar names are suggested.
const SUGGESTIONS: usize = 3;
/// Digits of a hash that a line to paste names; more if they do not tell the contents apart.
const DIGITS: usize = 8;
/// Fewest digits taken as a choice: fewer are a slip.
const DIGITS_MIN: usize = 4;

/// Understands all names, or fails before anything is fetched.
pub(super) fn choose(
    speaker: &Speaker,
    spaces: &[Known],
    args: &DownloadArgs,
) -> Result<Files, Failure> {
    let choice = choice(spaces, args)?;
    let views: Vec<&LogView> = spaces.iter().flat_map(|known| &known.views).collect();
    let mut chosen = Files::default();
    for name in &args.names {
        let selected = select(&views, name, &choice)
            .map_err(|error| unreadable(speaker, views.iter().copied(), error))?;
        match selected {
            Selected::Files(found) => {
                add_new(&mut chosen.files, found.files);
                add_new(&mut chosen.folders, found.folders);
                add_new(&mut chosen.unshared, found.unshared);
                chosen.left_out.extend(found.left_out);
            }
            Selected::Several(contents) => {
                return Err(several(speaker, spaces, args, name, &contents));
            }
            Selected::SeveralFolders(folders) => {
                return Err(several_folders(speaker, args, name, &folders));
            }
            Selected::Nothing => return Err(nothing(speaker, spaces, &views, name, args)),
        }
    }
    Ok(chosen)
}

/// What was asked for with the one of several contents that the person chooses of one name; `None` where nothing is to be chosen, nobody can be asked, or none was chosen.
///
/// # Errors
/// When the catalogues cannot be read, or what was typed cannot be understood.
pub(super) async fn ask(
    speaker: &Speaker,
    spaces: &[Known],
    args: &DownloadArgs,
) -> Result<Option<DownloadArgs>, Failure> {
    let [name] = &args.names[..] else { return Ok(None) };
    if !pick::can_ask(&speaker.console) {
        return Ok(None);
    }
    let choice = choice(spaces, args)?;
    let views: Vec<&LogView> = spaces.iter().flat_map(|known| &known.views).collect();
    let selected = select(&views, name, &choice)
        .map_err(|error| unreadable(speaker, views.iter().copied(), error))?;
    drop(views);
    Ok(match selected {
        Selected::Several(contents) => ask_content(speaker, spaces, args, name, &contents).await,
        Selected::Files(_) | Selected::SeveralFolders(_) | Selected::Nothing => None,
    })
}

async fn ask_content(
    speaker: &Speaker,
    spaces: &[Known],
    args: &DownloadArgs,
    name: &str,
    contents: &Contents,
) -> Option<DownloadArgs> {
    let title = format!("`{}` has {} contents:", escape(name), contents.len());
    let lines: Vec<_> =
        contents.iter().filter_map(|content| Some(facts(speaker, spaces, content)?.0)).collect();
    let place = pick::pick(&speaker.console, &title, &lines).await?;
    let first = contents.get(place)?.first().map(|offer| &offer.holding)?;
    let args = args.clone();
    Some(match first.stored.root {
        Some(root) => DownloadArgs { hash: Some(root.hex()), ..args },
        None => DownloadArgs {
            names: vec![first.path.clone()],
            from: Some(first.key.device.short()),
            ..args
        },
    })
}

/// Adds what is not there yet.
fn add_new<T: PartialEq>(all: &mut Vec<T>, more: Vec<T>) {
    let more: Vec<_> = more.into_iter().filter(|one| !all.contains(one)).collect();
    all.extend(more);
}

/// The choice that `--from` and `--hash` make.
fn choice(spaces: &[Known], args: &DownloadArgs) -> Result<Choice, Failure> {
    let from = args.from.as_deref().map(|person| people::devices(spaces, person)).transpose()?;
    if let Some(hash) = &args.hash {
        let digits = hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digits || !(DIGITS_MIN..=64).contains(&hash.len()) {
            return Err(Failure::new(Exit::Usage, "--hash takes 4 to 64 hexadecimal digits")
                .why(format!("`{}` is not that", escape(hash))));
        }
    }
    Ok(Choice { from, hash: args.hash.clone() })
}

/// Nothing has that name: what is close to it, and who is still reading.
fn nothing(
    speaker: &Speaker,
    spaces: &[Known],
    views: &[&LogView],
    name: &str,
    args: &DownloadArgs,
) -> Failure {
    for known in spaces {
        tell_unread(speaker, known);
    }
    if let Some(hash) = args.hash.as_deref() {
        let others = Choice { hash: None, from: choice(spaces, args).ok().and_then(|c| c.from) };
        if select(views, name, &others).is_ok_and(|found| found != Selected::Nothing) {
            let what =
                format!("no content of `{}` has a hash that begins with {hash}", escape(name));
            let next = format!(
                "`{} search {}` with --json shows them",
                program::finder(),
                shell_word(name)
            );
            return excuse(spaces, Failure::new(Exit::NotFound, what).next(next));
        }
    }
    let near = near_misses(views, name, SUGGESTIONS).unwrap_or_default();
    let narrowed = match (&args.from, &args.hash) {
        (None, None) => "",
        _ => " there",
    };
    let failure =
        Failure::new(Exit::NotFound, format!("nothing is called `{}`{narrowed}", escape(name)));
    if near.is_empty() {
        return excuse(
            spaces,
            failure.next(format!("`{} list` shows what is shared", program::finder())),
        );
    }
    let near: Vec<_> = near.iter().map(|path| shell_word(path)).collect();
    excuse(spaces, failure.next(format!("did you mean {}?", near.join(" or "))))
}

/// Shows the contents of `name` and how to choose one.
fn several(
    speaker: &Speaker,
    spaces: &[Known],
    args: &DownloadArgs,
    name: &str,
    contents: &Contents,
) -> Failure {
    for content in contents {
        show(speaker, spaces, content);
    }
    let lines: Vec<_> =
        contents.iter().map(|content| line(contents, content, name, &args.out)).collect();
    Failure::new(Exit::Choose, format!("`{}` has {} contents", escape(name), contents.len()))
        .next(format!("choose one:\n    {}", lines.join("\n    ")))
}

fn several_folders(
    speaker: &Speaker,
    args: &DownloadArgs,
    name: &str,
    folders: &[String],
) -> Failure {
    for folder in folders {
        speaker
            .console
            .result(format!("{}/", escape(folder)), &Event::Candidate { path: folder.clone() });
    }
    let finder = program::finder();
    let lines: Vec<_> = folders
        .iter()
        .take(20)
        .map(|folder| format!("{finder} download {}{}", shell_word(folder), out(&args.out)))
        .collect();
    Failure::new(Exit::Choose, format!("{} folders are called `{}`", folders.len(), escape(name)))
        .next(format!("choose one:\n    {}", lines.join("\n    ")))
}

/// Prints one content.
fn show(speaker: &Speaker, spaces: &[Known], content: &[Offer]) {
    if let Some((line, event)) = facts(speaker, spaces, content) {
        speaker.console.result(line, &event);
    }
}

/// What is told of one content: owners, size, age, hash.
fn facts(speaker: &Speaker, spaces: &[Known], content: &[Offer]) -> Option<(String, Event)> {
    let first = content.first().map(|offer| &offer.holding)?;
    let root = first.stored.root;
    let now = i64::try_from(speaker.now()).unwrap_or(i64::MAX);
    let age = now.saturating_sub(first.stored.modified.div_euclid(1000));
    let owners = owners(spaces, content);
    Some((
        format!(
            "{}  {}  {}  {}  {}",
            root.map_or("(not hashed yet)".to_owned(), |root| root.short()),
            human::size(first.stored.size),
            human::age(u64::try_from(age).unwrap_or(0)),
            owners.join(", "),
            escape(&first.path),
        ),
        Event::Content {
            path: first.path.clone(),
            hash: root.map(|root| root.hex()),
            size: first.stored.size,
            modified_ms: first.stored.modified,
            owners: owners.clone(),
        },
    ))
}

fn owners(spaces: &[Known], content: &[Offer]) -> Vec<String> {
    let names: BTreeSet<_> = content.iter().map(|offer| owner(spaces, offer)).collect();
    names.into_iter().collect()
}

fn owner(spaces: &[Known], offer: &Offer) -> String {
    let device = &offer.holding.key.device;
    let known = spaces.iter().find(|known| known.space.id() == offer.holding.key.space);
    known.map_or_else(|| device.short(), |known| known.members.display_name(device))
}

/// The line that fetches `content`, one of `contents`.
fn line(contents: &Contents, content: &[Offer], name: &str, folder: &Path) -> String {
    let Some(first) = content.first().map(|offer| &offer.holding) else { return String::new() };
    let which = match first.stored.root {
        Some(root) => {
            let hex = root.hex();
            let unique = |digits: usize| {
                let same = |other: &&Vec<Offer>| {
                    let root = other.first().and_then(|offer| offer.holding.stored.root);
                    root.is_some_and(|root| root.hex().starts_with(&hex[..digits]))
                };
                contents.iter().filter(same).count() == 1
            };
            let digits = (DIGITS..hex.len()).find(|digits| unique(*digits)).unwrap_or(hex.len());
            format!("{} --hash {}", shell_word(name), &hex[..digits])
        }
        None => format!("{} --from {}", shell_word(&first.path), first.key.device.short()),
    };
    format!("{} download {which}{}", program::finder(), out(folder))
}

fn out(folder: &Path) -> String {
    if folder == Path::new(".") {
        return String::new();
    }
    format!(" --out {}", shell_os(folder.as_os_str()))
}

/// Lists what was left out, with the lines that would fetch it.
pub(super) fn tell_left_out(
    speaker: &Speaker,
    spaces: &[Known],
    left_out: &[LeftOut],
    args: &DownloadArgs,
) {
    for LeftOut { out, contents } in left_out {
        let Some(path) = contents.first().and_then(|content| content.first()) else { continue };
        let path = &path.holding.path;
        let above = out.split_last().map_or(&[][..], |(_, above)| above);
        let folder =
            args.out.join(naming::local_path(above.iter().map(String::as_str), Names::All));
        let lines: Vec<_> =
            contents.iter().map(|content| line(contents, content, path, &folder)).collect();
        let told: Vec<_> = contents
            .iter()
            .filter_map(|content| {
                let stored = content.first()?.holding.stored;
                Some(Content {
                    hash: stored.root.map(|root| root.hex()),
                    size: stored.size,
                    modified_ms: stored.modified,
                    owners: owners(spaces, content),
                })
            })
            .collect();
        speaker.console.warn(
            format!(
                "{} has {} contents and was left out; choose one:\n    {}",
                escape(path),
                contents.len(),
                lines.join("\n    ")
            ),
            &Event::LeftOut { path: path.clone(), contents: told, fetch: lines.clone() },
        );
    }
}
