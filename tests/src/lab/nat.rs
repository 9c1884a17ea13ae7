//! Address translators as they are found in homes (RFC 4787), made with nftables.

use crate::process::Namespace;

/// What a translator does with UDP. All map TCP as they map UDP and let no TCP connection in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nat {
    /// One port outside for one port inside, and anybody may send to it once it is there.
    EndpointIndependent,
    /// One port outside; addresses that were sent to may send to it, from any port.
    AddressRestricted,
    /// One port outside; only what was sent to, address and port, may send to it.
    PortRestricted,
    /// Another port outside for each destination, which alone may send to it.
    Symmetric,
}

impl Nat {
    /// Every kind, from the most open to the most closed.
    pub const ALL: [Self; 4] =
        [Self::EndpointIndependent, Self::AddressRestricted, Self::PortRestricted, Self::Symmetric];

    /// In a word or two.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EndpointIndependent => "endpoint-independent",
            Self::AddressRestricted => "address-restricted",
            Self::PortRestricted => "port-restricted",
            Self::Symmetric => "symmetric",
        }
    }

    /// Whether two devices behind these can be expected to find a direct path over UDP.
    #[must_use]
    pub const fn pierces(self, other: Self) -> bool {
        match (self, other) {
            (Self::Symmetric, other) | (other, Self::Symmetric) => {
                matches!(other, Self::EndpointIndependent | Self::AddressRestricted)
            }
            _ => true,
        }
    }

    /// Makes `router` one, from its interface `lan` to its interface `wan`.
    ///
    /// Linux keeps the port where it can, and lets in what answers: that is port-restricted. The two more open kinds remember
    /// which port belongs to whom, and whom it has sent to, and send what comes unasked there. What is for nobody is dropped, which
    /// keeps it from taking the place of a mapping. The symmetric kind takes a random port.
    pub(super) fn install(self, router: &Namespace) -> Result<(), String> {
        let masquerade = match self {
            Self::Symmetric => "masquerade fully-random",
            _ => "masquerade",
        };
        let (remember, admit) = match self {
            Self::EndpointIndependent => {
                ("update @inside { udp sport : ip saddr }", "dnat to udp dport map @inside")
            }
            Self::AddressRestricted => (
                "update @inside { udp sport : ip saddr } update @friends { udp sport . ip daddr }",
                "udp dport . ip saddr @friends dnat to udp dport map @inside",
            ),
            _ => ("", ""),
        };
        let remember = rule("iifname \"lan\" oifname \"wan\"", remember);
        let admit = rule("iifname \"wan\" meta l4proto udp", admit);
        let script = format!(
            "nft -f - <<'END'
table ip translate {{
  map inside {{ type inet_service : ipv4_addr; flags dynamic; timeout 5m; }}
  set friends {{ type inet_service . ipv4_addr; flags dynamic; timeout 5m; }}
  chain remember {{
    type filter hook forward priority 0;
    {remember}
    iifname \"wan\" oifname \"lan\" ct state new ct status dnat accept
    iifname \"wan\" oifname \"lan\" ct state new drop
  }}
  chain own {{
    type filter hook input priority 0;
    iifname \"wan\" ct state new drop
  }}
  chain arriving {{
    type nat hook prerouting priority -100;
    {admit}
  }}
  chain leaving {{
    type nat hook postrouting priority 100;
    oifname \"wan\" {masquerade}
  }}
}}
END"
        );
        router.shell(&script).map(drop)
    }
}

fn rule(condition: &str, action: &str) -> String {
    if action.is_empty() { String::new() } else { format!("{condition} {action}") }
}
