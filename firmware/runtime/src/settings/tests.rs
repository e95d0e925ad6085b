//! The store against a NOR flash whose power fails at every single operation, and the desk with all its tasks.

use std::cell::RefCell;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

use embassy_futures::block_on;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_time::{Duration, Timer};
use gatelet_hal::{FramePool, LinkState, PortId};
use gatelet_proto::redial::{Boot, Ledger};
use gatelet_proto::sixinfour::Routed;
use gatelet_router::{Forward, Router, TableSpace, TunnelId, WanId};
use gatelet_settings::{Complaint, Editor, Event, KEYS, Record, Settings, find};
use smoltcp::wire::{EthernetAddress, Ipv4Address};

use super::{FlashSettings, SettingsDesk, SettingsStore, Sides, load_settings, set_up};
use crate::ledger::tests::{EVERY_KIND, Nor};
use crate::tests::world::World;
use crate::{Gatelet, LedgerStore, StoreError};

const PAGE: u32 = 1024;
const SIDES: Sides = Sides { wan: PortId(0), lan: PortId(1) };

fn open(flash: &mut Nor) -> FlashSettings<&mut Nor> {
    let end = flash.bytes.len() as u32;
    FlashSettings::new(flash, 0..end).unwrap()
}

fn settings(lines: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::new();
    for (path, text) in lines {
        settings.set(find(path).unwrap(), text).unwrap_or_else(|refused| panic!("{path}: {refused}"));
    }
    settings
}

fn store(flash: &mut Nor, settings: &Settings) -> Result<(), StoreError> {
    block_on(open(flash).store(settings))
}

/// What a boot finds, and what is told about it.
fn boot(flash: &mut Nor) -> (Settings, Vec<String>) {
    let mut told = Vec::new();
    let settings =
        block_on(load_settings(&mut open(flash), &mut |complaint| told.push(complaint.to_string())));
    (settings, told)
}

/// The `n`th generation: what is in it varies in number and length.
fn generation(n: usize) -> Settings {
    let user = "u".repeat(1 + n * 5 % 23);
    let vlan = (n + 1).to_string();
    let all = [
        ("wan.vlan", vlan.as_str()),
        ("wan.user", &user),
        ("lan.address", "10.0.0.1/24"),
        ("nat.dmz", "10.0.0.9"),
    ];
    settings(&all[..=n % all.len()])
}

#[test]
fn what_is_stored_comes_back() {
    let mut flash = Nor::new(4);
    assert_eq!(boot(&mut flash), (Settings::new(), vec![]));
    for n in 0..20 {
        store(&mut flash, &generation(n)).unwrap();
        assert_eq!(boot(&mut flash), (generation(n), vec![]), "{n}");
    }
    // Both banks in turn.
    assert_eq!(flash.erases, [10; 4]);
}

#[test]
fn what_is_there_already_is_not_written_again() {
    let mut flash = Nor::new(4);
    store(&mut flash, &generation(3)).unwrap();
    let erases = flash.erases.clone();
    for _ in 0..5 {
        store(&mut flash, &generation(3)).unwrap();
    }
    assert_eq!(flash.erases, erases);
}

