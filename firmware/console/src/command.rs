//! What a line says, as a value.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

use gatelet_settings::TRIAL_MINUTES_MAX;

use crate::Level;
use crate::grammar::{Matched, Slot, VERBS, Verb, VerbId};
use crate::nearest::nearest;
use crate::words::Words;

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'l> {
    /// `show`: prints something. The text is a path for settings, and a number for a WAN.
    Show(Topic, Option<&'l str>),
    /// `set`: changes a setting.
    Set {
        /// Its path.
        path: &'l str,
        /// The value as it was typed, quotation marks included.
        typed: &'l str,
    },
    /// `unset`: the default of a setting, or of all below a branch.
    Unset {
        /// The path.
        path: &'l str,
    },
    /// `commit`.
    Commit {
        /// Minutes in which a further `commit` is to confirm it.
        confirmed: Option<u8>,
    },
    /// `revert`.
    Revert,
    /// `diff`.
    Diff,
    /// `export`.
    Export {
        /// Passwords too.
        secrets: bool,
    },
    /// `import`: lines follow.
    Import,
    /// `dial`.
    Dial {
        /// Which WAN.
        wan: u8,
        /// Lifts a hold.
        force: bool,
    },
    /// `hangup`.
    HangUp {
        /// Which WAN.
        wan: u8,
    },
    /// `probe`: checks the Internet now.
    Probe,
    /// `ping`.
    Ping {
        /// A name or an address.
        host: &'l str,
        /// How often.
        count: u16,
    },
    /// `traceroute`.
    Traceroute {
        /// A name or an address.
        host: &'l str,
    },
    /// `resolve`.
    Resolve {
        /// The name.
        name: &'l str,
    },
    /// `capture`.
    Capture {
        /// Which port.
        port: CapturePort,
        /// Which frames.
        filter: Filter,
        /// How many.
        count: u16,
    },
    /// `log`: shows what is logged as it happens, from this level on; without one, no more.
    Log(Option<Level>),
    /// `reboot`.
    Reboot,
    /// `factory-reset`.
    FactoryReset,
    /// `setup`: the questions of the first boot.
    SetUp,
    /// `terminal`: the size of the terminal.
    Terminal {
        /// Columns.
        columns: u16,
        /// Rows; 0: no paging.
        rows: u16,
    },
    /// `help`.
    Help(Option<&'l str>),
    /// `exit`: ends the connection, where there is one.
    Exit,
}

/// What `show` can print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "their names say it, and the table of the grammar says the rest")]
pub enum Topic {
    Wan,
    Lan,
    Leases,
    Flows,
    Nat,
    Tunnel,
    Connectivity,
    Dns,
    Log,
    Counters,
    Memory,
    Version,
    Settings,
}

/// Where frames are captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CapturePort {
    /// The first WAN's port.
    Wan,
    /// The LAN's port.
    Lan,
}

/// Which frames are captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Filter {
    /// All.
    All,
    /// `PPPoE` and PPP without the IP packets of the session: what a dial is made of.
    Dial,
    /// ARP.
    Arp,
    /// ICMP of either family, also within a session.
    Icmp,
    /// A protocol of IP, also within a session.
    Protocol(u8),
    /// UDP or TCP with one of these ports, also within a session.
    Ports(&'static [u16]),
    /// IPv4 from or to this address, also within a session.
    Host(Ipv4Addr),
    /// IPv6 from or to this address, also within a session.
    Host6(Ipv6Addr),
}

/// Why a line is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake<'l> {
    /// There is no such command.
    Command {
        /// What was typed.
        word: &'l str,
        /// What may have been meant.
        meant: Option<&'static str>,
    },
    /// Several words begin so.
    Ambiguous {
        /// What was typed.
        word: &'l str,
    },
    /// A word that does not fit there.
    Word {
        /// What was typed.
        word: &'l str,
        /// How the command is used.
        usage: &'static str,
        /// What may have been meant.
        meant: Option<&'static str>,
    },
    /// A word is missing.
    Missing {
        /// How the command is used.
        usage: &'static str,
    },
    /// A number that is too low or too high.
    Range {
        /// What was typed.
        word: &'l str,
        /// The lowest.
        least: u16,
        /// The highest.
        most: u16,
    },
    /// The quotation marks are not closed.
    Quotes,
}

