//! Names that never leave the LAN.

use gatelet_proto::dns::Config;
use gatelet_wire::Ipv6Address;
use gatelet_wire::dns::Type;

use crate::world::{USUAL, World, show};

const SOA_LAN: &str = "; SOA 30 min 30";
const SOA_CONSTANT: &str = "; SOA 10800 min 10800";

/// What the router itself answers; nobody outside may hear of it.
#[track_caller]
fn told(world: &mut World, name: &str, kind: Type) -> String {
    world.ask(1, name, kind).unwrap();
    assert!(world.asked.is_empty(), "{name} was asked outside");
    show(&world.last_told().bytes)
}

fn world() -> World {
    let lan_ipv6 = Some(Ipv6Address::new(0xfd00, 0, 0, 1, 0, 0, 0, 1));
    World::with(Config { lan_ipv6, ..Config::default() }, &USUAL)
}

#[test]
fn hosts_and_the_router() {
    let mut world = world();
    let mut told = |name: &str, kind| told(&mut world, name, kind);
    assert_eq!(told("printer.lan", Type::A), "NOERROR aa printer.lan A : A 30 192.168.1.20");
    assert_eq!(told("Printer.LAN", Type::A), "NOERROR aa Printer.LAN A : A 30 192.168.1.20");
    assert_eq!(told("printer", Type::A), "NOERROR aa printer A : A 30 192.168.1.20");
    assert_eq!(told("printer.lan", Type::AAAA), format!("NOERROR aa printer.lan AAAA {SOA_LAN}"));
    assert_eq!(told("gatelet.lan", Type::A), "NOERROR aa gatelet.lan A : A 30 192.168.1.1");
    assert_eq!(told("gatelet", Type::A), "NOERROR aa gatelet A : A 30 192.168.1.1");
    assert_eq!(told("gatelet.lan", Type::AAAA), "NOERROR aa gatelet.lan AAAA : AAAA 30 fd00:0:0:1::1");
    assert_eq!(told("gatelet.lan", Type::TXT), format!("NOERROR aa gatelet.lan TXT {SOA_LAN}"));
    assert_eq!(told("lan", Type::SOA), format!("NOERROR aa lan SOA {SOA_LAN}"));
}

#[test]
fn what_is_not_there() {
    let mut world = world();
    let mut told = |name: &str, kind| told(&mut world, name, kind);
    assert_eq!(told("nobody.lan", Type::A), format!("NXDOMAIN aa nobody.lan A {SOA_LAN}"));
    assert_eq!(told("www.example.org.lan", Type::A), format!("NXDOMAIN aa www.example.org.lan A {SOA_LAN}"));
    assert_eq!(told("sub.printer.lan", Type::A), format!("NXDOMAIN aa sub.printer.lan A {SOA_LAN}"));
    assert_eq!(told("wpad", Type::A), "NXDOMAIN aa wpad A");
    assert_eq!(told("wpad", Type::AAAA), "NXDOMAIN aa wpad AAAA");
}

#[test]
fn what_is_not_the_lans_is_asked() {
    let mut world = world();
    for (name, kind) in [
        ("com", Type::NS),
        ("printer.lan.example.org", Type::A),
        ("badlan", Type::SOA),
        ("7.113.1.203.in-addr.arpa", Type::PTR),
        ("168.in-addr.arpa", Type::NS),
        ("172.in-addr.arpa", Type::NS),
        ("1.0.15.172.in-addr.arpa", Type::PTR),
        ("1.0.32.172.in-addr.arpa", Type::PTR),
        ("1.0.63.100.in-addr.arpa", Type::PTR),
        ("in-addr.arpa", Type::SOA),
        ("x.168.192.in-addr.arpa", Type::PTR),
        ("256.168.192.in-addr.arpa", Type::PTR),
        ("0.c.e.f.ip6.arpa", Type::PTR),
        ("d.0.1.0.0.2.ip6.arpa", Type::PTR),
        ("ip6.arpa", Type::SOA),
        ("dns.msftncsi.com", Type::A),
    ] {
        let before = world.asked.len();
        world.ask(before as u8, name, kind).unwrap();
        assert_eq!(world.asked.len(), before + 1, "{name} was not asked");
        world.answer(gatelet_wire::dns::Rcode::NXDOMAIN, |_| ()).unwrap();
    }
}