#[test]
fn a_power_cut_at_any_operation_leaves_the_old_generation_or_the_new_one() {
    let (old, new, third) = (generation(6), generation(7), generation(9));
    let mut before = Nor::new(4);
    store(&mut before, &generation(5)).unwrap();
    store(&mut before, &old).unwrap();
    let with_power_for = |operations: usize, torn, bytes: &[u8]| Nor {
        operations_left: operations,
        torn,
        bytes: bytes.to_vec(),
        ..Nor::new(4)
    };
    let operations = |bytes: &[u8], settings: &Settings| {
        let mut flash = with_power_for(1_000_000, EVERY_KIND[0], bytes);
        store(&mut flash, settings).unwrap();
        1_000_000 - flash.operations_left
    };
    let first_cuts = operations(&before.bytes, &new);
    assert!(first_cuts > 30, "{first_cuts}");

    for torn in EVERY_KIND {
        for cut in 1..=first_cuts {
            let mut flash = with_power_for(cut, torn, &before.bytes);
            assert_eq!(store(&mut flash, &new), Err(StoreError));
            flash.operations_left = usize::MAX;
            let at = format!("cut in operation {cut}, {torn:?}");
            let erases = flash.erases.clone();
            let (found, told) = boot(&mut flash);
            assert!(found == old || found == new, "{at}: found {found:?}");
            assert_eq!(told, [""; 0], "{at}");
            assert_eq!(flash.erases, erases, "{at}: looking writes");

            // The next commit is what puts the flash in order; it is cut too.
            let second_cuts = operations(&flash.bytes, &third);
            for second_torn in EVERY_KIND {
                for second in 1..=second_cuts {
                    let mut flash = with_power_for(second, second_torn, &flash.bytes);
                    assert_eq!(store(&mut flash, &third), Err(StoreError));
                    flash.operations_left = usize::MAX;
                    let at = format!("{at}, then in operation {second}, {second_torn:?}");
                    let (then, told) = boot(&mut flash);
                    assert!(then == found || then == third, "{at}: found {then:?}");
                    assert_eq!(told, [""; 0], "{at}");
                }
                let mut flash = with_power_for(usize::MAX, second_torn, &flash.bytes);
                store(&mut flash, &third).unwrap();
                assert_eq!(boot(&mut flash).0, third, "{at}: goes on");
            }
        }
    }
}

#[test]
fn the_first_commit_of_all_is_there_or_is_not() {
    for torn in EVERY_KIND {
        for cut in 1.. {
            let mut flash = Nor { operations_left: cut, torn, ..Nor::new(4) };
            let stored = store(&mut flash, &generation(3));
            flash.operations_left = usize::MAX;
            let (found, _) = boot(&mut flash);
            assert!(found == Settings::new() || found == generation(3), "cut in operation {cut}, {torn:?}");
            store(&mut flash, &generation(4)).unwrap();
            assert_eq!(boot(&mut flash).0, generation(4), "cut in operation {cut}, {torn:?}");
            if stored.is_ok() {
                assert_eq!(found, generation(3));
                break;
            }
        }
    }
}

#[test]
fn a_damaged_generation_gives_way_to_the_one_before() {
    let mut sound = Nor::new(4);
    store(&mut sound, &generation(2)).unwrap();
    store(&mut sound, &generation(3)).unwrap();
    let mut fell_back = 0;
    for at in 0..sound.bytes.len() {
        for bit in [0x01, 0x10, 0x80] {
            let mut flash = Nor { bytes: sound.bytes.clone(), ..Nor::new(4) };
            flash.bytes[at] ^= bit;
            let (found, told) = boot(&mut flash);
            assert!(found == generation(2) || found == generation(3), "byte {at}: {found:?}");
            assert_eq!(told, [""; 0]);
            fell_back += u32::from(found == generation(2));
            store(&mut flash, &generation(4)).unwrap();
            assert_eq!(boot(&mut flash).0, generation(4), "byte {at}");
        }
    }
    assert!(fell_back > 50, "{fell_back}");
}

#[test]
fn flash_full_of_something_else_is_taken_over() {
    let fillings: [fn(usize) -> u8; 4] = [|_| 0, |_| 0x5A, |n| (n * 37 + n / 7) as u8, |n| (n as u8) | 0xF0];
    for filling in fillings {
        let mut flash = Nor::new(4);
        flash.bytes.iter_mut().enumerate().for_each(|(n, byte)| *byte = filling(n));
        let told = vec!["nothing that is stored can be read; all defaults hold".to_string()];
        assert_eq!(boot(&mut flash), (Settings::new(), told));
        store(&mut flash, &generation(3)).unwrap();
        assert_eq!(boot(&mut flash), (generation(3), vec![]));
    }
}

