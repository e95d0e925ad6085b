//! Addresses of the LAN's kind, from outside.

use gatelet_proto::dns::{Config, Dropped, Event, NameList};
use gatelet_wire::dns::{Class, Flags, NameBuf, Opt, Rcode, Section, Type};
use gatelet_wire::{Ipv4Address, Ipv6Address};

use crate::world::{USUAL, World, show, udp};

fn name(text: &str) -> NameBuf {
    NameBuf::from_text(text).expect("a name")
}

/// What a host gets when the server says that `host.example.org` has this address.
fn told(world: &mut World, host: &str, address: &str) -> String {
    let (kind, octets) = match address.parse::<Ipv4Address>() {
        Ok(address) => (Type::A, address.octets().to_vec()),
        Err(_) => (Type::AAAA, address.parse::<Ipv6Address>().expect("an address").octets().to_vec()),
    };
    world.ask(1, host, kind).unwrap();
    let _ = world.answer(Rcode::NOERROR, |writer| {
        writer.answer(kind, 300, &octets);
    });
    show(&world.last_told().bytes)
}

const PRIVATE: [&str; 24] = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.255.1",
    "::",
    "::1",
    "::192.168.1.1",
    "::ffff:192.168.1.1",
    "::ffff:127.0.0.1",
    "64:ff9b::10.0.0.1",
    "fc00::1",
    "fdff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
];

const PUBLIC: [&str; 16] = [
    "1.0.0.1",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "126.0.0.1",
    "128.0.0.1",
    "169.253.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.167.0.1",
    "192.169.0.1",
    "2001:db8::1",
    "::ffff:203.0.113.7",
    "fbff::1",
    "ff02::1",
];

#[test]
fn they_are_refused() {
    for address in PRIVATE {
        let mut world = World::new();
        let told = told(&mut world, "host.example.org", address);
        assert!(told.starts_with("NXDOMAIN host.example.org"), "{address}: {told}");
        assert!(!told.contains(':'), "no records: {told}");
        world.expect_count(Dropped::Rebind, 1);
        let Some(Event::Rebind { name, address: refused }) = world.events.first() else {
            panic!("{:?}", world.events)
        };
        assert_eq!(name, "host.example.org");
        assert_eq!(refused.to_string(), address.parse::<std::net::IpAddr>().unwrap().to_string());
        assert_eq!(world.forwarder.cache_usage().0, 0, "it is not kept");
    }
}

#[test]
fn others_are_not() {
    for address in PUBLIC {
        let mut world = World::new();
        let told = told(&mut world, "host.example.org", address);
        assert!(told.starts_with("NOERROR"), "{address}: {told}");
        world.expect_count(Dropped::Rebind, 0);
    }
}

#[test]
fn one_among_many_is_enough() {
    let mut world = World::new();
    let edns = Opt { udp_payload_size: 1232, extended_rcode: 0, version: 0, flags: 0, options: &[] };
    world.ask_with(udp(1), "host.example.org", Type::A, Flags::RECURSION_DESIRED, Some(edns)).unwrap();
    let answer = world.answer(Rcode::NOERROR, |writer| {
        writer.answer(Type::A, 300, &[203, 0, 113, 7]).answer(Type::A, 300, &[192, 168, 1, 1]);
    });
    assert_eq!(answer, Err(Dropped::Rebind));
    assert_eq!(show(&world.last_told().bytes), "NXDOMAIN host.example.org A edns 1232 ede 15");
}

/// The end of an alias, and the hints of a service binding, are as good as the name's own address.
#[test]
fn there_is_no_way_around() {
    let mut world = World::new();
    let target = name("target.example.net");
    world.ask(1, "host.example.org", Type::A).unwrap();
    let answer = world.answer(Rcode::NOERROR, |writer| {
        writer.answer(Type::CNAME, 300, target.as_bytes()).record(
            Section::Answer,
            &target,
            Type::A,
            Class::IN,
            300,
            &[192, 168, 1, 1],
        );
    });
    assert_eq!(answer, Err(Dropped::Rebind));

    let hints: [&[u8]; 2] = [
        b"\x00\x01\x00\x00\x04\x00\x08\xcb\x00\x71\x07\xc0\xa8\x01\x01",
        b"\x00\x01\x00\x00\x06\x00\x10\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01",
    ];
    for hint in hints {
        world.ask(1, "host.example.org", Type::HTTPS).unwrap();
        let answer = world.answer(Rcode::NOERROR, |writer| {
            writer.answer(Type::HTTPS, 300, hint);
        });
        assert_eq!(answer, Err(Dropped::Rebind));
    }
}

