//! The simulated networks: what a question to a resolver and a TCP connection meet. Octets are real, time is not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use gatelet_proto::connectivity::probes::{Expect, KNOWN_IPV4, KNOWN_IPV6, KNOWN_NAME, Probe, TABLE};
use gatelet_proto::connectivity::{Family, Transport};
use gatelet_wire::tls::{Answer, ServerHello, TLS_1_3};

/// How many resolvers every network hands out.
pub(crate) const RESOLVERS: usize = 2;
/// From a question to its answer.
pub(crate) const DNS_DELAY: Duration = Duration::from_millis(20);
/// From a SYN to its answer, and from a request to the first octet of the response.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(40);

const PORTAL: &str =
    "HTTP/1.1 302 Found\r\nLocation: http://portal.isp.test/login\r\nContent-Length: 0\r\n\r\n";
const PAGE: &str =
    "<html><head><title>Welcome</title></head><body><form>Please sign in</form></body></html>\n";

/// A question's fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Addresses(Vec<IpAddr>),
    NoSuchName,
    Refused,
    /// By ICMP, or by a reset.
    Rejected,
    Silent,
}

/// A TCP connection that is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connection<'a> {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    /// What the GET will be for; empty for TLS.
    pub(crate) host: &'a str,
    pub(crate) path: &'a str,
}

/// Its fate.
#[derive(Debug, Clone)]
pub(crate) enum Meeting {
    Dropped,
    Reset,
    /// It comes up, and this comes back.
    Stream {
        at_once: Vec<u8>,
        /// After that one octet at a time, over and over, this long apart; none: the far end closes.
        drip: Option<(Duration, Vec<u8>)>,
    },
}

