//! `docs/settings.md` says what the code says.

use std::fmt::Write;
use std::format;
use std::string::String;

use smoltcp::time::Duration;

use crate::{KEYS, Key, Kind, ROOM, TRIAL_MINUTES_MAX, Unset, Value};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");

/// The sentence on wear is checked by `gatelet-runtime`, against a NOR flash that counts.
const OPENING: &str = "# Settings\n
All that can be set. This page is written by the test `docs_settings_md_is_the_table_of_keys`: after changing a key, run
`GATELET_WRITE_DOCS=1 cargo test -p gatelet-settings docs_settings`.\n
## How to set something\n
    set wan.user 02112345678@isp
    set wan.password \"with a blank at its end \"
    set forward.1.port 8080
    set forward.1.to 192.168.1.10
    unset forward.2
    diff
    commit\n
- A path is words between dots; in a list, the number of the entry is one of them, from 1 on. `unset` takes the beginning of a
  path too and unsets all below it.
- A value is what is left of the line. Blanks at its ends and a quote in front need quotes around it, with `\\\"` and `\\\\` within.
- What is typed is checked at once, and refused with a reason and an example. What does not go together (a pool outside the
  LAN, a LAN that the line has too) is refused by `commit`. Nothing takes effect before that.
- `commit confirmed 5` takes everything back after five minutes unless a `commit` follows. Meanwhile it is not in flash,
  so pulling the plug takes it back too.
- `export` prints lines that can be pasted back, secrets only as `export secrets`. An import with an error in any line
  changes nothing, and tells every error with its line. It adds to what is set, and so leaves the password as it is.
- *Felt* says when a change is: at once, with a new dial that the commit begins (on a line that is not dialed, the
  address is got anew), or after a reboot. A setting for a line of another kind than `wan.kind` is not felt at all.\n\n";

const FLASH: &str = "## In flash\n
Only what was set is kept, so that a better default of newer firmware reaches everybody who did not choose otherwise. Each
setting is a record (number of the key, number of the entry, the value as text), and all of them together a *generation*.
There are two banks of flash; a commit writes the new generation into the one that does not count, and a seal with a checksum
behind it. Whenever the power fails, the old generation or the new one is there, whole
([decision 5](decisions/0005-settings-in-two-banks.md)).\n
- A value that newer firmware does not allow any more falls back to its default, and the log says so; the rest stays.
- What newer firmware has set and older firmware does not know is kept through commits of the older one.
- The ledger of dials and the leases are in parts of flash of their own.
- At least four sectors; eight of 4 KiB hold whatever can be set.\n";

const WEAR: &str = "Wear: a commit that changes something erases the sectors of one bank once, one that changes nothing none. In a year with two\n\
changes a day a sector is erased 365 times, 1.0 a day; at 100 000 cycles it lasts 273 years.\n";

fn values(key: &Key) -> String {
    let list = key.values();
    match key.kind {
        Kind::Choice(_) | Kind::Flag => {
            list.iter().map(|word| format!("`{word}`")).collect::<std::vec::Vec<_>>().join(" ")
        }
        Kind::Text { most } => format!("text, {most} bytes at most"),
        Kind::Number { least, most } => format!("{least} to {most}"),
        Kind::Span { least_s, most_s } => {
            let span = |seconds| Value::Span(Duration::from_secs(u64::from(seconds)));
            format!("{} to {}", span(least_s), span(most_s))
        }
        Kind::Window { least } => format!("{least} to 8 within 1s to 1d"),
        Kind::Label => "a host name".into(),
        Kind::Name => "a domain name".into(),
        Kind::Ipv4 => "an IPv4 address".into(),
        Kind::Interface { .. } => "an IPv4 address and the length of its prefix".into(),
        Kind::Network => "an IPv4 network or address".into(),
        Kind::Prefix => "`any`, or a network or address of either family".into(),
        Kind::Ipv6 => "an IPv6 address".into(),
        Kind::Interface6 => "an IPv6 address and 127 or 64 as length of its prefix".into(),
        Kind::Network6 { is_local: true } => "a prefix of fd00::/8, of 48 to 64 bits".into(),
        Kind::Network6 { is_local: false } => "an IPv6 prefix of 48 to 64 bits".into(),
        Kind::Dscp => "`inherit`, or 0 to 63".into(),
        Kind::Passphrase => "8 to 63 characters of ASCII".into(),
        Kind::Country => "two letters".into(),
        Kind::Mac => "a hardware address".into(),
        Kind::Pool => "two IPv4 addresses".into(),
        Kind::Ports => "a port, or a range".into(),
        Kind::Vlan => "1 to 4094, and a priority".into(),
        Kind::TimeOfDay => "00:00 to 23:59".into(),
        Kind::UtcOffset => "-12:00 to +14:00".into(),
        Kind::ClientId => "`mac`, `none`, or octets".into(),
        Kind::Url => "a plain web address".into(),
        Kind::Protocol => "a protocol's name or number".into(),
    }
}

#[test]
fn docs_settings_md_is_the_table_of_keys() {
    let mut page = String::from(OPENING);
    let mut section = "";
    for key in KEYS {
        let first = key.path.split('.').next().unwrap();
        if first != section {
            section = first;
            writeln!(page, "## {first}\n\n| key | values | not set | example | what it is for | felt |\n|---|---|---|---|---|---|").unwrap();
        }
        let unset = match key.unset {
            Unset::Value(text) => format!("`{text}`"),
            Unset::Means(words) => words.into(),
            Unset::Required => "needed in each entry".into(),
        };
        let path = if key.most == 0 {
            format!("`{}`", key.path)
        } else {
            format!("`{}` (1 to {})", key.path, key.most)
        };
        let secret = if key.secret { " Secret." } else { "" };
        let (values, example, help, felt) = (values(key), key.example, key.help, key.effect.name());
        writeln!(page, "| {path} | {values} | {unset} | `{example}` | {help}{secret} | {felt} |").unwrap();
        let next = KEYS.iter().find(|next| next.id > key.id).and_then(|next| next.path.split('.').next());
        if next != Some(section) {
            page.push('\n');
        }
    }
    writeln!(
        page,
        "All settings together have {ROOM} bytes: each takes 4 and its text. A trial is for {TRIAL_MINUTES_MAX} minutes at most.\n"
    )
    .unwrap();
    writeln!(page, "{FLASH}\n{WEAR}").unwrap();
    let page = format!("{}\n", page.trim_end());
    if std::env::var_os("GATELET_WRITE_DOCS").is_some() {
        std::fs::write(PATH, &page).unwrap();
    }
    let written = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        written == page,
        "docs/settings.md is not what the code says: see how to write it in its second paragraph"
    );
}
