//! What each command does.

use clap::CommandFactory;
use sealift_command::args::CommonArgs;
use sealift_command::escape::{escape, escape_path};
use sealift_command::event::{Event, OfferedFolder, PathBytes, SeederInfo, SpaceInfo};
use sealift_command::exit::{Exit, Failure};
use sealift_command::manual::About;
use sealift_command::people::speaker::Speaker;
use sealift_command::people::ways::check_lan;
use sealift_command::program;
use sealift_command::{human, manual, people};
use sealift_platform::Platform;
use sealift_proto::text;
use sealift_space::home::Home;
use sealift_space::profile::Profile;
use sealift_space::profile::space::SpaceState;

use super::args::watch::parse_watch;
use super::args::{Cli, Command, InviteArgs, WatchArgs, help};
use super::{agent, invite, qr, service, sharing};
use crate::config::Config;
use crate::invite::Terms;
use crate::status::{Carried, FolderReport, Report};
use crate::watch::Watching;

/// What the manual pages say beside what the flags do.
const ABOUT: About =
    About { exit: help::EXIT, environment: manual::ENVIRONMENT, files: help::FILES };

/// What the flags of sharing ask for. A token for a private relay is remembered.
///
/// # Errors
/// When no folder is named or one cannot be understood.
pub fn config(common: &CommonArgs, watch: &WatchArgs) -> Result<Config, Failure> {
    let home = Home::find(common.home.as_deref())?;
    let (mut watch, mut space) = (watch.clone(), common.space.clone());
    let remembered = watch.watch.is_empty();
    if remembered {
        let (last, last_space) = last(&home)?;
        watch = watch.or(last);
        space = space.or(last_space);
    }
    let path = watch.path.unwrap_or_default();
    check_lan(watch.lan, path)?;
    if let Some(file) = &watch.relay_token {
        let profile = Profile::open(&Platform::system(), &home)?;
        profile.remember_relay_token(file, common.relay.as_ref())?;
    }
    let folders = watch.watch.iter().map(|text| parse_watch(text));
    let folders = folders
        .collect::<Result<_, _>>()
        .map_err(|why| Failure::new(Exit::Usage, "a folder cannot be understood").why(why))?;
    Ok(Config {
        home,
        watch: folders,
        relay: common.relay.clone(),
        space,
        name: watch.name.clone(),
        remembered,
        watching: watch.poll.map_or(Watching::System, Watching::Poll),
        limit: watch.limit,
        path,
        lan: watch.lan,
        invites: common.console().is_live(),
        answers_status: true,
    })
}

/// What was shared the last time.
fn last(home: &Home) -> Result<(WatchArgs, Option<String>), Failure> {
    let nothing = || {
        Failure::new(Exit::Usage, "nothing to share").next(format!(
            "name a folder: {} ./share; `{} --help` shows more",
            program::sharing(),
            program::going_on()
        ))
    };
    if !home.profile.is_dir() {
        return Err(nothing());
    }
    let last = sharing::recall(&Profile::open(&Platform::system(), home)?)?;
    last.filter(|(watch, _)| !watch.watch.is_empty()).ok_or_else(nothing)
}

/// Runs a command other than sharing.
///
/// # Errors
/// With words and exit code for the person.
pub async fn run(platform: Platform, cli: Cli, command: Command) -> Result<Exit, Failure> {
    refuse_idle(&cli.watch, &command)?;
    match command {
        Command::Join { invite, name } => {
            let name = name.or(cli.watch.name);
            act(platform, &cli.common, Command::Join { invite, name }).await
        }
        command => act(platform, &cli.common, command).await,
    }
}

/// Runs a command other than sharing, without flags of sharing.
///
/// # Errors
/// With words and exit code for the person.
pub async fn act(
    platform: Platform,
    common: &CommonArgs,
    command: Command,
) -> Result<Exit, Failure> {
    if let Command::Manual(manual) = &command {
        return manual::run(manual, Cli::command(), &ABOUT, &platform);
    }
    let home = Home::find(common.home.as_deref())?;
    let profile = Profile::open(&platform, &home)?;
    let console = common.console();
    if let Command::Status = command {
        return status_command(&profile, &home, common).map(|()| Exit::Done);
    }
    let speaker = Speaker::new(profile, console)?;
    match command {
        Command::Invite(args) => {
            let relay = common.relay.as_ref();
            let (with_code, terms) = (args.qr, terms(args));
            if with_code && common.json {
                return Err(Failure::new(Exit::Usage, "a QR code is no JSON")
                    .next("leave out --qr or --json"));
            }
            let line = invite::run(&speaker, relay, common.space.as_deref(), &terms).await?;
            if with_code {
                qr::show(&speaker.console, &line);
            }
        }
        Command::Join { invite, name } => {
            let then = format!("{} DIR", program::sharing());
            people::join::run(&speaker, &invite, name.as_deref(), &then).await?;
        }
        Command::Members => return people::members::run(&speaker, common).await,
        Command::Service(what) => return service::run(&speaker, common, what),
        Command::Status | Command::Manual(_) => {}
    }
    Ok(Exit::Done)
}

/// What is said for sharing does nothing for another command: better to say so than to seem to obey.
fn refuse_idle(watch: &WatchArgs, command: &Command) -> Result<(), Failure> {
    let joins = matches!(command, Command::Join { .. });
    match watch.given().filter(|flag| !(joins && *flag == "--name")) {
        Some(flag) => {
            Err(Failure::new(Exit::Usage, format!("{flag} does nothing for this command"))
                .next(format!("leave {flag} out, or leave out the command to share")))
        }
        None => Ok(()),
    }
}