#[test]
fn what_does_not_fit_is_refused_and_the_old_stays() {
    let mut flash = Nor::new(4);
    store(&mut flash, &generation(1)).unwrap();
    let mut large = Settings::new();
    for number in 1..=16 {
        let ports = format!("{number}000-{number}100");
        for (key, text) in [("port", ports.as_str()), ("to", "192.168.1.100"), ("source", "203.0.113.0/24")] {
            large.set(find(&format!("forward.{number}.{key}")).unwrap(), text).unwrap();
        }
    }
    assert_eq!(store(&mut flash, &large), Err(StoreError));
    assert_eq!(boot(&mut flash).0, generation(1));
    // More pages, and it fits.
    let mut flash = Nor::new(8);
    store(&mut flash, &large).unwrap();
    assert_eq!(boot(&mut flash), (large, vec![]));
}

#[test]
fn as_much_as_there_can_be_fits_eight_pages_of_four_kilobytes() {
    // Small pages lose more at their ends: twelve of 1 KB and one for the store hold no more than three of 4 KB and one.
    let places: usize = KEYS.iter().map(|key| usize::from(key.most.max(1))).sum();
    // Small records need most, for what comes with each.
    for len in [0, 3, 12, 60, 250] {
        let text = "x".repeat(len);
        let mut all = Settings::new();
        for n in 0..places {
            let record = Record { id: 0x8000 + n as u16, number: 0, text: &text };
            if let Err(Complaint::NoRoom { .. }) = all.restore(record) {
                break;
            }
        }
        let mut flash = Nor::new(26);
        store(&mut flash, &all).unwrap();
        assert_eq!(boot(&mut flash).0, all, "{len}");
    }
}

/// What docs/settings.md says about wear.
#[test]
fn a_year_wears_the_flash_as_the_documentation_says() {
    const DAYS: u32 = 365;
    const CYCLES: u32 = 100_000; // the usual figure of data sheets
    let mut flash = Nor::new(8);
    let page = flash.bytes.len() as u32;
    let mut keeper = FlashSettings::new(&mut flash, 0..page).unwrap();
    for day in 0..DAYS {
        for change in 0..2 {
            let settings = generation((day * 2 + change) as usize);
            block_on(keeper.store(&settings)).unwrap();
            // Nothing has changed.
            block_on(keeper.store(&settings)).unwrap();
        }
    }
    let most = flash.erases.iter().copied().max().unwrap();
    let said = format!(
        "a sector is erased {most} times, {:.1} a day; at 100 000 cycles it lasts {} years.",
        f64::from(most) / f64::from(DAYS),
        CYCLES / most
    );
    let page = include_str!("../../../../docs/settings.md");
    assert!(page.contains(&said), "{said}");
}

#[test]
fn what_newer_firmware_has_set_survives_an_older_one() {
    let mut flash = Nor::new(4);
    let mut newer = generation(3);
    let unknown = Record { id: 0x7B01, number: 1, text: "198.51.100.1" };
    newer.restore(unknown).unwrap_err();
    store(&mut flash, &newer).unwrap();
    let (mut found, told) = boot(&mut flash);
    assert_eq!(told, ["setting 0x7b01.1 is of another firmware: kept, not used"]);
    found.set(find("wan.vlan").unwrap(), "99").unwrap();
    store(&mut flash, &found).unwrap();
    assert!(boot(&mut flash).0.records().any(|record| record == unknown));
}

#[test]
fn what_cannot_be_falls_back_and_is_told() {
    let mut flash = Nor::new(4);
    // As if written by a firmware that allowed more: through a place that this one does not know.
    let mut wrong = settings(&[("wan.user", "alice")]);
    wrong.restore(Record { id: 0x0209, number: 0, text: "7" }).unwrap();
    wrong.set(find("lan.dhcp.pool").unwrap(), "10.0.0.2-10.0.0.9").unwrap();
    store(&mut flash, &wrong).unwrap();
    let (found, told) = boot(&mut flash);
    assert_eq!(found, settings(&[("wan.user", "alice"), ("wan.vlan", "7")]));
    assert!(told.len() == 1 && told[0].starts_with("lan.dhcp.pool: it reaches beyond"), "{told:?}");
}

