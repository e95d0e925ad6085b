//! Networks between a subscriber and the Internet: what a question to a resolver and a TCP connection meet there.
//!
//! A network is two functions, so that one list serves two judges: the table of `tests/portal_table`, where time is not real,
//! and [`super::internet`], which carries them over real DNS and TCP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use gatelet_proto::connectivity::probes::{Expect, KNOWN_IPV4, KNOWN_IPV6, KNOWN_NAME, Probe, TABLE};
use gatelet_proto::connectivity::{Family, Transport};
use gatelet_wire::dns::{Class, Flags, Message, Rcode, Type, Writer};
use gatelet_wire::tls::{Answer, ServerHello, TLS_1_3};

use super::internet::{HOST, HOST6};

/// How many resolvers every network hands out.
pub const RESOLVERS: usize = 2;
/// From a question to its answer.
pub const DNS_DELAY: Duration = Duration::from_millis(20);
/// From a SYN to its answer, and from a request to the first octet of the response.
pub const ROUND_TRIP: Duration = Duration::from_millis(40);

const PORTAL: &str =
    "HTTP/1.1 302 Found\r\nLocation: http://portal.isp.test/login\r\nContent-Length: 0\r\n\r\n";
const PAGE: &str =
    "<html><head><title>Welcome</title></head><body><form>Please sign in</form></body></html>\n";

/// A question's fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// NOERROR, with these.
    Addresses(Vec<IpAddr>),
    /// NXDOMAIN.
    NoSuchName,
    /// REFUSED.
    Refused,
    /// By ICMP, or by a reset.
    Rejected,
    /// Not at all.
    Silent,
}

/// A TCP connection that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Connection<'a> {
    /// With whom.
    pub address: IpAddr,
    /// At which port.
    pub port: u16,
    /// What the GET will be for; empty for TLS, and as long as nobody knows.
    pub host: &'a str,
    /// The path of the GET.
    pub path: &'a str,
}

/// Its fate.
#[derive(Debug, Clone)]
pub enum Meeting {
    /// Nothing comes back.
    Dropped,
    /// By a reset.
    Reset,
    /// It comes up, and whoever is there has a page of his own, which is no probe's.
    Page,
    /// It comes up, and this comes back.
    Stream {
        /// What is sent as soon as the request is there.
        at_once: Vec<u8>,
        /// After that one octet at a time, over and over, this long apart; none: the far end closes.
        drip: Option<(Duration, Vec<u8>)>,
    },
}

/// A network.
#[derive(Debug, Clone, Copy)]
pub struct Network {
    /// What a resolver, counted from 0, says of a name.
    pub dns: fn(usize, Transport, &str, Family) -> Reply,
    /// What a connection meets.
    pub tcp: fn(&Connection<'_>) -> Meeting,
}

/// What a resolver does about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Treatment {
    /// It answers with this.
    Answer(Vec<u8>),
    /// There is no such port.
    Rejected,
    /// Nothing.
    Silence,
}

impl Network {
    /// What the resolver does about a query.
    pub fn resolve(&self, resolver: usize, transport: Transport, query: &[u8]) -> Treatment {
        let Ok(message) = Message::parse(query) else { return Treatment::Silence };
        let Ok(Some(question)) = message.question() else { return Treatment::Silence };
        let name = question.name.to_string().trim_end_matches('.').to_ascii_lowercase();
        let family = match question.kind {
            Type::A => Some(Family::Ipv4),
            Type::AAAA => Some(Family::Ipv6),
            _ => None,
        };
        let reply = (self.dns)(resolver, transport, &name, family.unwrap_or(Family::Ipv4));
        let (rcode, addresses) = match reply {
            Reply::Addresses(addresses) => (Rcode::NOERROR, addresses),
            Reply::NoSuchName => (Rcode::NXDOMAIN, Vec::new()),
            Reply::Refused => (Rcode::REFUSED, Vec::new()),
            Reply::Rejected => return Treatment::Rejected,
            Reply::Silent => return Treatment::Silence,
        };
        let flags = Flags::RESPONSE.with(Flags::RECURSION_DESIRED).with(Flags::RECURSION_AVAILABLE);
        let mut buffer = [0; 512];
        let mut writer = Writer::new(&mut buffer, message.id(), flags.with_rcode(rcode));
        writer.question(&question.name.to_buf(), question.kind, Class::IN);
        for address in addresses.iter().filter(|_| family.is_some()) {
            match address {
                IpAddr::V4(address) => writer.answer(question.kind, TTL_S, &address.octets()),
                IpAddr::V6(address) => writer.answer(question.kind, TTL_S, &address.octets()),
            };
        }
        // A name and an address fit.
        let Ok(len) = writer.finish() else { return Treatment::Silence };
        Treatment::Answer(buffer[..len].to_vec())
    }

