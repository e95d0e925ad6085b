//! The line as it was recorded, read with eyes of its own: nothing here comes from the code under test.

use std::fs;
use std::path::Path;

use crate::machine::ISP_MAC;

/// One frame of a recording.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// Seconds since the recording's first frame.
    pub(crate) at: f64,
    /// Whether the subscriber sent it.
    pub(crate) ours: bool,
    /// `PADI`, `LCP Configure-Request`, `CHAP Challenge`, `IPv4`, …
    pub(crate) name: String,
    /// Its 802.1Q VLAN id.
    pub(crate) vlan: Option<u16>,
}

/// Reads a classic pcap file with microseconds, little-endian, Ethernet.
pub(crate) fn read(file: &Path) -> Result<Vec<Message>, String> {
    let content = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut rest = content.get(24..).ok_or(format!("{}: no capture", file.display()))?;
    let mut messages: Vec<Message> = Vec::new();
    let mut first = None;
    while let Some((header, after)) = rest.split_at_checked(16) {
        let word =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        // A recording that was cut off in the middle of a frame ends before it.
        let Some((frame, after)) = after.split_at_checked(word(8) as usize) else { break };
        rest = after;
        let at = f64::from(word(0)) + f64::from(word(4)) / 1e6;
        messages.extend(message(at - *first.get_or_insert(at), frame));
    }
    Ok(messages)
}

fn message(at: f64, frame: &[u8]) -> Option<Message> {
    let tagged = frame.get(12..14)? == [0x81, 0x00];
    let vlan = tagged.then(|| u16::from_be_bytes([frame[14], *frame.get(15)?]).into()).flatten();
    let vlan = vlan.map(|tag: u16| tag & 0xFFF);
    let name = name(frame.get(if tagged { 16 } else { 12 }..)?)?;
    Some(Message { at, ours: frame[6..12] != ISP_MAC, name, vlan })
}

/// Of what follows the addresses and the tag, from the type field on.
fn name(bytes: &[u8]) -> Option<String> {
    let code = *bytes.get(3)?;
    if bytes[..2] == [0x88, 0x63] {
        let name = match code {
            0x09 => "PADI",
            0x07 => "PADO",
            0x19 => "PADR",
            0x65 => "PADS",
            0xA7 => "PADT",
            _ => "unknown PPPoE code",
        };
        return Some(name.into());
    }
    let protocol = u16::from_be_bytes([*bytes.get(8)?, *bytes.get(9)?]);
    let code = usize::from(bytes.get(10).copied().unwrap_or(0));
    let control = [
        "",
        "Configure-Request",
        "Configure-Ack",
        "Configure-Nak",
        "Configure-Reject",
        "Terminate-Request",
        "Terminate-Ack",
        "Code-Reject",
        "Protocol-Reject",
        "Echo-Request",
        "Echo-Reply",
        "Discard-Request",
    ];
    let pap = ["", "Authenticate-Request", "Authenticate-Ack", "Authenticate-Nak"];
    let chap = ["", "Challenge", "Response", "Success", "Failure"];
    let (protocol, codes): (&str, &[&str]) = match protocol {
        0x0021 => return Some("IPv4".into()),
        0x0057 => return Some("IPv6".into()),
        0xC021 => ("LCP", &control),
        0x8021 => ("IPCP", &control),
        0x8057 => ("IPV6CP", &control),
        0xC023 => ("PAP", &pap),
        0xC223 => ("CHAP", &chap),
        _ => return Some(format!("PPP protocol {protocol:#06x}")),
    };
    Some(format!("{protocol} {}", codes.get(code).copied().unwrap_or("unknown code")))
}

/// When our first `name` left.
pub(crate) fn sent(trace: &[Message], name: &str) -> Option<f64> {
    trace.iter().find(|message| message.ours && message.name == name).map(|message| message.at)
}

/// The most messages of these names that we sent within any `seconds`.
pub(crate) fn most_within(trace: &[Message], names: &[&str], seconds: f64) -> usize {
    let times: Vec<f64> = trace
        .iter()
        .filter(|message| message.ours && names.contains(&message.name.as_str()))
        .map(|message| message.at)
        .collect();
    let within = |from: &f64| times.iter().filter(|at| (0.0..seconds).contains(&(*at - from))).count();
    times.iter().map(within).max().unwrap_or(0)
}