/// The formats that were ever released: flash as such a firmware left it, and what was set in it.
const RELEASED: [(&[u8], &str); 1] =
    [(include_bytes!("../../testdata/settings-v1.bin"), include_str!("../../testdata/settings-v1.txt"))];

fn of_bytes(bytes: &[u8]) -> Nor {
    Nor { bytes: bytes.to_vec(), ..Nor::new(bytes.len() / PAGE as usize) }
}

fn imported(text: &str) -> Settings {
    let mut editor = Editor::default();
    text.lines().for_each(|line| editor.import_line(line).unwrap_or_else(|error| panic!("{error}")));
    editor.working().clone()
}

#[test]
fn every_format_that_was_released_is_read() {
    for (bytes, text) in RELEASED {
        let (found, told) = boot(&mut of_bytes(bytes));
        assert_eq!(told, [""; 0]);
        let lines: String = found.export(true).map(|line| line.to_string() + "\n").collect();
        assert_eq!(lines, text);
        assert_eq!(found, imported(text));
    }
}

#[test]
fn what_is_written_today_is_the_last_format_that_was_released() {
    // If it is to be another: give it a number, and a pair of files beside this one, which stays.
    let (bytes, text) = RELEASED[RELEASED.len() - 1];
    let mut flash = Nor::new(bytes.len() / PAGE as usize);
    store(&mut flash, &imported(text)).unwrap();
    assert!(flash.bytes == bytes);
}

#[test]
fn ranges_that_are_no_four_pages_are_refused() {
    let mut flash = Nor::new(8);
    for (start, end) in [(0, 3 * PAGE), (0, 4 * PAGE + 1), (4, 4 * PAGE + 4), (4 * PAGE, 0)] {
        assert!(FlashSettings::new(&mut flash, start..end).is_err(), "{start}..{end}");
    }
    assert!(FlashSettings::new(&mut flash, PAGE..6 * PAGE).is_ok(), "one page is left over");
}

/// A ledger store that forgets.
struct Nowhere;

impl LedgerStore for Nowhere {
    async fn load(&mut self, _: WanId) -> Option<Ledger> {
        None
    }

    async fn store(&mut self, _: WanId, _: &Ledger) -> Result<(), StoreError> {
        Ok(())
    }
}

