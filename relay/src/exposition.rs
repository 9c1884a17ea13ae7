//! The metrics of a relay. Labels are words of the program; nothing names a device, space or address.

use sealift_server::admin::Value::{self, Each, One, Unknown};
use sealift_server::admin::pairs;

use crate::report::{ByReason, Report};

sealift_server::metrics! {
    const METRICS of Report;
    "sealift_build_info" gauge "1, with the version of the relay"
        |report| Each("version", vec![(report.version.clone(), 1)]);
    "sealift_uptime_seconds" gauge "Time since the relay started"
        |report| One(report.uptime);
    "sealift_draining" gauge "1 while the relay is about to end"
        |report| One(report.draining.into());
    "sealift_connections" gauge "Connections now, by state"
        states;
    "sealift_spaces_connected" gauge "Spaces with a member connected"
        |report| One(report.connections.spaces);
    "sealift_connections_accepted_total" counter "Connections accepted"
        |report| One(report.connections.accepted);
    "sealift_accept_failures_total" counter "Times that the system could not accept a connection, as without free descriptors"
        |report| One(report.connections.not_accepted);
    "sealift_handshakes_total" counter "Connections that showed who they are"
        |report| One(report.connections.welcomed);
    "sealift_rejected_total" counter "Connections ended before they showed who they are, by reason"
        |report| reasons(&report.refusals.rejected);
    "sealift_closed_total" counter "Members' connections that the relay ended, by reason"
        |report| reasons(&report.refusals.closed);
    "sealift_refused_total" counter "Members' requests that were refused, by reason"
        |report| reasons(&report.refusals.requests);
    "sealift_links" gauge "Links at work"
        |report| One(report.links.open);
    "sealift_tickets_total" counter "Links that tickets were given out for"
        |report| One(report.links.tickets);
    "sealift_links_total" counter "Links that both sides came to"
        |report| One(report.links.opened);
    "sealift_links_ended_total" counter "Links that ended, by how"
        |report| Each("how", pairs(&report.links.ended));
    "sealift_link_bytes_total" counter "Bytes moved on links, both ways"
        |report| One(report.links.bytes);
    "sealift_control_bytes_sent_total" counter "Bytes sent on control connections, TLS included"
        |report| One(report.connections.sent);
    "sealift_month_bytes" gauge "All bytes sent in this calendar month"
        |report| One(report.month.sent);
    "sealift_month_bytes_most" gauge "Bytes that may be sent in it; absent without a limit"
        |report| report.month.most.map_or(Unknown, One);
    "sealift_month_bytes_left" gauge "Bytes of those that are left; absent without a limit"
        |report| report.month.left.map_or(Unknown, One);
    "sealift_probes_answered_total" counter "Datagrams that the UDP service answered"
        |report| One(report.udp.answered);
    "sealift_probes_dropped_total" counter "Datagrams that it did not answer, by reason"
        |report| reasons(&report.udp.dropped);
    "sealift_store_up" gauge "1 while the store can be read"
        |report| One(report.store.is_some().into());
    "sealift_store_bytes" gauge "Bytes stored, as they are counted against the limits"
        |report| stored(report, |store| store.bytes);
    "sealift_store_statements" gauge "Records, cards and heads stored"
        |report| stored(report, |store| store.statements);
    "sealift_store_segments" gauge "Catalogue segments stored"
        |report| stored(report, |store| store.segments);
    "sealift_store_invites" gauge "Invites stored"
        |report| stored(report, |store| store.invites);
    "sealift_store_spaces" gauge "Spaces with anything stored"
        |report| stored(report, |store| store.spaces);
    "sealift_store_disk_free_bytes" gauge "Bytes free on the disk of the store"
        |report| stored(report, |store| store.disk_free);
    "sealift_store_failures_total" counter "Writes that the disk failed"
        |report| stored(report, |store| store.failures);
    "process_resident_memory_bytes" gauge "Resident memory"
        |report| One(report.process.memory);
    "process_open_fds" gauge "Open file descriptors"
        |report| One(report.process.descriptors);
    "process_max_fds" gauge "Most file descriptors that the process may have"
        |report| One(report.process.most_descriptors);
}

fn states(report: &Report) -> Value {
    let now = &report.connections;
    let states = [
        ("unauthenticated", now.unauthenticated),
        ("joining", now.joining),
        ("serving", now.serving),
        ("other_members", now.members.saturating_sub(now.serving)),
    ];
    Each("state", states.map(|(state, count)| (state.to_owned(), count)).into())
}

fn reasons(reasons: &ByReason) -> Value {
    Each("reason", pairs(reasons))
}

fn stored(report: &Report, number: fn(&crate::report::Stored) -> u64) -> Value {
    report.store.as_ref().map_or(Unknown, |store| One(number(store)))
}

#[cfg(test)]
mod tests {
    use sealift_server::admin;

    use super::*;
    use crate::report::tests::example;

    fn expose(report: &Report) -> String {
        admin::expose(METRICS, report)
    }

    #[test]
    fn every_line_is_one_that_prometheus_reads() {
        let text = expose(&example());
        assert!(text.ends_with('\n'));
        for line in text.lines().filter(|line| !line.starts_with("# ")) {
            let (name, value) = line.rsplit_once(' ').expect(line);
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let bare = name.split('{').next().unwrap();
            assert!(METRICS.iter().any(|metric| metric.name == bare), "{line}");
            assert_eq!(name.contains('{'), name.ends_with("\"}"), "{line}");
        }
        assert!(text.contains("sealift_rejected_total{reason=\"slow\"} 3\n"), "{text}");
        assert!(text.contains("sealift_connections{state=\"other_members\"} 2\n"), "{text}");
        assert!(text.contains("\nsealift_month_bytes_left 4294967296\n"), "{text}");
        assert!(text.contains("\nsealift_probes_dropped_total{reason=\"forged\"} 2\n"), "{text}");
        let gone = expose(&Report { store: None, ..example() });
        assert!(gone.contains("sealift_store_up 0\n") && !gone.contains("\nsealift_store_bytes"));
    }

    #[test]
    fn names_say_what_prometheus_expects_of_them() {
        for metric in METRICS {
            assert_eq!(
                metric.kind == "counter",
                metric.name.ends_with("_total"),
                "{}",
                metric.name
            );
            assert!(!metric.help.is_empty() && !metric.help.contains(['\n', '\\', '|']));
        }
    }

    #[test]
    fn the_page_for_operators_lists_them_all() {
        let page = include_str!("../../docs/OPERATING.md");
        let rows = page
            .lines()
            .filter(|line| line.starts_with("| `sealift_") || line.starts_with("| `process_"));
        let rows: Vec<&str> = rows.collect();
        let want: Vec<String> = METRICS
            .iter()
            .map(|metric| format!("| `{}` | {} | {} |", metric.name, metric.kind, metric.help))
            .collect();
        assert_eq!(rows, want, "the table in docs/OPERATING.md is to be:\n{}", want.join("\n"));
    }
}
