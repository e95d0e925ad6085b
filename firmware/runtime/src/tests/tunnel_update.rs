//! Endpoint updates over sockets: both ends ours, and ends that do not behave.

use std::cell::RefCell;
use std::string::String;
use std::vec::Vec;

use embassy_futures::join::join;
use embassy_futures::select::{Either, select};
use embassy_net::tcp::TcpSocket;
use embassy_net::{Stack, StackResources};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::pubsub::WaitResult;
use embassy_time::{Duration, Timer};
use gatelet_hal::FramePool;
use gatelet_proto::sixinfour::update::server::{Dropped, Entry};
use gatelet_proto::sixinfour::update::{self, Account, Config, Refusal, RetryIn};
use gatelet_router::{Command, Ipv4Status, TunnelId, WanId};
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

use super::world::World;
use crate::lan::LanAddresses;
use crate::{Event, Gatelet, PlainHttp, Session, TunnelUpdate, UpdateDesk, UpdateSpace};

const WAN: WanId = WanId(0);
const FIRST: Ipv4Address = Ipv4Address::new(203, 0, 113, 5);
const SECOND: Ipv4Address = Ipv4Address::new(203, 0, 113, 6);
/// Where the server listens; between it and the WAN the router translates, here nobody does.
const SERVER: Ipv4Address = Ipv4Address::new(203, 0, 113, 1);
/// Somebody on the Internet.
const STRANGER: Ipv4Address = Ipv4Address::new(203, 0, 113, 7);
const PORT: u16 = 8041;
const TOLD: TunnelId = TunnelId(0);
const HEARD: TunnelId = TunnelId(2);

type Shared<'p> = Gatelet<'p, NoopRawMutex, 1, 2>;

fn account(key: &str) -> Account {
    Account::new("alice", key).unwrap()
}

fn tell(key: &str) -> TunnelUpdate {
    TunnelUpdate::Tell(Config {
        server: "203.0.113.1".try_into().unwrap(),
        port: PORT,
        hostname: "home".try_into().unwrap(),
        account: account(key),
        says_address: false,
        allows_plain_http: true,
    })
}

fn hear() -> TunnelUpdate {
    let hostname = "home".try_into().unwrap();
    TunnelUpdate::Hear(Entry { account: account("s3cret"), hostname, remote: None })
}

fn come_up(gatelet: &Shared<'_>, wan: usize, address: Option<Ipv4Address>) {
    let session = address.map(|address| Session {
        ipv4: Some(Ipv4Status { address, peer: None, dns: [None; 2] }),
        ipv6: None,
        ipv6_access: None,
        mtu: 1492,
    });
    gatelet.stacks[wan].session.sender().send(session);
}

/// Carries packets between the WANs' stacks and that of the LAN.
async fn carry(gatelet: &Shared<'_>) {
    loop {
        for wan in &gatelet.stacks {
            while let Ok(frame) = wan.from_stack.channel.try_receive() {
                gatelet.lan.to_stack.push(frame);
            }
        }
        while let Ok(frame) = gatelet.lan.from_stack.channel.try_receive() {
            let is_strangers = frame.bytes()[16..20] == STRANGER.octets();
            gatelet.stacks[usize::from(is_strangers)].to_stack.push(frame);
        }
        Timer::after(Duration::from_millis(1)).await;
    }
}

/// What happened, in order.
#[derive(Default)]
struct Heard(RefCell<Vec<String>>);

impl Heard {
    fn note(&self, what: String) {
        self.0.borrow_mut().push(what);
    }

    fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// Plays the router, and listens.
async fn listen(gatelet: &Shared<'_>, heard: &Heard) {
    let mut events = gatelet.events().unwrap();
    loop {
        let command = gatelet.commands.receive();
        match select(command, events.next_message()).await {
            Either::First(Command::Listen { port }) => {
                heard.note(std::format!("listen {port:?}"));
            }
            Either::First(Command::MoveTunnel { tunnel, remote }) => {
                heard.note(std::format!("tunnel {} moves to {remote}", tunnel.0));
            }
            Either::Second(WaitResult::Message(timed)) => match timed.event {
                Event::TunnelUpdate { tunnel, event } => {
                    heard.note(std::format!("tunnel {}: {event}", tunnel.0));
                }
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
}

/// The stacks, the tasks between them, and what `test` does.
fn in_world(test: impl for<'a, 'p> FnOnce(&mut World<'a>, &'a Shared<'p>, Stack<'a>, &'a Heard)) {
    let frames = FramePool::<NoopRawMutex, 64>::new();
    let desk = UpdateDesk::new();
    let mut gatelet: Shared<'_> = Gatelet::new(frames.pool());
    gatelet.lend_tunnel_updates(&desk);
    let gatelet = gatelet;
    let (mut first, mut second) = (StackResources::<2>::new(), StackResources::<5>::new());
    let mut third = StackResources::<{ 1 + UpdateSpace::LAN_SOCKETS }>::new();
    let mut space = UpdateSpace::new();
    assert!(size_of_val(&space) <= 7 * 1024 && size_of_val(&desk) <= 1331, "as is said");
    let heard = Heard::default();
    let (wan, wan_runner) = gatelet.wan_stack(WAN, &mut first, 1).unwrap();
    let (stranger, stranger_runner) = gatelet.wan_stack(WanId(1), &mut second, 2).unwrap();
    let (lan, lan_runner) = gatelet.lan_stack(&mut third, 3).unwrap();
    let ipv4 = Ipv4Cidr::new(SERVER, 24);
    gatelet.lan.session.sender().send(Some(LanAddresses { ipv4, link_local: None, ipv6: None }));
    come_up(&gatelet, 1, Some(STRANGER));
    let mut world = World::default();
    world.spawn(wan_runner.run());
    world.spawn(stranger_runner.run());
    world.spawn(lan_runner.run());
    world.spawn(carry(&gatelet));
    world.spawn(listen(&gatelet, &heard));
    world.spawn(gatelet.run_tunnel_updates(WAN, (lan, wan), PlainHttp, &mut space));
    world.run_for(1000);
    test(&mut world, &gatelet, stranger, &heard);
}

const SECOND_US: u64 = 1_000_000;

#[test]
fn both_ends_ours() {
    in_world(|world, gatelet, _, heard| {
        gatelet.set_tunnel_update(TOLD, Some(tell("s3cret")));
        world.run_for(SECOND_US);
        assert_eq!(heard.take(), [""; 0], "no address, nobody who listens");
        gatelet.set_tunnel_update(HEARD, Some(hear()));
        come_up(gatelet, 0, Some(FIRST));
        world.run_for(5 * SECOND_US);
        let moved = [
            "listen Some(8041)",
            "tunnel 2 moves to 203.0.113.5",
            "tunnel 0: the broker uses 203.0.113.5 now",
        ];
        assert_eq!(heard.take(), moved);
        // The same once more changes nothing, and neither does a redial that brings the same address.
        gatelet.set_tunnel_update(TOLD, Some(tell("s3cret")));
        gatelet.set_tunnel_update(HEARD, Some(hear()));
        come_up(gatelet, 0, None);
        world.run_for(5 * SECOND_US);
        come_up(gatelet, 0, Some(FIRST));
        world.run_for(100 * SECOND_US);
        assert_eq!(heard.take(), [""; 0]);
        come_up(gatelet, 0, Some(SECOND));
        world.run_for(5 * SECOND_US);
        assert_eq!(
            heard.take(),
            ["tunnel 2 moves to 203.0.113.6", "tunnel 0: the broker uses 203.0.113.6 now"]
        );
        // A server that has forgotten, as after a reboot.
        gatelet.set_tunnel_update(HEARD, None);
        world.run_for(SECOND_US);
        gatelet.set_tunnel_update(HEARD, Some(hear()));
        world.run_for(SECOND_US);
        assert_eq!(heard.take(), ["listen None", "listen Some(8041)"]);
        gatelet.updates.unwrap().note_silence(TOLD);
        world.run_for(3500 * SECOND_US);
        assert_eq!(heard.take(), [""; 0], "not within the hour");
        world.run_for(200 * SECOND_US);
        assert_eq!(
            heard.take(),
            ["tunnel 2 moves to 203.0.113.6", "tunnel 0: the broker uses 203.0.113.6 now"]
        );
        let counters = gatelet.tunnel_update_counters().unwrap();
        assert_eq!((counters.updated, counters.dropped(Dropped::BadAuth)), (3, 0));
    });
}

#[test]
fn what_is_refused() {
    in_world(|world, gatelet, _, heard| {
        gatelet.set_tunnel_update(HEARD, Some(hear()));
        come_up(gatelet, 0, Some(FIRST));
        let TunnelUpdate::Tell(config) = tell("s3cret") else { unreachable!() };
        let in_clear = Config { allows_plain_http: false, ..config.clone() };
        let nobody = Config { port: PORT + 1, ..config };
        for (update, said) in [
            (TunnelUpdate::Tell(in_clear), update::Event::Refused(Refusal::NotEncrypted)),
            (tell("wrong"), update::Event::Refused(Refusal::BadAuth)),
            (
                TunnelUpdate::Tell(nobody),
                update::Event::Failed(RetryIn {
                    wait: smoltcp::time::Duration::from_secs(60),
                    is_broker: false,
                }),
            ),
        ] {
            gatelet.set_tunnel_update(TOLD, Some(update));
            world.run_for(35 * SECOND_US);
            let heard = heard.take();
            assert_eq!(heard.last(), Some(&std::format!("tunnel 0: {said}")), "{heard:?}");
        }
        let counters = gatelet.tunnel_update_counters().unwrap();
        assert_eq!((counters.updated, counters.dropped(Dropped::BadAuth)), (0, 1), "one has spoken to it");
    });
}

/// Says `request`, and hears out the answer; `None` if there is no connection.
async fn ask(stack: Stack<'_>, port: u16, request: &[u8]) -> Option<Vec<u8>> {
    let (mut rx, mut tx) = ([0; 512], [0; 512]);
    let mut socket = TcpSocket::new(stack, &mut rx, &mut tx);
    socket.connect((SERVER, port)).await.ok()?;
    let mut written = 0;
    while written < request.len() {
        written += socket.write(&request[written..]).await.ok()?;
    }
    let (mut answer, mut buffer) = (Vec::new(), [0; 64]);
    while let Ok(len @ 1..) = socket.read(&mut buffer).await {
        answer.extend_from_slice(&buffer[..len]);
    }
    socket.close();
    let _ = socket.flush().await;
    Some(answer)
}

const GOOD: &[u8] = b"GET /nic/update?hostname=home&myip=198.51.100.9 HTTP/1.1\r\nAuthorization: Basic YWxpY2U6czNjcmV0\r\n\r\n";

#[test]
fn strangers_keep_nobody_out() {
    in_world(|world, gatelet, stranger, heard| {
        world.spawn(async move {
            assert_eq!(ask(stranger, PORT, GOOD).await, None, "nobody listens");
            gatelet.set_tunnel_update(HEARD, Some(hear()));
            gatelet.set_tunnel_update_port(PORT + 1);
            Timer::after(Duration::from_secs(1)).await;
            assert_eq!(ask(stranger, PORT, GOOD).await, None);
            for nonsense in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\r\n\r\n", &[b'a'; 2000]] {
                assert_eq!(ask(stranger, PORT + 1, nonsense).await.unwrap_or_default(), b"");
            }
            // All who may speak at once say nothing: they have ten seconds.
            let dawdle = ask(stranger, PORT + 1, b"GET /nic/up");
            let (first, second) = join(dawdle, ask(stranger, PORT + 1, b"")).await;
            assert_eq!((first.unwrap_or_default(), second.unwrap_or_default()), (Vec::new(), Vec::new()));
            // All of them are begun and not gone on with, as by who only pretends to be there.
            let beginning = join(ask(stranger, PORT + 1, b""), ask(stranger, PORT + 1, b""));
            let _ = select(beginning, Timer::after(Duration::from_micros(1500))).await;
            come_up(gatelet, 1, None);
            Timer::after(Duration::from_secs(5)).await;
            come_up(gatelet, 1, Some(STRANGER));
            Timer::after(Duration::from_secs(1)).await;
            assert_eq!(ask(stranger, PORT + 1, GOOD).await, None, "they hold the places");
            Timer::after(Duration::from_secs(6)).await;
            let answer = ask(stranger, PORT + 1, GOOD).await.unwrap();
            heard.note(String::from_utf8(answer).unwrap());
        });
        world.run_for(45 * SECOND_US);
        let heard = heard.take();
        assert_eq!(heard[..2], ["listen Some(8042)", "tunnel 2 moves to 198.51.100.9"]);
        assert!(heard[2].ends_with("\r\n\r\ngood 198.51.100.9\r\n"), "{}", heard[2]);
        let counters = gatelet.tunnel_update_counters().unwrap();
        assert_eq!((counters.updated, counters.dropped(Dropped::Malformed)), (1, 3));
    });
}
