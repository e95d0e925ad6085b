//! The console's task: typed at one end of a pipe, read at the other.

use std::cell::RefCell;
use std::string::String;
use std::vec::Vec;

use embassy_futures::join::join;
use embassy_net::StackResources;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::pipe::Pipe;
use embassy_time::{Duration, Timer};
use gatelet_console::Console;
use gatelet_hal::{FramePool, LinkState, PortId};
use gatelet_proto::redial::{Boot, Ledger};
use gatelet_router::{Ipv4Status, Ipv6Access, Router, TableSpace, Via, WanId};
use gatelet_settings::Settings;
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv6Address};

use super::world::World;
use crate::settings::{SettingsDesk, Sides, set_up};
use crate::{ConsoleEnd, ConsoleSide, Gatelet, LedgerStore, Session, StoreError};

type Line = Pipe<NoopRawMutex, 64>;

const SIDES: Sides = Sides { wan: PortId(0), lan: PortId(1) };
const WAN: WanId = WanId(0);

struct Nowhere;

impl LedgerStore for Nowhere {
    async fn load(&mut self, _: WanId) -> Option<Ledger> {
        None
    }

    async fn store(&mut self, _: WanId, _: &Ledger) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Types lines, each after a while, and answers all that was printed since the one before.
async fn type_lines(line: &Line, seen: &RefCell<Vec<u8>>, lines: &[(&str, u64)]) -> Vec<String> {
    let mut all = Vec::new();
    for (typed, seconds) in lines {
        line.write_all(typed.as_bytes()).await;
        Timer::after(Duration::from_secs(*seconds)).await;
        all.push(String::from_utf8_lossy(&core::mem::take(&mut *seen.borrow_mut())).into_owned());
    }
    all
}

/// Keeps what is printed.
async fn read(line: &Line, seen: &RefCell<Vec<u8>>) {
    let mut octets = [0; 64];
    loop {
        let len = line.read(&mut octets).await;
        seen.borrow_mut().extend(&octets[..len]);
    }
}

/// A console beside a router with a line and a LAN; answers what each line printed, and how it ended.
fn session(settings: Settings, lines: &[(&str, u64)]) -> (Vec<String>, Option<ConsoleEnd>) {
    let frames = FramePool::<NoopRawMutex, 32>::new();
    let mut tables = TableSpace::<64, 8>::new();
    let desk = SettingsDesk::<NoopRawMutex>::new(settings, SIDES);
    let mut gatelet = Gatelet::<NoopRawMutex, 2>::new(frames.pool());
    gatelet.lend_settings(&desk);
    let mut router = Router::new(frames.pool(), [7; 32]);
    router.add_port(SIDES.wan, EthernetAddress([2, 0, 0, 0, 0, 1]), 1514);
    router.add_port(SIDES.lan, EthernetAddress([2, 0, 0, 0, 0, 2]), 1514);
    router.lend_tables(tables.lend());
    assert!(desk.read(|settings| set_up(&mut router, crate::now(), settings, SIDES, Boot::Cold, None)));
    let (typed, printed, seen) = (Line::new(), Line::new(), RefCell::new(Vec::new()));
    let (answers, end) = (RefCell::new(Vec::new()), RefCell::new(None));
    let mut console = Console::new(crate::now(), "test");
    let side =
        ConsoleSide { settings: &desk, stack: None, engines: &|_| {}, probe: &|| false, is_terminal: false };
    {
        let mut store = Nowhere;
        let mut world = World::default();
        world.spawn(gatelet.run_router(&mut router, &mut store));
        world.spawn(async {
            gatelet.ports[0].link.signal(LinkState::Up);
            loop {
                // Nobody is at the other end of the line.
                gatelet.ports[0].egress.channel.receive().await;
            }
        });
        world.spawn(async {
            let ended = gatelet.run_console(&mut console, &side, (&mut &typed, &mut &printed)).await;
            *end.borrow_mut() = Some(ended);
        });
        world.spawn(read(&printed, &seen));
        world.spawn(async {
            Timer::after(Duration::from_millis(10)).await;
            *answers.borrow_mut() = type_lines(&typed, &seen, lines).await;
        });
        world.run_for(600_000_000);
    }
    assert_eq!(console.counters().output_lost, 0);
    (answers.take(), end.take())
}

fn some_settings() -> Settings {
    let mut settings = Settings::new();
    settings.set(gatelet_settings::find("wan.user").unwrap(), "alice").unwrap();
    settings
}

#[test]
fn the_first_start_dials_with_what_was_typed() {
    let lines = [("1\ralice\rsecret\r", 3), ("\rshow wan\r", 1), ("exit\r", 1)];
    let (told, end) = session(Settings::new(), &lines);
    assert!(told[0].contains("Welcome."), "{}", told[0]);
    assert!(!told[0].contains("secret"), "{}", told[0]);
    assert!(told[0].contains("PADI (1)"), "the dial is seen: {}", told[0]);
    assert!(told[1].contains("WAN             0: dialing: looking for the carrier"), "{}", told[1]);
    assert_eq!(end, Some(ConsoleEnd::Closed));
}

#[test]
fn what_is_committed_reaches_the_router() {
    let lines = [
        ("set lan.address 192.168.8.1/24\r", 1),
        ("show lan\r", 1),
        ("commit\r", 1),
        ("show lan\r", 1),
        ("show memory\r", 1),
        ("show flows\r", 1),
        ("show dns\rshow tunnel\r", 1),
        ("set ipv6.local-prefix fd12:3456:789a::/48\r", 1),
        ("set tunnel.1.address 2001:db8:6::11/127\rset tunnel.1.remote 198.51.100.2\rcommit\r", 5),
        ("show lan\r", 1),
        ("show tunnel\r", 1),
        ("probe\r", 1),
        ("ping 192.0.2.1\r", 1),
        ("reboot\ry", 1),
    ];
    let (told, end) = session(some_settings(), &lines);
    assert!(told[1].contains("192.168.1.1/24"), "not before the commit: {}", told[1]);
    assert!(told[3].contains("192.168.8.1/24"), "{}", told[3]);
    assert!(told[4].contains("0 of 64"), "{}", told[4]);
    assert!(told[5].contains("Proto From"), "{}", told[5]);
    assert!(told[6].contains("no DNS service"), "{}", told[6]);
    assert!(told[6].contains("there is no tunnel"), "{}", told[6]);
    assert!(told[9].contains("IPv6 way out    none: hosts use IPv4"), "{}", told[9]);
    assert!(told[9].contains("IPv6 prefix     fd12:3456:789a::/64"), "{}", told[9]);
    assert!(told[9].contains("IPv6 address    fd12:3456:789a::ff:fe00:2/64"), "{}", told[9]);
    assert!(told[10].contains("1 (client): down: the line is"), "{}", told[10]);
    assert!(told[12].contains("no stack of its own"), "{}", told[12]);
    assert_eq!(end, Some(ConsoleEnd::Reboot));
}

#[test]
fn a_capture_has_the_frames_that_were_sent() {
    // The first PADI is out before; the next dial's are captured, until there are two.
    let (told, _) =
        session(some_settings(), &[("capture wan dial 2\r", 200), ("capture wan\r", 1), ("\x03", 1)]);
    let text = &told[0];
    assert!(text.contains("-----BEGIN PCAP-----\r\n1MOyoQIABAAAAAAA"), "{text}");
    assert!(text.contains("-----END PCAP-----"), "{text}");
    // EtherType, version and type, code of a PADI: 88 63 11 09.
    assert!(text.contains("YhjEQkA"), "{text}");
    assert!(told[1].contains("BEGIN PCAP") && !told[1].contains("END PCAP"), "{}", told[1]);
    assert!(told[2].contains("END PCAP"), "{}", told[2]);
}

#[test]
fn ping_and_what_cannot_be_resolved() {
    let frames = FramePool::<NoopRawMutex, 24>::new();
    let gatelet = Gatelet::<NoopRawMutex, 2, 2>::new(frames.pool());
    let desk = SettingsDesk::<NoopRawMutex>::new(some_settings(), SIDES);
    let (mut one, mut two) = (StackResources::<3>::new(), StackResources::<1>::new());
    let (typed, printed, seen) = (Line::new(), Line::new(), RefCell::new(Vec::new()));
    let answers = RefCell::new(Vec::new());
    let mut console = Console::new(crate::now(), "test");
    {
        let (stack, runner) = gatelet.wan_stack(WAN, &mut one, 1).unwrap();
        let (_, other) = gatelet.wan_stack(WanId(1), &mut two, 2).unwrap();
        let address = |last| Ipv4Address::new(100, 64, 0, last);
        for (wan, own) in [(0, 2), (1, 1)] {
            let dns = [Some(address(9)), None];
            let ipv4 = Some(Ipv4Status { address: address(own), peer: None, dns });
            let own6 = Ipv6Address::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, own.into());
            let ipv6_access =
                Some(Ipv6Access { address: own6, via: Via::Wan(WAN), mtu: 1492, dns: [None; 3] });
            gatelet.stacks[wan].session.sender().send(Some(Session {
                ipv4,
                ipv6: None,
                ipv6_access,
                mtu: 1492,
            }));
        }
        let side = ConsoleSide {
            settings: &desk,
            stack: Some(stack),
            engines: &|_| {},
            probe: &|| false,
            is_terminal: false,
        };
        let mut world = World::default();
        world.spawn(runner.run());
        world.spawn(other.run());
        world.spawn(async {
            loop {
                for (from, to) in [(0, 1), (1, 0)] {
                    while let Ok(frame) = gatelet.stacks[from].from_stack.channel.try_receive() {
                        gatelet.stacks[to].to_stack.push(frame);
                    }
                }
                Timer::after(Duration::from_millis(7)).await;
            }
        });
        world.spawn(async {
            let (mut rx, mut tx) = (&typed, &printed);
            join(gatelet.run_console(&mut console, &side, (&mut rx, &mut tx)), read(&printed, &seen)).await
        });
        world.spawn(async {
            Timer::after(Duration::from_millis(10)).await;
            let lines = [
                ("ping 100.64.0.1 2\r", 5),
                ("ping 100.64.0.7 1\r", 5),
                ("resolve gatelet.test\r", 15),
                ("ping 100.64.0.1 1000\r", 3),
                ("\x03", 1),
                ("traceroute 100.64.0.1\r", 3),
                ("ping 2001:db8::1 2\r", 5),
                ("ping 2001:db8::7 1\r", 5),
                ("traceroute 2001:db8::1\r", 3),
            ];
            *answers.borrow_mut() = type_lines(&typed, &seen, &lines).await;
        });
        world.run_for(100_000_000);
    }
    let told = answers.take();
    assert!(told[0].contains("2 of 2 answered"), "{}", told[0]);
    assert!(told[1].contains("0 of 1 answered"), "{}", told[1]);
    assert!(told[2].contains("No name server answers.") || told[2].contains("no such name"), "{}", told[2]);
    assert!(told[3].contains("100.64.0.1: 2, "), "{}", told[3]);
    assert!(told[4].contains("^C"), "{}", told[4]);
    assert!(told[5].contains(" 1  100.64.0.1  "), "{}", told[5]);
    assert!(told[6].contains("2001:db8::1: 2, "), "{}", told[6]);
    assert!(told[6].contains("2 of 2 answered"), "{}", told[6]);
    assert!(told[7].contains("0 of 1 answered"), "{}", told[7]);
    assert!(told[8].contains(" 1  2001:db8::1  "), "{}", told[8]);
}