impl fmt::Display for Mistake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meant = match self {
            Self::Command { word, meant } => {
                write!(f, "no such command: {word}")?;
                if meant.is_none() {
                    f.write_str("; `help` lists what there is")?;
                }
                *meant
            }
            Self::Ambiguous { word } => {
                return write!(f, "{word} is the beginning of several words; ? lists them");
            }
            Self::Word { word, usage, meant } => {
                write!(f, "not expected: {word}; usage: {usage}")?;
                *meant
            }
            Self::Missing { usage } => return write!(f, "usage: {usage}"),
            Self::Range { word, least, most } => {
                return write!(f, "{word} is not from {least} to {most}");
            }
            Self::Quotes => return f.write_str("the quotation marks are not closed"),
        };
        meant.map_or(Ok(()), |meant| write!(f, ". Did you mean {meant}?"))
    }
}

/// Reads a line. `None` if nothing is in it. `words` is where the words of `line` are kept meanwhile.
pub(crate) fn parse<'l>(line: &'l str, words: &'l Words) -> Result<Option<Command<'l>>, Mistake<'l>> {
    let Some(first) = words.get(0) else { return Ok(None) };
    let verb = find_verb(first)?;
    let matched = match_slots(verb, words)?;
    if words.is_quoted && verb.id != VerbId::Set {
        return Err(Mistake::Quotes);
    }
    Ok(Some(build(verb, line, words, matched)?))
}

/// The verb that is meant by `word`, in full or by a beginning that no other has.
pub(crate) fn find_verb(word: &str) -> Result<&'static Verb, Mistake<'_>> {
    if let Some(verb) = VERBS.iter().find(|verb| verb.name == word) {
        return Ok(verb);
    }
    let mut begun = VERBS.iter().filter(|verb| verb.name.starts_with(word));
    match (begun.next(), begun.next()) {
        (Some(verb), None) if !word.is_empty() => Ok(verb),
        (Some(_), Some(_)) if !word.is_empty() => Err(Mistake::Ambiguous { word }),
        _ => {
            let meant = nearest(word, VERBS.iter().map(|verb| verb.name));
            Err(Mistake::Command { word, meant })
        }
    }
}

/// What stands in each slot of a verb.
pub(crate) type Slots<'l> = [Option<Matched<'l>>; SLOTS];
pub(crate) const SLOTS: usize = 3;

fn match_slots<'l>(verb: &'static Verb, words: &'l Words) -> Result<Slots<'l>, Mistake<'l>> {
    let mut slots = [None; SLOTS];
    let mut at = 0;
    for word in (1..words.len()).filter_map(|place| words.get(place)) {
        at = match_word(verb, at, word, &mut slots)? + 1;
        if matches!(verb.slots.get(at - 1), Some(Slot::Value)) {
            // It takes the rest of the line.
            return Ok(slots);
        }
    }
    if words.is_cut {
        return Err(Mistake::Word { word: "…", usage: verb.usage, meant: None });
    }
    if verb.slots.iter().skip(at).any(|slot| !slot.is_optional()) {
        return Err(Mistake::Missing { usage: verb.usage });
    }
    Ok(slots)
}

/// The slot, from `at` on, in which `word` fits.
pub(crate) fn match_word<'l>(
    verb: &'static Verb,
    at: usize,
    word: &'l str,
    slots: &mut Slots<'l>,
) -> Result<usize, Mistake<'l>> {
    let mut mistake = None;
    for (place, slot) in verb.slots.iter().enumerate().skip(at) {
        match slot.matches(word) {
            Ok(matched) => {
                if let Some(slot) = slots.get_mut(place) {
                    *slot = Some(matched);
                }
                return Ok(place);
            }
            Err(error) => mistake = error,
        }
        if mistake.is_some() || !slot.is_optional() {
            break;
        }
    }
    let names = verb.slots.iter().skip(at).flat_map(Slot::choices).map(|choice| choice.name);
    let meant = nearest(word, names);
    Err(mistake.unwrap_or(Mistake::Word { word, usage: verb.usage, meant }))
}