#[test]
fn what_comes_along_is_left_out() {
    let mut world = World::new();
    world.ask(1, "host.example.org", Type::A).unwrap();
    world
        .answer(Rcode::NOERROR, |writer| {
            writer.answer(Type::A, 300, &[203, 0, 113, 7]).record(
                Section::Additional,
                &name("ns.example.org"),
                Type::A,
                Class::IN,
                300,
                &[192, 168, 1, 1],
            );
        })
        .unwrap();
    assert_eq!(show(&world.last_told().bytes), "NOERROR host.example.org A : A 300 203.0.113.7");
}

#[test]
fn names_that_may() {
    let mut world = World::new();
    let mut exceptions = NameList::new();
    exceptions.push(&name("plex.direct")).unwrap();
    exceptions.push(&name("office.example.org")).unwrap();
    world.forwarder.set_rebind_exceptions(exceptions);
    let mut kind_of = |host: &str| told(&mut world, host, "192.168.1.7")[..4].to_owned();
    assert_eq!(kind_of("192-168-1-7.abc.Plex.Direct"), "NOER");
    assert_eq!(kind_of("office.example.org"), "NOER");
    assert_eq!(kind_of("nas.office.example.org"), "NOER");
    assert_eq!(kind_of("backoffice.example.org"), "NXDO");
    assert_eq!(kind_of("example.org"), "NXDO");
}

#[test]
fn a_portals_name_may_for_a_while() {
    let mut world = World::new();
    world.forwarder.relax_rebind(Some(name("login.portal.example")));
    assert!(told(&mut world, "Login.Portal.example", "10.0.0.1").starts_with("NOERROR"));
    assert!(told(&mut world, "www.login.portal.example", "10.0.0.1").starts_with("NXDOMAIN"));
    assert!(told(&mut world, "example.org", "10.0.0.1").starts_with("NXDOMAIN"));
    world.forwarder.relax_rebind(None);
    world.forwarder.clear_cache();
    assert!(told(&mut world, "login.portal.example", "10.0.0.1").starts_with("NXDOMAIN"));
}

#[test]
fn all_names_may_if_the_owner_says_so() {
    let config = Config { rebind_protection: false, ..Config::default() };
    let mut world = World::with(config, &USUAL);
    assert!(told(&mut world, "example.org", "10.0.0.1").starts_with("NOERROR"));
}

/// Windows takes the Internet for absent unless it sees these two.
#[test]
fn the_test_of_windows_passes_unaltered() {
    let mut world = World::new();
    let a = told(&mut world, "dns.msftncsi.com", "131.107.255.255");
    assert_eq!(a, "NOERROR dns.msftncsi.com A : A 300 131.107.255.255");
    let aaaa = told(&mut world, "dns.msftncsi.com", "fd3e:4f5a:5b81::1");
    assert_eq!(aaaa, "NOERROR dns.msftncsi.com AAAA : AAAA 300 fd3e:4f5a:5b81::1");
    world.expect_count(Dropped::Rebind, 0);
}

#[test]
fn the_list_of_exceptions_has_an_end() {
    let mut list = NameList::new();
    let long = name(&format!("{}.example.org", "a".repeat(60)));
    let mut pushed = 0;
    while list.push(&long).is_ok() {
        pushed += 1;
    }
    assert_eq!(pushed, 510 / long.as_bytes().len());
    assert_eq!(list.iter().count(), pushed);
    assert!(list.iter().all(|entry| entry == long));
}