fn terms(args: InviteArgs) -> Terms {
    Terms { uses: args.uses, expires: args.expires, public: args.public }
}

/// Tells what this profile is and what its seeder does, without needing the relay.
fn status_command(profile: &Profile, home: &Home, common: &CommonArgs) -> Result<(), Failure> {
    tell_device(profile, common)?;
    for space in profile.spaces()? {
        if common.space.as_ref().is_none_or(|name| space.is_called(name)) {
            tell_space(profile, common, &space, SpaceInfo::default())?;
        }
    }
    tell_running(home, common);
    Ok(())
}

/// Tells which device this is, and where its profile is.
///
/// # Errors
/// When the profile is damaged or cannot be read.
pub fn tell_device(profile: &Profile, common: &CommonArgs) -> Result<(), Failure> {
    let console = common.console();
    let name = escape(profile.device_name()?.as_str()).into_owned();
    let device = profile.device()?;
    let id = device.map(|device| device.key.id().short());
    let shown = id
        .clone()
        .unwrap_or_else(|| format!("no keys yet; the first `{}` makes them", program::sharing()));
    let place = escape_path(&profile.folder().place(""));
    console.result(
        format!("device   {name} ({shown})\nprofile  {place}"),
        &Event::Device { name: name.clone(), device: id, profile: Some(place.clone()) },
    );
    Ok(())
}

/// Tells of `space` whose it is and by which relay it is reached, and of its members what is `known`, if that is asked for.
///
/// # Errors
/// When the profile is damaged or cannot be read.
pub fn tell_space(
    profile: &Profile,
    common: &CommonArgs,
    space: &SpaceState,
    known: SpaceInfo,
) -> Result<(), Failure> {
    let (name, id) = (space.display_name(), space.id().short());
    let relay = profile.settings()?.space_relays.get(&id).map(|relay| {
        let place = sealift_proto::invite::host_port(&relay.host, relay.port);
        format!("{place}#{}", text::base32(&relay.pin))
    });
    let backup = space.backup(profile.folder()).map(|path| escape_path(&path));
    let key = space.owner_file(profile.folder()).map(|path| escape_path(&path));
    let role = match &backup {
        Some(path) => format!(
            "owned by this device\nback up  {path}\n         without the owner key in this folder nobody can ever invite again"
        ),
        None => "joined by invite".to_owned(),
    };
    let at = relay.as_deref().unwrap_or("none met yet");
    let members = known.members.map(|members| format!("\nmembers  {members}")).unwrap_or_default();
    common.console().result(
        format!("space    {name} ({id}), {role}\nrelay    {at}{members}"),
        &Event::Space(SpaceInfo {
            owner: Some(backup.is_some()),
            back_up: backup,
            owner_key: key,
            relay: relay.clone(),
            name: name.clone(),
            id: id.clone(),
            ..known
        }),
    );
    Ok(())
}

/// Tells what the seeder of this profile does, if one runs.
pub fn tell_running(home: &Home, common: &CommonArgs) {
    let console = common.console();
    let Some(report) = &agent::report(&home.profile) else {
        console.result("seeder   not running", &Event::Seeder(SeederInfo::default()));
        return;
    };
    let relay = match &report.relay {
        Some(relay) => format!("connected to {}", escape(relay)),
        None => "not connected to a relay".to_owned(),
    };
    let mut lines = vec![format!(
        "seeder   process {}, {relay}; {}, {}, {} waiting to be read; {}",
        report.pid,
        human::count(report.files, "file"),
        human::size(report.bytes),
        report.waiting,
        human::count(report.sessions, "session"),
    )];
    for carried in &report.sent {
        lines.push(format!("sent     {}, {}", human::size(carried.bytes), escape(&carried.path)));
    }
    for folder in &report.folders {
        let place = &folder.place;
        let gone = if folder.here { "" } else { "  (gone)" };
        lines.push(format!("folder   {} = {place}{gone}", escape(&folder.name)));
        lines.extend(unshared(folder));
        lines.extend(left_out(folder));
    }
    console.result(lines.join("\n"), &Event::Seeder(info(report)));
}

fn info(report: &Report) -> SeederInfo {
    let folder = |of: &FolderReport| OfferedFolder {
        name: of.name.clone(),
        place: of.place.clone(),
        here: of.here,
        unshared: of.unshared,
        unshared_names: of.unshared_names.clone(),
        left_out: of.left_out,
    };
    let sent = |of: &Carried| PathBytes { path: of.path.clone(), bytes: of.bytes };
    SeederInfo {
        running: true,
        pid: Some(report.pid),
        space: Some(report.space.clone()),
        relay: report.relay.clone(),
        folders: Some(report.folders.iter().map(folder).collect()),
        files: Some(report.files),
        bytes: Some(report.bytes),
        waiting: Some(report.waiting),
        scanning: Some(report.scanning),
        members: Some(report.members),
        sessions: Some(report.sessions),
        sent: Some(report.sent.iter().map(sent).collect()),
    }
}

/// How much of a folder is left out on purpose.
fn left_out(folder: &FolderReport) -> Option<String> {
    let count = human::count(folder.left_out, "name");
    (folder.left_out > 0)
        .then(|| format!("         {count} in it left out: links, sockets, pipes or devices"))
}

/// How much of a folder cannot be shared, and a few names of it.
fn unshared(folder: &FolderReport) -> Option<String> {
    let few: Vec<_> = folder.unshared_names.iter().map(|name| escape(name)).collect();
    let more = if folder.unshared > few.len() as u64 { ", …" } else { "" };
    let count = human::count(folder.unshared, "name");
    (folder.unshared > 0)
        .then(|| format!("         {count} in it cannot be shared: {}{more}", few.join(", ")))
}