fn build<'l>(
    verb: &'static Verb,
    line: &'l str,
    words: &'l Words,
    slots: Slots<'l>,
) -> Result<Command<'l>, Mistake<'l>> {
    let missing = Mistake::Missing { usage: verb.usage };
    let text = |place: usize| match slots.get(place) {
        Some(Some(Matched::Text(text))) => Some(*text),
        _ => None,
    };
    let number = |place: usize| match slots.get(place) {
        Some(Some(Matched::Number(number))) => Some(*number),
        _ => None,
    };
    let choice = |place: usize| match slots.get(place) {
        Some(Some(Matched::Choice(choice))) => Some(*choice),
        _ => None,
    };
    // WANs are counted from 0, as everywhere.
    let wan = |place: usize| number(place).unwrap_or(0) as u8;
    Ok(match verb.id {
        VerbId::Show => {
            let topic = choice(0).and_then(|place| TOPICS.get(place)).copied().unwrap_or(Topic::Wan);
            let name = text(1);
            let is_right = match (topic, name) {
                (Topic::Wan, Some(name)) => name.parse::<u8>().is_ok(),
                (Topic::Settings, _) | (_, None) => true,
                _ => false,
            };
            if !is_right {
                let word = name.unwrap_or_default();
                let topics = verb.slots.iter().flat_map(Slot::choices).map(|topic| topic.name);
                let meant = if choice(0).is_none() { nearest(word, topics) } else { None };
                return Err(Mistake::Word { word, usage: verb.usage, meant });
            }
            Command::Show(topic, name)
        }
        VerbId::Set => Command::Set { path: text(0).ok_or(missing)?, typed: after_words(line, 2) },
        VerbId::Unset => Command::Unset { path: text(0).ok_or(missing)? },
        VerbId::Commit => match (choice(0), number(1)) {
            (None, None) => Command::Commit { confirmed: None },
            (Some(_), Some(minutes)) => Command::Commit { confirmed: Some(minutes as u8) },
            _ => return Err(missing),
        },
        VerbId::Revert => Command::Revert,
        VerbId::Diff => Command::Diff,
        VerbId::Export => Command::Export { secrets: choice(0).is_some() },
        VerbId::Import => Command::Import,
        VerbId::Dial => Command::Dial { force: choice(0).is_some(), wan: wan(1) },
        VerbId::HangUp => Command::HangUp { wan: wan(0) },
        VerbId::Probe => Command::Probe,
        VerbId::Ping => Command::Ping { host: text(0).ok_or(missing)?, count: number(1).unwrap_or(PINGS) },
        VerbId::Traceroute => Command::Traceroute { host: text(0).ok_or(missing)? },
        VerbId::Resolve => Command::Resolve { name: text(0).ok_or(missing)? },
        VerbId::Capture => Command::Capture {
            port: if choice(0) == Some(0) { CapturePort::Wan } else { CapturePort::Lan },
            filter: text(1).and_then(filter).unwrap_or(Filter::All),
            count: number(2).unwrap_or(CAPTURED),
        },
        VerbId::Log => Command::Log(choice(0).and_then(|place| Level::ALL.get(place)).copied()),
        VerbId::Reboot => Command::Reboot,
        VerbId::FactoryReset => Command::FactoryReset,
        VerbId::SetUp => Command::SetUp,
        VerbId::Terminal => {
            Command::Terminal { columns: number(0).ok_or(missing)?, rows: number(1).ok_or(missing)? }
        }
        VerbId::Help => Command::Help(words.get(1)),
        VerbId::Exit => Command::Exit,
    })
}

/// What is left of a line behind so many words, which have no quotation marks.
pub(crate) fn after_words(line: &str, count: usize) -> &str {
    let mut rest = line.trim_start();
    for _ in 0..count {
        rest =
            rest.find(char::is_whitespace).and_then(|end| rest.get(end..)).unwrap_or_default().trim_start();
    }
    rest.trim_end()
}

/// What a word of `capture` lets through.
pub(crate) fn filter(word: &str) -> Option<Filter> {
    Some(match word {
        "all" => Filter::All,
        "dial" => Filter::Dial,
        "arp" => Filter::Arp,
        "icmp" => Filter::Icmp,
        "tcp" => Filter::Protocol(6),
        "udp" => Filter::Protocol(17),
        "sit" => Filter::Protocol(41),
        // DHCPv6, too.
        "dhcp" => Filter::Ports(&[67, 68, 546, 547]),
        "dns" => Filter::Ports(&[53]),
        word if word.contains(':') => Filter::Host6(word.parse().ok()?),
        _ => Filter::Host(word.parse().ok()?),
    })
}