    /// What a connection meets before its request is known.
    pub fn door(&self, address: IpAddr, port: u16) -> Meeting {
        (self.tcp)(&Connection { address, port, host: "", path: "" })
    }
}

/// How long an answer may be kept: not long, since somebody may sign in.
const TTL_S: u32 = 60;

/// The network called so.
#[expect(clippy::too_many_lines, reason = "a list, one network after the other")]
pub fn network(name: &str) -> Option<Network> {
    let portal = |tcp| Network { dns: honest_dns, tcp };
    let closed = |dns| Network { dns, tcp: honest_tcp };
    Some(match name {
        "clean" => Network { dns: honest_dns, tcp: honest_tcp },
        "portal-302" => portal(|to| on_port_80(to, || text(PORTAL))),
        "portal-ipv4-alone" => {
            portal(|to| if to.address.is_ipv4() { on_port_80(to, || text(PORTAL)) } else { honest_tcp(to) })
        }
        "offline-ipv6-alone" => {
            portal(|to| if to.address.is_ipv6() { Meeting::Dropped } else { honest_tcp(to) })
        }
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
        None if name.ends_with(".example.net") => match family {
            Family::Ipv4 if !name.starts_with("ipv6") => one(HOST.into()),
            Family::Ipv6 if !name.starts_with("ipv4") => one(HOST6.into()),
            _ => Reply::Addresses(Vec::new()),
        },
        // A portal lives in the carrier's own network.
        None if name.ends_with(".isp.test") => match family {
            Family::Ipv4 => one(private(family)),
            Family::Ipv6 => Reply::Addresses(Vec::new()),
        },
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
                None => Meeting::Page,
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

#[cfg(test)]
mod tests {
    use gatelet_wire::dns::NameBuf;

    use super::*;

    fn ask(network_name: &str, name: &str, kind: Type) -> Treatment {
        let mut buffer = [0; 300];
        let len = Writer::new(&mut buffer, 7, Flags::RECURSION_DESIRED)
            .question(&NameBuf::from_text(name).unwrap(), kind, Class::IN)
            .finish()
            .unwrap();
        network(network_name).unwrap().resolve(0, Transport::Udp, &buffer[..len])
    }

    #[test]
    fn questions_are_answered_as_the_network_says() {
        let Treatment::Answer(answer) = ask("clean", "Captive.Apple.com", Type::A) else {
            panic!("an answer")
        };
        let answer = Message::parse(&answer).unwrap();
        let record = answer.records().unwrap().next().unwrap().unwrap();
        assert!(matches!(record.address(), Some(smoltcp::wire::IpAddress::Ipv4(_))));
        let code = |treatment| match treatment {
            Treatment::Answer(answer) => Message::parse(&answer).unwrap().flags().rcode(),
            other => panic!("{other:?}"),
        };
        assert_eq!(code(ask("clean", "nobody.com", Type::A)), Rcode::NXDOMAIN);
        assert_eq!(code(ask("offline-dns-refused", "captive.apple.com", Type::A)), Rcode::REFUSED);
        assert_eq!(code(ask("clean", "captive.apple.com", Type::SRV)), Rcode::NOERROR);
        assert_eq!(ask("offline-dead", "captive.apple.com", Type::A), Treatment::Silence);
        assert_eq!(ask("offline-dns-rejected", "captive.apple.com", Type::A), Treatment::Rejected);
    }

    #[test]
    fn rows_and_other_hosts_have_addresses_of_their_own() {
        let last = address_of(TABLE.len() - 1, Family::Ipv4);
        assert!(last < IpAddr::V4(crate::peers::internet::ATTACKER), "{last}");
    }
}