/// A network.
pub(crate) struct Network {
    pub(crate) dns: fn(usize, Transport, &str, Family) -> Reply,
    pub(crate) tcp: fn(&Connection<'_>) -> Meeting,
}

/// The network called so.
#[expect(clippy::too_many_lines, reason = "a list, one network after the other")]
pub(crate) fn network(name: &str) -> Option<Network> {
    let portal = |tcp| Network { dns: honest_dns, tcp };
    let closed = |dns| Network { dns, tcp: honest_tcp };
    Some(match name {
        "clean" => Network { dns: honest_dns, tcp: honest_tcp },
        "portal-302" => portal(|to| on_port_80(to, || text(PORTAL))),
        "portal-307-https" => portal(|to| {
            on_port_80(to, || {
                text("HTTP/1.1 307 Temporary Redirect\r\nLocation: https://login.isp.test:8443/\r\n\r\n")
            })
        }),
        "portal-open-443" => portal(|to| if to.port == 80 { text(PORTAL) } else { honest_tcp(to) }),
        "portal-200" => portal(|to| on_port_80(to, || ok(PAGE.as_bytes()))),
        "portal-511" => portal(|to| {
            on_port_80(to, || text(&format!("HTTP/1.1 511 Network Authentication Required\r\n\r\n{PAGE}")))
        }),
        "portal-meta-refresh" => portal(|to| {
            on_port_80(to, || {
                ok(b"<html><head><meta http-equiv=\"refresh\" content=\"0;url=http://portal.isp.test/\"></head></html>")
            })
        }),
        "portal-gzip" => portal(|to| {
            on_port_80(to, || {
                let body = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xb3\xc9\x28\xc9\xcd\xb1\xe3\x02\0\x23\x05\x6f\x0e\x08\0\0\0";
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                stream([head.as_bytes(), body].concat())
            })
        }),
        "portal-endless" => portal(|to| {
            on_port_80(to, || Meeting::Stream {
                at_once: format!("HTTP/1.1 200 OK\r\n\r\n{PAGE}").into_bytes(),
                drip: Some((Duration::from_micros(100), b"<br>\n".to_vec())),
            })
        }),
        "portal-drip-body" => portal(|to| {
            on_port_80(to, || Meeting::Stream {
                at_once: b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
                drip: Some((Duration::from_secs(1), PAGE.as_bytes().to_vec())),
            })
        }),
        "portal-dns-302" => {
            Network { dns: |_, _, _, family| one(gateway(family)), tcp: |to| at_gateway(to, || text(PORTAL)) }
        }
        "portal-walled-garden" => portal(|to| {
            let is_let_through =
                is_of(to.address, |probe| ["Apple", "Google", "Microsoft", "Mozilla"].contains(&probe.owner));
            if is_let_through { honest_tcp(to) } else { on_port_80(to, || text(PORTAL)) }
        }),
        "portal-forged-204" => portal(|to| {
            let is_forged = to.path.ends_with("/generate_204");
            on_port_80(to, || text(if is_forged { "HTTP/1.1 204 No Content\r\n\r\n" } else { PORTAL }))
        }),
        "hijack-dns" => Network {
            dns: |_, _, _, family| one(gateway(family)),
            tcp: |to| at_gateway(to, || ok(PAGE.as_bytes())),
        },
        "hijack-dns-private" => Network {
            dns: |_, _, _, family| one(private(family)),
            tcp: |to| {
                let is_it = to.address == private(Family::Ipv4) || to.address == private(Family::Ipv6);
                if is_it { on_port_80(to, || ok(PAGE.as_bytes())) } else { Meeting::Dropped }
            },
        },
        "hijack-dns-blackhole" => {
            Network { dns: |_, _, _, family| one(gateway(family)), tcp: |_| Meeting::Dropped }
        }
        "hijack-injected" => portal(|to| match honest_tcp(to) {
            Meeting::Stream { at_once, .. } if to.port == 80 => inject(at_once),
            other => other,
        }),
        "partial-nxdomain-rewritten" => closed(|_, _, name, family| match honest_name(name, family) {
            Reply::NoSuchName => one(gateway(family)),
            other => other,
        }),
        "partial-one-liar" => Network {
            dns: |resolver, _, name, family| {
                if resolver == 0 { one(gateway(family)) } else { honest_name(name, family) }
            },
            tcp: |to| {
                let is_gateway = to.address == gateway(Family::Ipv4) || to.address == gateway(Family::Ipv6);
                if is_gateway { at_gateway(to, || ok(PAGE.as_bytes())) } else { honest_tcp(to) }
            },
        },
        "partial-dns-by-tcp-only" => closed(|_, transport, name, family| match transport {
            Transport::Udp => Reply::Silent,
            Transport::Tcp => honest_name(name, family),
        }),
        "partial-dns-forged-by-udp" => Network {
            dns: |_, transport, name, family| match transport {
                Transport::Udp => one(gateway(family)),
                Transport::Tcp => honest_name(name, family),
            },
            tcp: |to| {
                let is_gateway = to.address == gateway(Family::Ipv4) || to.address == gateway(Family::Ipv6);
                if is_gateway { at_gateway(to, || ok(PAGE.as_bytes())) } else { honest_tcp(to) }
            },
        },
        "partial-https-dropped" => {
            portal(|to| if to.port == 443 { Meeting::Dropped } else { honest_tcp(to) })
        }
        "partial-https-intercepted" => {
            portal(|to| if to.port == 443 { text(PORTAL) } else { honest_tcp(to) })
        }
        "partial-http-reset" => portal(|to| if to.port == 80 { Meeting::Reset } else { honest_tcp(to) }),
        "partial-one-operator" => portal(|to| {
            if is_of(to.address, |probe| probe.served_by == "Akamai") {
                honest_tcp(to)
            } else {
                Meeting::Dropped
            }
        }),
        "offline-dead" => Network { dns: |_, _, _, _| Reply::Silent, tcp: |_| Meeting::Dropped },
        "offline-dns-dropped" => closed(|_, _, _, _| Reply::Silent),
        "offline-dns-rejected" => closed(|_, _, _, _| Reply::Rejected),
        "offline-dns-refused" => closed(|_, _, _, _| Reply::Refused),
        "offline-dns-nxdomain" => closed(|_, _, _, _| Reply::NoSuchName),
        "offline-tcp-reset" => portal(|_| Meeting::Reset),
        "offline-tcp-blackhole" => portal(|_| Meeting::Dropped),
        "offline-slow-drip" => portal(|_| Meeting::Stream {
            at_once: Vec::new(),
            drip: Some((Duration::from_secs(2), b"HTTP/1.1 200 OK\r\n\r\n".to_vec())),
        }),
        "offline-garbage" => portal(|_| stream(b"\xde\xad\xbe\xef\0\x01\x02\x03".to_vec())),
        "offline-empty-200" => portal(|to| on_port_80(to, || ok(b""))),
        "offline-503" => {
            portal(|to| on_port_80(to, || text(&format!("HTTP/1.1 503 Service Unavailable\r\n\r\n{PAGE}"))))
        }
        "blocked-timeout" => {
            portal(|to| if is_blocked(to.address) { Meeting::Dropped } else { honest_tcp(to) })
        }
        "blocked-reset" => portal(|to| if is_blocked(to.address) { Meeting::Reset } else { honest_tcp(to) }),
        "blocked-poisoned" => closed(|_, _, name, family| match honest_name(name, family) {
            Reply::Addresses(addresses) if addresses.iter().any(|address| is_blocked(*address)) => {
                one(nobody(family))
            }
            other => other,
        }),
        "blocked-google-tls" => portal(|to| {
            if is_of(to.address, |probe| probe.host == "www.google.com") {
                Meeting::Reset
            } else {
                honest_tcp(to)
            }
        }),
        "online-retired-probe" => portal(|to| {
            let is_retired = is_of(to.address, |probe| ["vivo", "ubuntu"].contains(&probe.id));
            if is_retired && to.port == 80 {
                text("HTTP/1.1 302 Found\r\nLocation: http://parking.example/\r\n\r\n")
            } else {
                honest_tcp(to)
            }
        }),
        "online-no-dns-by-tcp" => closed(|_, transport, name, family| match transport {
            Transport::Tcp => Reply::Rejected,
            Transport::Udp => honest_name(name, family),
        }),
        _ => return None,
    })
}

fn honest_dns(_: usize, _: Transport, name: &str, family: Family) -> Reply {
    honest_name(name, family)
}

fn honest_name(name: &str, family: Family) -> Reply {
    if name == KNOWN_NAME {
        return one(match family {
            Family::Ipv4 => KNOWN_IPV4.into(),
            Family::Ipv6 => KNOWN_IPV6.into(),
        });
    }
    match TABLE.iter().position(|probe| probe.host == name) {
        Some(row) if TABLE[row].has(family) => one(address_of(row, family)),
        Some(_) => Reply::Addresses(Vec::new()),
        None => Reply::NoSuchName,
    }
}

/// Rows with one host have one address: that of the first.
fn address_of(row: usize, family: Family) -> IpAddr {
    let number = u8::try_from(row).expect("few rows") + 1;
    match family {
        Family::Ipv4 => Ipv4Addr::new(198, 51, 100, number).into(),
        Family::Ipv6 => Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, number.into()).into(),
    }
}