/// In the order of the grammar's table.
const TOPICS: [Topic; 13] = [
    Topic::Wan,
    Topic::Lan,
    Topic::Leases,
    Topic::Flows,
    Topic::Nat,
    Topic::Tunnel,
    Topic::Connectivity,
    Topic::Dns,
    Topic::Log,
    Topic::Counters,
    Topic::Memory,
    Topic::Version,
    Topic::Settings,
];

/// Pings, and captured frames, if no number is given.
const PINGS: u16 = 4;
const CAPTURED: u16 = 100;
/// The longest trial, as a slot wants it.
pub(crate) const MINUTES_MOST: u16 = TRIAL_MINUTES_MAX as u16;

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};

    use super::*;

    fn told(line: &str) -> String {
        let words = Words::split(line);
        match parse(line, &words) {
            Ok(command) => std::format!("{command:?}"),
            Err(mistake) => mistake.to_string(),
        }
    }

    #[test]
    fn every_command() {
        for (line, command) in [
            ("", "None"),
            ("   # a remark", "None"),
            ("show", "Some(Show(Wan, None))"),
            ("show flows", "Some(Show(Flows, None))"),
            ("sh co", "co is the beginning of several words; ? lists them"),
            ("sh cou", "Some(Show(Counters, None))"),
            ("show wan 1", "Some(Show(Wan, Some(\"1\")))"),
            ("show settings lan.dhcp", "Some(Show(Settings, Some(\"lan.dhcp\")))"),
            ("set wan.user  a b ", "Some(Set { path: \"wan.user\", typed: \"a b\" })"),
            ("set wan.user \"a  b", "Some(Set { path: \"wan.user\", typed: \"\\\"a  b\" })"),
            ("unset forward.1", "Some(Unset { path: \"forward.1\" })"),
            ("commit", "Some(Commit { confirmed: None })"),
            ("commit confirmed 5", "Some(Commit { confirmed: Some(5) })"),
            ("export secrets", "Some(Export { secrets: true })"),
            ("dial", "Some(Dial { wan: 0, force: false })"),
            ("dial force", "Some(Dial { wan: 0, force: true })"),
            ("dial 1", "Some(Dial { wan: 1, force: false })"),
            ("hangup", "Some(HangUp { wan: 0 })"),
            ("ping 192.0.2.1 10", "Some(Ping { host: \"192.0.2.1\", count: 10 })"),
            ("capture wan", "Some(Capture { port: Wan, filter: All, count: 100 })"),
            ("capture lan dns 5", "Some(Capture { port: Lan, filter: Ports([53]), count: 5 })"),
            (
                "capture wan 2001:db8::1",
                "Some(Capture { port: Wan, filter: Host6(2001:db8::1), count: 100 })",
            ),
            ("capture wan 7", "Some(Capture { port: Wan, filter: All, count: 7 })"),
            ("capture wan 192.0.2.9", "Some(Capture { port: Wan, filter: Host(192.0.2.9), count: 100 })"),
            ("log warning", "Some(Log(Some(Warning)))"),
            ("terminal 132 0", "Some(Terminal { columns: 132, rows: 0 })"),
            ("help show", "Some(Help(Some(\"show\")))"),
            ("factory-reset", "Some(FactoryReset)"),
        ] {
            assert_eq!(told(line), command, "{line}");
        }
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        for (line, mistake) in [
            ("shwo wan", "no such command: shwo. Did you mean show?"),
            ("xyzzy", "no such command: xyzzy; `help` lists what there is"),
            ("s", "s is the beginning of several words; ? lists them"),
            ("show wna", "not expected: wna; usage: show [TOPIC] [WHICH]. Did you mean wan?"),
            ("show lan 1", "not expected: 1; usage: show [TOPIC] [WHICH]"),
            ("set", "usage: set PATH VALUE"),
            ("set wan.user", "usage: set PATH VALUE"),
            ("commit confirmed", "usage: commit [confirmed MINUTES]"),
            ("commit 5", "usage: commit [confirmed MINUTES]"),
            ("commit confirmed 61", "61 is not from 1 to 60"),
            ("reboot now", "not expected: now; usage: reboot"),
            ("ping", "usage: ping HOST [COUNT]"),
            ("ping a b", "not expected: b; usage: ping HOST [COUNT]"),
            ("ping \"a", "the quotation marks are not closed"),
            ("show wan 1 2 3 4 5 6 7 8 9", "not expected: 2; usage: show [TOPIC] [WHICH]"),
        ] {
            assert_eq!(told(line), mistake, "{line}");
        }
    }
}