#[test]
fn special_names() {
    let mut world = world();
    let mut told = |name: &str, kind| told(&mut world, name, kind);
    assert_eq!(told("localhost", Type::A), "NOERROR aa localhost A : A 10800 127.0.0.1");
    assert_eq!(told("app.LocalHost", Type::AAAA), "NOERROR aa app.LocalHost AAAA : AAAA 10800 ::1");
    assert_eq!(told("localhost", Type::TXT), format!("NOERROR aa localhost TXT {SOA_CONSTANT}"));
    for name in ["x.invalid", "printer.local", "_ipp._tcp.local", "x.onion", "x.home.arpa"] {
        let expected = format!("NXDOMAIN aa {name} TYPE33 {SOA_CONSTANT}");
        assert_eq!(told(name, Type::SRV), expected);
    }
    assert_eq!(told("local", Type::SOA), format!("NOERROR aa local SOA {SOA_CONSTANT}"));
    let expected = format!("NOERROR aa _dns.resolver.arpa TYPE64 {SOA_CONSTANT}");
    assert_eq!(told("_dns.resolver.arpa", Type::SVCB), expected);
}

#[test]
fn addresses_of_the_lan_have_names() {
    let mut world = world();
    let mut told = |name: &str, kind| told(&mut world, name, kind);
    let printer = "20.1.168.192.in-addr.arpa";
    assert_eq!(told(printer, Type::PTR), format!("NOERROR aa {printer} PTR : PTR 30 printer.lan"));
    assert_eq!(told(printer, Type::A), format!("NOERROR aa {printer} A {SOA_LAN}"));
    let router = "1.1.168.192.in-addr.arpa";
    assert_eq!(told(router, Type::PTR), format!("NOERROR aa {router} PTR : PTR 30 gatelet.lan"));
    let nobody = "99.1.168.192.in-addr.arpa";
    assert_eq!(told(nobody, Type::PTR), format!("NXDOMAIN aa {nobody} PTR {SOA_LAN}"));
    let ipv6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
    assert_eq!(told(ipv6, Type::PTR), format!("NOERROR aa {ipv6} PTR : PTR 30 gatelet.lan"));
}

#[test]
fn private_reverse_zones_are_empty() {
    let mut world = world();
    for name in [
        "1.0.0.10.in-addr.arpa",
        "1.0.0.127.in-addr.arpa",
        "1.0.0.0.in-addr.arpa",
        "1.0.16.172.in-addr.arpa",
        "1.0.31.172.in-addr.arpa",
        "1.2.168.192.in-addr.arpa",
        "254.169.254.169.in-addr.arpa",
        "1.0.64.100.in-addr.arpa",
        "1.0.127.100.in-addr.arpa",
        "1.2.0.192.in-addr.arpa",
        "1.100.51.198.in-addr.arpa",
        "1.113.0.203.in-addr.arpa",
        "255.255.255.255.in-addr.arpa",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
        "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
        "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.ip6.arpa",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
    ] {
        let told = told(&mut world, name, Type::PTR);
        assert_eq!(told, format!("NXDOMAIN aa {name} PTR {SOA_CONSTANT}"));
    }
    // There is something below them, or could be.
    for name in ["168.192.in-addr.arpa", "1.168.192.in-addr.arpa", "10.in-addr.arpa", "0.0.d.f.ip6.arpa"] {
        let told = told(&mut world, name, Type::SOA);
        assert_eq!(told, format!("NOERROR aa {name} SOA {SOA_CONSTANT}"));
    }
}

#[test]
fn it_works_without_a_line() {
    let mut world = World::down(Config::default(), &USUAL);
    assert_eq!(told(&mut world, "printer.lan", Type::A), "NOERROR aa printer.lan A : A 30 192.168.1.20");
    assert_eq!(world.forwarder.statistics().local, 1);
}
