use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};

use super::{Lease, Machine, Memory, Service, Size, Target, Task};

const SERVER: Ipv4Address = Ipv4Address::new(10, 0, 0, 2);

fn fixed(last: u8) -> Lease {
    let address = Ipv4Cidr::new(Ipv4Address::new(10, 0, 0, last), 24);
    Lease { address, gateway: Ipv4Address::new(10, 0, 0, 9), dns: Vec::new(), portal: None }
}

/// A client that does `task` and a server, on one cable that loses frames for which `loses` says so. What the client
/// tells, as tags and reasons, and its end.
fn meet(task: Task, mut loses: impl FnMut(u64) -> bool) -> (Vec<(&'static str, String)>, Instant) {
    let mut memory = [Memory::new(Size::LAN_HOST), Memory::new(Size::LAN_HOST)];
    let mut storage = memory.each_ref().map(Memory::storage);
    let [here, there] = &mut memory;
    let [one, other] = &mut storage;
    let mac = |last| EthernetAddress([2, 0, 0, 0, 0, last]);
    let mut client = Machine::on_ethernet("client", mac(1), Some(fixed(1)), here, one, 1);
    let mut server = Machine::on_ethernet("server", mac(2), Some(fixed(2)), there, other, 2);
    server.serve(Service::Http, 80, 2);
    server.serve(Service::EchoTcp, 7, 2);
    server.serve(Service::EchoUdp, 7, 1);
    let mut now = Instant::ZERO;
    client.begin(now, task);
    let (mut news, mut frames) = (Vec::new(), 0);
    while client.busy() > 0 {
        assert!(now < Instant::from_secs(100_000), "it goes on for ever");
        client.poll(now);
        while let Some(frame) = client.sent() {
            frames += 1;
            if !loses(frames) {
                server.receive(now, &frame);
            }
        }
        server.poll(now);
        while let Some(frame) = server.sent() {
            frames += 1;
            if !loses(frames) {
                client.receive(now, &frame);
            }
        }
        news.extend(client.take_news().map(|news| (news.tag, news.why)));
        let next = [client.poll_at(), server.poll_at()].into_iter().flatten().min();
        now = next.unwrap_or(now).max(now + Duration::from_micros(10));
    }
    (news, now)
}

fn fetch(port: u16, size: u64) -> Task {
    let patience = Duration::from_secs(20);
    Task::Fetch { target: Target::Address(SERVER), port, size, patience }
}

fn tags(told: &[(&'static str, String)]) -> Vec<&'static str> {
    told.iter().map(|(tag, _)| *tag).collect()
}

#[test]
fn a_page_comes_whole_over_a_good_and_a_bad_cable() {
    assert_eq!(tags(&meet(fetch(80, 100_000), |_| false).0), ["fetched"]);
    assert_eq!(tags(&meet(fetch(80, 100_000), |frame| frame % 10 == 3).0), ["fetched"]);
    assert_eq!(tags(&meet(fetch(80, 0), |_| false).0), ["fetched"]);
}

#[test]
fn a_page_does_not_come_from_a_closed_port_nor_over_a_dead_cable() {
    let (told, _) = meet(fetch(81, 1000), |_| false);
    assert_eq!(told, [("fetch-failed", "the connection was refused".into())]);
    let (told, _) = meet(fetch(80, 100_000), |frame| frame > 30);
    assert!(told[0].1.starts_with("stalled after "), "{told:?}");
}

#[test]
fn datagrams_are_counted() {
    let every = Duration::from_millis(20);
    let lasts = Duration::from_secs(1);
    let task = || Task::Stream { target: Target::Address(SERVER), port: 7, every, lasts, size: 100 };
    assert_eq!(tags(&meet(task(), |_| false).0), ["stream-over"]);
    let (told, end) = meet(task(), |frame| frame == 30);
    assert_eq!(tags(&told), ["datagrams-lost"]);
    assert!(end >= Instant::from_millis(2900), "the last is waited for: {end}");
}

#[test]
fn a_connection_survives_hours_of_silence_and_not_a_dead_cable() {
    let (every, lasts) = (Duration::from_secs(5400), Duration::from_secs(20_000));
    let task = || Task::Hold {
        target: Target::Address(SERVER),
        port: 7,
        every,
        lasts,
        patience: Duration::from_secs(20),
    };
    let (told, _) = meet(task(), |_| false);
    assert_eq!(tags(&told), ["flow-opened", "flow-survived"]);
    assert_eq!(told[1].1, "4 words answered");
    let (told, _) = meet(task(), |frame| frame > 12);
    assert_eq!(tags(&told), ["flow-opened", "flow-lost"]);
}

#[test]
fn pings_are_answered_or_missed() {
    let task = || Task::Ping { target: Target::Address(SERVER), count: 3, size: 32 };
    assert_eq!(tags(&meet(task(), |_| false).0), ["ping"; 3]);
    assert_eq!(tags(&meet(task(), |frame| frame > 4).0), ["ping", "ping-lost", "ping-lost"]);
}
