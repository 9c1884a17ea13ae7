//! `relay status`: what the relay that runs on a folder is doing.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use sealift_command::human::{duration, size};
use serde::Serialize;

use crate::program::PROGRAM;
use crate::report::{ByReason, Report};

/// Prints what the relay on `home` says of itself.
///
/// # Errors
/// When none runs there, or it does not answer.
#[cfg(unix)]
pub(super) fn run(home: &Path, json: bool) -> anyhow::Result<()> {
    let report: Report = sealift_server::admin::ask(PROGRAM, home).map_err(|error| {
        let what = not_answered(home, &error);
        anyhow::Error::new(error).context(what)
    })?;
    let text = if json { as_json(&report) } else { as_text(&report) };
    let mut out = io::stdout().lock();
    super::printed(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// There is no such socket on this system.
///
/// # Errors
/// Always.
#[cfg(not(unix))]
pub(super) fn run(_: &Path, _: bool) -> anyhow::Result<()> {
    anyhow::bail!("this system has no private sockets; ask /metrics (relay --metrics) instead")
}

fn not_answered(home: &Path, error: &io::Error) -> String {
    let home = home.display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => format!(
            "no relay runs on {home}; if one runs on another folder, name that with --home or --config"
        ),
        io::ErrorKind::PermissionDenied => {
            format!("{home} belongs to another user; ask as that one, or as root")
        }
        _ => format!("the relay on {home} does not answer"),
    }
}

fn as_json(report: &Report) -> String {
    #[derive(Serialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Line<'a> {
        Status(&'a Report),
    }
    format!("{}\n", super::json_line(&Line::Status(report)))
}

fn as_text(report: &Report) -> String {
    let Report { connections, links, refusals, process, .. } = report;
    let ending = if report.draining { ", ENDING" } else { "" };
    let mut text = String::new();
    let mut line = |name: &str, words: String| {
        // Writing into a string does not fail.
        let _ = writeln!(text, "{name:<12} {words}");
    };
    let up = duration(report.uptime);
    line("relay", format!("{}, up {up}, process {}{ending}", report.version, report.pid));
    line("pin", report.pin.clone());
    line("listening", report.listen.join(", "));
    line(
        "connections",
        format!(
            "{} of members ({} serving) in {} spaces, {} take an invite, {} have not shown who they are",
            connections.members,
            connections.serving,
            connections.spaces,
            connections.joining,
            connections.unauthenticated
        ),
    );
    line(
        "links",
        format!(
            "{} at work, {} since the start, {} moved",
            links.open,
            links.opened,
            size(links.bytes)
        ),
    );
    line("this month", month(report));
    line("udp", udp(report));
    line("store", store(report));
    line("rejected", reasons(&refusals.rejected));
    line("closed", reasons(&refusals.closed));
    line("refused", reasons(&refusals.requests));
    line(
        "process",
        format!(
            "{} of memory, {} of {} descriptors",
            size(process.memory),
            process.descriptors,
            process.most_descriptors
        ),
    );
    line("limits", limits(report));
    text
}

fn month(report: &Report) -> String {
    let month = &report.month;
    let sent = size(month.sent);
    match (month.most, month.left) {
        (Some(most), Some(left)) => {
            let (most, left) = (size(most), size(left));
            format!("{sent} of {most} sent, {left} left until {}", month.renewed_on)
        }
        _ => format!("{sent} sent, without limit"),
    }
}

fn udp(report: &Report) -> String {
    let Some(port) = report.udp.port else { return "no service".into() };
    let dropped = reasons(&report.udp.dropped);
    format!("port {port}, {} answered, dropped {dropped}", report.udp.answered)
}

fn store(report: &Report) -> String {
    let Some(store) = &report.store else { return "cannot be read; see the log".into() };
    let failures = match store.failures {
        0 => String::new(),
        failures => format!("; {failures} WRITES FAILED, see the log"),
    };
    format!(
        "{}: {} spaces, {} statements, {} segments, {} invites; {} free on the disk{failures}",
        size(store.bytes),
        store.spaces,
        store.statements,
        store.segments,
        store.invites,
        size(store.disk_free)
    )
}

/// The limits that are not the default.
fn limits(report: &Report) -> String {
    let changed = report.limits.iter().filter(|limit| !limit.default);
    let changed: Vec<String> =
        changed.map(|limit| format!("{} = {}", limit.name, limit.value)).collect();
    match &changed[..] {
        [] => "the defaults; `relay limits` lists them".into(),
        changed => format!("{}; the others are the defaults", changed.join(", ")),
    }
}

fn reasons(reasons: &ByReason) -> String {
    let all: u64 = reasons.values().sum();
    let each: Vec<String> =
        reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    if each.is_empty() { "0".into() } else { format!("{all}: {}", each.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::example;

    #[test]
    fn a_person_reads_a_line_for_each_subject() {
        let text = as_text(&example());
        for part in [
            "relay        1.2.3, up 1 d 2 h, process 7\n",
            "connections  5 of members (3 serving) in 2 spaces",
            "links        1 at work, 3 since the start, 5.00 GiB moved\n",
            "this month   6.00 GiB of 10.0 GiB sent, 4.00 GiB left until 2027-01-01\n",
            "udp          port 7743, 8 answered, dropped 2: forged 2\n",
            "1.00 MiB: 2 spaces",
            "rejected     3: slow 3\n",
            "refused      0\n",
            "limits       links = 10; the others are the defaults\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let failing = Report { store: None, draining: true, ..example() };
        let text = as_text(&failing);
        assert!(text.contains("ENDING") && text.contains("cannot be read"), "{text}");
    }

    #[test]
    fn a_program_reads_one_line() {
        let text = as_json(&example());
        let value: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!((&value["v"], &value["type"]), (&1.into(), &"status".into()));
        assert_eq!(value["links"]["bytes"], 5_u64 << 30);
        assert_eq!(value["month"]["left"], 4_u64 << 30);
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn amounts_are_short() {
        assert_eq!(
            (size(0), size(1023), size(1536)),
            ("0 B".into(), "1023 B".into(), "1.50 KiB".into())
        );
        assert_eq!(size(u64::MAX), "16383 PiB");
        assert_eq!((duration(59), duration(3660)), ("59 s".into(), "1 h 1 min".into()));
    }
}