/// Whether an address is of a probe that `fits`.
fn is_of(address: IpAddr, fits: impl Fn(&Probe<'_>) -> bool) -> bool {
    TABLE.iter().enumerate().any(|(row, probe)| {
        let is_there = [Family::Ipv4, Family::Ipv6].map(|family| address_of(row, family)).contains(&address);
        is_there && fits(probe)
    })
}

fn is_blocked(address: IpAddr) -> bool {
    is_of(address, |probe| probe.owner == "Google" || probe.served_by == "Cloudflare")
}

/// What the host of a probe serves; anything else on the Internet has a TLS server and no page.
fn honest_tcp(to: &Connection<'_>) -> Meeting {
    if [nobody(Family::Ipv4), nobody(Family::Ipv6)].contains(&to.address) {
        return Meeting::Dropped;
    }
    match to.port {
        443 => stream(server_hello()),
        80 => {
            let probe = TABLE.iter().find(|probe| probe.host == to.host && probe.path == to.path);
            match probe.map(|probe| probe.expect) {
                Some(Expect::NoContent) => text("HTTP/1.1 204 No Content\r\n\r\n"),
                Some(Expect::Body(body)) => ok(format!("{body}\n").as_bytes()),
                Some(Expect::BodyContains(part)) => ok(format!("<html>{part}</html>").as_bytes()),
                Some(Expect::Unknown) => ok(b"<html>a page of theirs</html>"),
                None => text("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
            }
        }
        _ => Meeting::Reset,
    }
}

fn on_port_80(to: &Connection<'_>, answer: impl Fn() -> Meeting) -> Meeting {
    if to.port == 80 { answer() } else { Meeting::Reset }
}

/// Only the gateway is there.
fn at_gateway(to: &Connection<'_>, answer: impl Fn() -> Meeting) -> Meeting {
    let is_gateway = to.address == gateway(Family::Ipv4) || to.address == gateway(Family::Ipv6);
    if is_gateway { on_port_80(to, answer) } else { Meeting::Dropped }
}

fn gateway(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::new(203, 0, 113, 1).into(),
        Family::Ipv6 => Ipv6Addr::new(0x2001, 0xdb8, 0x113, 0, 0, 0, 0, 1).into(),
    }
}

fn private(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::new(10, 10, 0, 1).into(),
        Family::Ipv6 => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1).into(),
    }
}

/// A public address where nobody lives.
fn nobody(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::new(192, 0, 2, 66).into(),
        Family::Ipv6 => Ipv6Addr::new(0x2001, 0xdb8, 0x66, 0, 0, 0, 0, 1).into(),
    }
}

fn one(address: IpAddr) -> Reply {
    Reply::Addresses(vec![address])
}

fn stream(at_once: Vec<u8>) -> Meeting {
    Meeting::Stream { at_once, drip: None }
}

fn text(text: &str) -> Meeting {
    stream(text.as_bytes().to_vec())
}

fn ok(body: &[u8]) -> Meeting {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    stream([head.as_bytes(), body].concat())
}

/// Appends a script to the page in a 200 response.
fn inject(response: Vec<u8>) -> Meeting {
    let text_of = String::from_utf8(response.clone()).expect("the honest ones are text");
    match text_of.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => {
            ok(format!("{body}<script src=http://ads.isp.test/></script>").as_bytes())
        }
        _ => stream(response),
    }
}

fn server_hello() -> Vec<u8> {
    let hello = ServerHello { version: TLS_1_3, random: [7; 32], session_id: &[8; 32], cipher_suite: 0x1301 };
    let mut buffer = [0; 256];
    let len = Answer::ServerHello(hello).emit(&mut buffer).expect("fits");
    // The certificate follows: nobody is to wait for it, or choke on it.
    [&buffer[..len], &[23, 3, 3, 0x0F, 0xFF], &[0; 1024]].concat()
}
