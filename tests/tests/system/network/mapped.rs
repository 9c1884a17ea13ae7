//! Ports that a router grants: the two that find each other by nothing else, and miniupnpd as it is in many a router.

use sealift_tests::lab::{Home, Lab, Line, Nat};
use sealift_tests::process::{Running, User};

use super::scene::Scene;

/// A rate of the relay at which a download lasts until a router has been asked.
const SLOW: u64 = 16_000_000;
const SIZE: usize = 24 << 20;

/// What a router speaks.
#[derive(Debug, Clone, Copy)]
enum Speaks {
    Upnp,
    Pcp,
}

/// Lets `home` grant ports; `None` without the program.
fn grants(home: &Home, speaks: Speaks) -> Option<(User, Running)> {
    home.gateway
        .shell(
            "nft -f - <<'END'
table inet filter {
  chain miniupnpd { }
  chain in { }
  chain out { }
  chain pass { type filter hook forward priority 5; jump miniupnpd; }
  chain arriving { type nat hook prerouting priority -100; jump in; }
  chain leaving { type nat hook postrouting priority 100; jump out; }
}
END",
        )
        .unwrap();
    let router = User::within(&home.gateway);
    let (upnp, pcp) = match speaks {
        Speaks::Upnp => ("yes", "no"),
        Speaks::Pcp => ("no", "yes"),
    };
    let settings = format!(
        "ext_ifname=wan\nlistening_ip=lan\nenable_upnp={upnp}\nenable_natpmp={pcp}\nsecure_mode=yes\n\
         upnp_forward_chain=miniupnpd\nupnp_nat_chain=in\nupnp_nat_postrouting_chain=out\n\
         uuid=5ea11f70-0000-4000-8000-000000000001\nallow 1024-65535 0.0.0.0/0 1024-65535\n"
    );
    router.write("settings", settings.as_bytes());
    let line = "command -v miniupnpd >/dev/null || { echo absent; exit; }; exec miniupnpd -d -f settings -P pid 2>&1";
    let mut running = router.type_line(line);
    let first = running.line("");
    if first == "absent" {
        println!("skipped: miniupnpd is not installed");
        return None;
    }
    if matches!(speaks, Speaks::Upnp) {
        running.line("HTTP listening on port");
    }
    Some((router, running))
}

/// Rules by which the router passes on what comes.
fn rules(home: &Home) -> usize {
    let shown = home.gateway.shell("nft list chain inet filter in").unwrap();
    shown.matches("dnat").count()
}

fn meets(speaks: Speaks) {
    let lab = match Lab::new(Some(SLOW)) {
        Ok(lab) => lab,
        Err(why) => return println!("skipped: {why}"),
    };
    let line = Line { rate: Some(10 * SLOW), ..Line::new(Some(Nat::Symmetric)) };
    let homes = [1, 2].map(|n| lab.home(n, line, 1).unwrap());
    let Some(_router) = grants(&homes[1], speaks) else { return };
    let scene = Scene::set(&lab, &homes[0].hosts[0], &homes[1].hosts[0], SIZE);
    let (start, mut running) = scene.fetch(&[]);
    running.message_within("\"direct ", std::time::Duration::from_secs(30));
    assert!(rules(&homes[1]) > 0, "without a port there is no way");
    let told = scene.fetched((start, running));
    assert!(told.direct() > 0.0, "{told:?}");
    assert_eq!(rules(&homes[1]), 0, "{speaks:?} takes them back");
}

#[test]
fn a_port_by_upnp_lets_symmetric_translators_meet() {
    meets(Speaks::Upnp);
}

#[test]
fn a_port_by_pcp_lets_symmetric_translators_meet() {
    meets(Speaks::Pcp);
}
