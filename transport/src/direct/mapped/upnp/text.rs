//! The texts of UPnP: what is asked, and what an answer says. Without input or output.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddrV4};

use httparse::{EMPTY_HEADER, Response};
use roxmltree::{Document, Node, ParsingOptions};

/// Longest path that is fetched, in bytes.
const PATH: usize = 512;
/// Most elements and texts in a document.
const NODES: u32 = 10_000;
/// Services of one router that are asked.
const SERVICES: usize = 4;
/// What maps ports.
const KNOWN: [&str; 3] = [
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
];

/// Something that can be fetched from a gateway: its own address, a port and a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) at: SocketAddrV4,
    path: String,
}

impl Url {
    /// Reads `http://ADDRESS[:PORT][/PATH]`, if the address is that of `gateway` and nothing in it could end a line.
    fn parse(text: &str, gateway: Ipv4Addr) -> Option<Self> {
        let (scheme, rest) = text.split_at_checked("http://".len())?;
        if !scheme.eq_ignore_ascii_case("http://") {
            return None;
        }
        let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let at = place
            .parse()
            .or_else(|_| place.parse().map(|address| SocketAddrV4::new(address, 80)))
            .ok()?;
        let url = Self { at, path: if path.is_empty() { "/" } else { path }.to_owned() };
        (*at.ip() == gateway && at.port() != 0 && url.is_fit()).then_some(url)
    }

    fn is_fit(&self) -> bool {
        self.path.len() <= PATH && self.path.bytes().all(|byte| byte.is_ascii_graphic())
    }

    /// Reads what a document that lies here refers to.
    fn join(&self, reference: &str) -> Option<Self> {
        if reference.contains("://") {
            return Self::parse(reference, *self.at.ip());
        }
        let folder = match reference.strip_prefix('/') {
            Some(_) => "",
            None => self.path.get(..=self.path.rfind('/')?)?,
        };
        let url = Self { at: self.at, path: format!("{folder}{reference}") };
        url.is_fit().then_some(url)
    }
}

/// A service of a router that maps ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) url: Url,
    kind: &'static str,
}

/// The datagrams that search for a gateway, of either version.
pub(super) fn searches() -> [String; 2] {
    [1, 2].map(|version| {
        format!(
            "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n\
             ST: urn:schemas-upnp-org:device:InternetGatewayDevice:{version}\r\n\r\n"
        )
    })
}

/// Where an answer to a search says that the description is, if that is at `gateway`.
pub(super) fn location(bytes: &[u8], gateway: Ipv4Addr) -> Option<Url> {
    let mut headers = [EMPTY_HEADER; 32];
    let mut response = Response::new(&mut headers);
    let complete = response.parse(bytes).is_ok_and(|status| status.is_complete());
    if !complete || response.code != Some(200) {
        return None;
    }
    let header = response.headers.iter().find(|one| one.name.eq_ignore_ascii_case("location"))?;
    Url::parse(std::str::from_utf8(header.value).ok()?.trim(), gateway)
}

/// Asks for a description.
pub(super) fn get(url: &Url) -> String {
    let Url { at, path } = url;
    format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n")
}

/// What the description that lies at `url` says of services that map ports; `None` if it is none.
pub(super) fn services(description: &str, url: &Url) -> Option<Vec<Service>> {
    let document = document(description)?;
    let base = text_of(document.root(), "URLBase").and_then(|base| url.join(base));
    let base = base.unwrap_or_else(|| url.clone());
    let services = document.descendants().filter(|node| node.tag_name().name() == "service");
    let known = services.filter_map(|node| {
        let named = text_of(node, "serviceType")?;
        let kind = KNOWN.into_iter().find(|kind| *kind == named)?;
        Some(Service { url: base.join(text_of(node, "controlURL")?)?, kind })
    });
    Some(known.take(SERVICES).collect())
}