#[test]
fn a_commit_reaches_the_router_and_the_flash_and_a_trial_ends() {
    let frames = FramePool::<NoopRawMutex, 16>::new();
    let mut tables = std::boxed::Box::new(TableSpace::<64, 8>::new());
    let desk = SettingsDesk::<NoopRawMutex>::empty(SIDES);
    let mut gatelet = Gatelet::<NoopRawMutex, 2>::new(frames.pool());
    gatelet.lend_settings(&desk);
    let mut router = Router::new(frames.pool(), [7; 32]);
    router.add_port(SIDES.wan, EthernetAddress([2, 0, 0, 0, 0, 1]), 1514);
    router.add_port(SIDES.lan, EthernetAddress([2, 0, 0, 0, 0, 2]), 1514);
    router.lend_tables(tables.lend());
    assert!(desk.read(|settings| set_up(&mut router, crate::now(), settings, SIDES, Boot::Cold, None)));
    assert_eq!(router.lan().unwrap().to_string(), "192.168.1.1/24");

    let (mut flash, heard, lans) = (Nor::new(4), RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    {
        let (mut store, mut nowhere) = (open(&mut flash), Nowhere);
        let mut lan = gatelet.lan_addresses().unwrap();
        let mut world = World::default();
        world.spawn(desk.run(&mut store));
        world.spawn(gatelet.run_router(&mut router, &mut nowhere));
        world.spawn(async {
            loop {
                let event = desk.next_event().await;
                heard.borrow_mut().push(event);
            }
        });
        world.spawn(async {
            loop {
                let addresses = lan.changed().await;
                lans.borrow_mut().push(addresses.unwrap().ipv4.to_string());
            }
        });
        world.spawn(async {
            let edit = |path: &'static str, typed: &'static str| {
                desk.edit(|editor| editor.set(path, typed).unwrap())
            };
            Timer::after(Duration::from_secs(1)).await;
            edit("forward.1.port", "80");
            edit("forward.1.to", "192.168.1.10");
            assert!(desk.edit(Editor::commit).unwrap().live);
            Timer::after(Duration::from_secs(1)).await;
            edit("lan.address", "192.168.8.1/24");
            edit("forward.1.to", "192.168.8.10");
            desk.edit(|editor| editor.commit_confirmed(crate::now(), 1)).unwrap();
        });
        world.run_for(30_000_000);
        assert_eq!(*heard.borrow(), [Event::Stored]);
        assert_eq!(lans.borrow().last().unwrap(), "192.168.8.1/24");
        world.run_for(60_000_000);
        assert_eq!(*heard.borrow(), [Event::Stored, Event::RolledBack]);
        assert_eq!(lans.borrow().last().unwrap(), "192.168.1.1/24");
    }
    let (kept, _) = boot(&mut flash);
    assert_eq!(kept, settings(&[("forward.1.port", "80"), ("forward.1.to", "192.168.1.10")]));
    assert_eq!(
        desk.read(|settings| settings.forwards().collect::<Vec<Forward>>()),
        kept.forwards().collect::<Vec<_>>()
    );
    // The next boot begins with it.
    let desk = SettingsDesk::<NoopRawMutex>::empty(SIDES);
    block_on(desk.load(&mut open(&mut flash), &mut |complaint| panic!("{complaint}")));
    assert_eq!(desk.read(Settings::clone), kept);
}

#[test]
fn a_commit_about_the_line_is_dialed_with() {
    let frames = FramePool::<NoopRawMutex, 16>::new();
    let desk = SettingsDesk::<NoopRawMutex>::empty(SIDES);
    let mut gatelet = Gatelet::<NoopRawMutex, 2>::new(frames.pool());
    gatelet.lend_settings(&desk);
    let mut router = Router::new(frames.pool(), [7; 32]);
    router.add_port(SIDES.wan, EthernetAddress([2, 0, 0, 0, 0, 1]), 1514);
    // Without tables and a LAN: the line alone.
    assert!(!desk.read(|settings| set_up(&mut router, crate::now(), settings, SIDES, Boot::Cold, None)));
    let (asked, mut nowhere) = (RefCell::new(Vec::new()), Nowhere);
    {
        let mut world = World::default();
        world.spawn(gatelet.run_router(&mut router, &mut nowhere));
        world.spawn(async {
            loop {
                let padi = gatelet.ports[0].egress.channel.receive().await;
                let names_it = padi.bytes().windows(8).any(|bytes| bytes == b"internet");
                asked.borrow_mut().push(names_it);
            }
        });
        gatelet.ports[0].link.signal(LinkState::Up);
        world.run_for(5_000_000);
        let before = asked.borrow().len();
        assert!(before > 0 && asked.borrow().iter().all(|names_it| !names_it));
        desk.edit(|editor| editor.set("wan.service-name", "internet").unwrap());
        assert!(desk.edit(Editor::commit).unwrap().redial);
        world.run_for(120_000_000);
        assert!(asked.borrow().len() > before && asked.borrow()[before..].iter().all(|names_it| *names_it));
    }
}

/// A router with a line and a LAN, and what it is told by `steps`, one after the other.
fn with_router(steps: &[&[(&str, &str)]], look: &mut dyn FnMut(usize, &mut Router<'_>)) {
    let frames = FramePool::<NoopRawMutex, 16>::new();
    let mut tables = std::boxed::Box::new(TableSpace::<64, 8>::new());
    let desk = SettingsDesk::<NoopRawMutex>::empty(SIDES);
    let mut router = Router::new(frames.pool(), [7; 32]);
    router.add_port(SIDES.wan, EthernetAddress([2, 0, 0, 0, 0, 1]), 1514);
    router.add_port(SIDES.lan, EthernetAddress([2, 0, 0, 0, 0, 2]), 1514);
    router.lend_tables(tables.lend());
    assert!(desk.set_up(&mut router, crate::now(), Boot::Cold, None));
    look(0, &mut router);
    for (n, lines) in (1..).zip(steps) {
        desk.edit(|editor| {
            for (path, typed) in *lines {
                if typed.is_empty() {
                    editor.unset(path).unwrap();
                } else {
                    editor.set(path, typed).unwrap();
                }
            }
            editor.commit().unwrap_or_else(|error| panic!("{error}"));
        });
        assert!(desk.carry_out(&mut router, crate::now()));
        look(n, &mut router);
    }
}

#[test]
fn tunnels_follow_the_settings_and_others_are_left_alone() {
    let one = [("tunnel.1.remote", "198.51.100.2"), ("tunnel.1.address", "2001:db8:6::11/127")];
    let two = [("tunnel.2.role", "server"), ("tunnel.2.address", "2001:db8:7::10/127")];
    let account = [("tunnel.2.update.id", "1"), ("tunnel.2.update.user", "a"), ("tunnel.2.update.key", "k")];
    let prefix = [("tunnel.1.prefix", "2001:db8:66::/48"), ("tunnel.1.watch", "off")];
    let steps = [
        &one[..],
        &[two[0], two[1], account[0], account[1], account[2]],
        &prefix,
        &[("ipv6.mode", "native")],
        &[("ipv6.mode", "")],
        &[("tunnel.1", "")],
        &[("ipv6.mode", "off")],
    ];
    let moved = Ipv4Address::new(203, 0, 113, 9);
    with_router(&steps, &mut |n, router| {
        let [first, second] = [0, 1].map(|id| router.tunnel(TunnelId(id)));
        let there = [first.is_some(), second.is_some()];
        let expected = [
            [false; 2],
            [true, false],
            [true; 2],
            [true; 2],
            [false, true],
            [true; 2],
            [false, true],
            [false; 2],
        ];
        assert_eq!(there, expected[n], "step {n}");
        if n == 2 {
            // Its client has told where it is: nobody asks it again because of another tunnel.
            assert!(router.move_tunnel(crate::now(), TunnelId(1), moved));
        }
        if (3..7).contains(&n) {
            assert_eq!(second.unwrap().tunnel.remote, Some(moved), "step {n}");
        }
        if n == 3 {
            let first = first.unwrap();
            assert_eq!(first.far_end, None);
            let Routed::Client { prefix } = first.tunnel.routed else { panic!("a server") };
            assert_eq!(prefix.unwrap().to_string(), "2001:db8:66::/48");
        }
    });
}

#[test]
fn what_the_lan_is_told_follows_the_settings() {
    let steps = [
        &[("ipv6.local-prefix", "fd12:3456:789a::/48")][..],
        &[("ipv6.advertise", "off")],
        &[("ipv6.advertise", ""), ("ipv6.local-prefix", "fd00:1:2:3::/64")],
    ];
    with_router(&steps, &mut |n, router| {
        let told = router.advertised_ipv6_prefixes();
        let told: Vec<_> =
            told.map(|told| (told.prefix.to_string(), told.preferred.is_over(crate::now()))).collect();
        let (one, other) = ("fd12:3456:789a::/64".to_string(), "fd00:1:2:3::/64".to_string());
        let expected = match n {
            0 => vec![],
            1 => vec![(one, false)],
            2 => vec![(one, true)],
            _ => vec![(other, false), (one, true)],
        };
        assert_eq!(told, expected, "step {n}");
        assert_eq!(router.poll_ipv6_prefixes().is_some(), [false, true, false, true][n], "step {n}");
    });
}