/// A call of `action` with `arguments`, which hold nothing that XML would take for its own.
pub(super) fn call(service: &Service, action: &str, arguments: &[(&str, &str)]) -> String {
    let Service { url: Url { at, path }, kind } = service;
    let mut inner = String::new();
    for (name, value) in arguments {
        // Writing to a string does not fail.
        let _ = write!(inner, "<{name}>{value}</{name}>");
    }
    let body = format!(
        "<?xml version=\"1.0\"?>\r\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>\
         <u:{action} xmlns:u=\"{kind}\">{inner}</u:{action}></s:Body></s:Envelope>\r\n"
    );
    format!(
        "POST {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nContent-Type: text/xml; charset=\"utf-8\"\r\n\
         SOAPAction: \"{kind}#{action}\"\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The public address in an answer to `GetExternalIPAddress`.
pub(super) fn external(body: &str) -> Option<Ipv4Addr> {
    text_of(document(body)?.root(), "NewExternalIPAddress")?.parse().ok()
}

/// The number in a refusal.
pub(super) fn refusal(body: &str) -> Option<u32> {
    text_of(document(body)?.root(), "errorCode")?.parse().ok()
}

/// A document of bounded size, in which nothing stands for something longer.
fn document(text: &str) -> Option<Document<'_>> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES, ..Default::default() };
    Document::parse_with_options(text.trim_matches(['\u{feff}', '\0', ' ', '\r', '\n']), options)
        .ok()
}

/// The text of the first element below `node` that has this name.
fn text_of<'d>(node: Node<'d, '_>, name: &str) -> Option<&'d str> {
    let mut found = node.descendants().filter(|one| one.tag_name().name() == name);
    found.next()?.text().map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);

    fn url(text: &str) -> Option<String> {
        Url::parse(text, GATEWAY).map(|url| format!("{} {}", url.at, url.path))
    }

    #[test]
    fn only_what_lies_at_the_gateway_is_fetched() {
        assert_eq!(
            url("http://192.168.1.1:5000/rootDesc.xml").unwrap(),
            "192.168.1.1:5000 /rootDesc.xml"
        );
        assert_eq!(url("HTTP://192.168.1.1").unwrap(), "192.168.1.1:80 /");
        for bad in [
            "https://192.168.1.1/",
            "http://192.168.1.2:5000/",
            "http://192.168.1.1@192.168.1.2/",
            "http://192.168.1.2#@192.168.1.1/",
            "http://192.168.1.1.example.org/",
            "http://router/",
            "http://[fe80::1]/",
            "http://192.168.1.1:0/",
            "http://192.168.1.1:99999/",
            "http://0300.0250.1.1/",
            "http://192.168.1.1/a b",
            "http://192.168.1.1/\r\nHost: x",
            "http:/",
            "é",
            "",
        ] {
            assert_eq!(url(bad), None, "{bad}");
        }
        assert_eq!(url(&format!("http://192.168.1.1/{}", "x".repeat(PATH))), None);
    }

    #[test]
    fn references_do_not_leave_the_gateway_either() {
        let base = Url::parse("http://192.168.1.1:5000/dir/root.xml", GATEWAY).unwrap();
        let joined = |to: &str| base.join(to).map(|url| format!("{} {}", url.at, url.path));
        assert_eq!(joined("/ctl/IP").unwrap(), "192.168.1.1:5000 /ctl/IP");
        assert_eq!(joined("ctl").unwrap(), "192.168.1.1:5000 /dir/ctl");
        assert_eq!(joined("http://192.168.1.1:6000/c").unwrap(), "192.168.1.1:6000 /c");
        for bad in ["http://192.168.1.9/c", "ftp://192.168.1.1/", "/a\r\nX: y", "/a b"] {
            assert_eq!(joined(bad), None, "{bad}");
        }
        // No host of its own: a path of the gateway.
        assert_eq!(joined("//192.168.1.9/c").unwrap(), "192.168.1.1:5000 //192.168.1.9/c");
    }

    fn description(kind: &str, control: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device><deviceList><device><serviceList>\
             <service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType><controlURL>/no</controlURL></service>\
             <service><serviceType>{kind}</serviceType><controlURL>{control}</controlURL></service>\
             </serviceList></device></deviceList></device></root>"
        )
    }

    #[test]
    fn services_are_found_where_they_are_known_and_here() {
        let base = Url::parse("http://192.168.1.1:5000/", GATEWAY).unwrap();
        for kind in KNOWN {
            let found = services(&description(kind, "/ctl"), &base).unwrap();
            assert_eq!((found.len(), found[0].kind, &*found[0].url.path), (1, kind, "/ctl"));
        }
        for (kind, control) in [
            ("urn:schemas-upnp-org:service:WANIPConnection:1\"><x", "/ctl"),
            ("urn:schemas-upnp-org:service:WANIPConnection:9", "/ctl"),
            (KNOWN[0], "http://10.0.0.1/ctl"),
            (KNOWN[0], ""),
        ] {
            assert!(
                services(&description(kind, control), &base).is_none_or(|found| found.is_empty())
            );
        }
        let many = description(KNOWN[0], "/ctl").replace("<service>", "<service><service>");
        assert!(services(&many, &base).is_none_or(|found| found.len() <= SERVICES));
        let entity = format!(
            "<!DOCTYPE a [<!ENTITY b \"b\">]>{}",
            description(KNOWN[0], "/&b;").replace("<?xml version=\"1.0\"?>", "")
        );
        assert_eq!(services(&entity, &base), None);
        assert_eq!(services(&"<a>".repeat(30_000), &base), None, "deep");
    }

    #[test]
    fn altered_and_cut_texts_lead_nowhere_else() {
        let base = Url::parse("http://192.168.1.1:5000/", GATEWAY).unwrap();
        let found = "HTTP/1.1 200 OK\r\nST: x\r\nLocation: http://192.168.1.1:5000/d.xml\r\n\r\n";
        assert!(location(found.as_bytes(), GATEWAY).is_some());
        let texts = [found.to_owned(), description(KNOWN[1], "http://192.168.1.1:5000/c")];
        for text in texts {
            for cut in 0..text.len() {
                assert!(location(&text.as_bytes()[..cut], GATEWAY).is_none());
                assert!(services(&text[..cut], &base).is_none());
            }
            for (at, bit) in (0..text.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
                let mut altered = text.as_bytes().to_vec();
                altered[at] ^= 1 << bit;
                let there = location(&altered, GATEWAY);
                assert!(there.is_none_or(|url| *url.at.ip() == GATEWAY));
                let found = services(&String::from_utf8_lossy(&altered), &base).unwrap_or_default();
                assert!(found.iter().all(|one| *one.url.at.ip() == GATEWAY && one.url.is_fit()));
            }
        }
    }

    #[test]
    fn answers_say_an_address_or_a_number() {
        let answer = |inner: &str| {
            format!("<s:Envelope xmlns:s=\"s\"><s:Body>{inner}</s:Body></s:Envelope>\0\r\n")
        };
        let external = |text: &str| {
            external(&answer(&format!("<NewExternalIPAddress>{text}</NewExternalIPAddress>")))
        };
        assert_eq!(external(" 198.51.100.7 "), Some(Ipv4Addr::new(198, 51, 100, 7)));
        assert_eq!((external(""), external("::1"), external("1.2.3")), (None, None, None));
        assert_eq!(refusal(&answer("<errorCode>718</errorCode>")), Some(718));
        assert_eq!((refusal("no"), refusal(&answer("<errorCode>x</errorCode>"))), (None, None));
    }
}
