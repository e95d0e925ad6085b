//! `show flows`, `show nat` and `show leases`: tables, row by row.

use core::fmt::{self, Write};
use core::net::{SocketAddrV4, SocketAddrV6};

use gatelet_router::{FlowStatus, FlowStatus6, MappingStatus, Router};

use crate::request::Text;
use crate::time::{Context, Span};
use crate::width::Printable;

/// A row of the flows.
pub fn flows(router: &Router<'_>, at: u32, context: &Context, out: &mut Text) -> Option<u32> {
    let Some(from) = at.checked_sub(1) else {
        return row(
            out,
            1,
            format_args!("Proto From                  To                    State        Idle"),
        );
    };
    if at & IPV6 == 0
        && let Some((place, flow)) = router.flows(context.now, from as u16).next()
    {
        return flow_row(&flow, u32::from(place) + 2, context, out);
    }
    // Two lines for each: the addresses are long.
    let (from, is_second) = if at & IPV6 == 0 { (0, false) } else { ((at >> 1) as u16, at & 1 != 0) };
    let (place, flow) = router.flows6(context.now, from).next()?;
    // What has ended between its lines has no second one.
    let is_second = is_second && place == from;
    flow6_row(&flow, is_second, IPV6 | (u32::from(place) * 2 + 1 + u32::from(is_second)), context, out)
}

/// Where the rows of IPv6 are: twice the place, and one more for the second line of it.
const IPV6: u32 = 1 << 31;

fn flow6_row(
    flow: &FlowStatus6,
    is_second: bool,
    next: u32,
    context: &Context,
    out: &mut Text,
) -> Option<u32> {
    let FlowStatus6 { protocol, source, destination, is_established, idle } = *flow;
    if is_second {
        return row(out, next, format_args!("      {destination}"));
    }
    let state = if is_established { "established" } else { "half-open" };
    let (idle, source) = (Span(idle, context.language), End6(source));
    row(out, next, format_args!("{:<5} {source:<47} {state:<12} {idle}", Protocol(protocol)))
}

fn flow_row(flow: &FlowStatus, next: u32, context: &Context, out: &mut Text) -> Option<u32> {
    let FlowStatus { protocol, source, destination, is_established, idle, .. } = *flow;
    let state = if is_established { "established" } else { "half-open" };
    row(
        out,
        next,
        format_args!(
            "{:<5} {:<21} {:<21} {state:<12} {}",
            Protocol(protocol),
            End(source),
            End(destination),
            Span(idle, context.language)
        ),
    )
}

/// A row of the NAT mappings.
pub fn mappings(router: &Router<'_>, at: u32, out: &mut Text) -> Option<u32> {
    let Some(from) = at.checked_sub(1) else {
        return row(out, 1, format_args!("Proto Inside                Port outside  WAN  Flows"));
    };
    let (place, mapping) = router.mappings(from as u16).next()?;
    mapping_row(&mapping, u32::from(place) + 2, out)
}

fn mapping_row(mapping: &MappingStatus, next: u32, out: &mut Text) -> Option<u32> {
    let MappingStatus { protocol, inside, external_port, wan, flows } = *mapping;
    row(
        out,
        next,
        format_args!(
            "{:<5} {:<21} {external_port:>12}  {:>3}  {flows:>5}",
            Protocol(protocol),
            End(inside),
            Wan(wan)
        ),
    )
}

/// A row of the leases.
pub fn leases(router: &Router<'_>, at: u32, context: &Context, out: &mut Text) -> Option<u32> {
    let server = router.dhcp_server()?;
    let Some(from) = at.checked_sub(1) else {
        return row(out, 1, format_args!("Address         Hardware address   Ends          Name"));
    };
    let lease = server.leases().nth(from as usize)?;
    let mut ends: heapless::String<32> = heapless::String::new();
    let written = match lease.expires_at() {
        Some(at) if at > context.now => write!(ends, "in {}", Span(at - context.now, context.language)),
        _ => ends.write_str("over"),
    };
    written.ok()?;
    row(
        out,
        at + 1,
        format_args!("{:<15} {}  {ends:<13} {}", Left(lease.address()), lease.mac(), lease.host_name()),
    )
}

/// Writes a row, and answers where the next one is.
#[expect(clippy::unnecessary_wraps, reason = "the last thing each table does")]
fn row(out: &mut Text, next: u32, text: fmt::Arguments<'_>) -> Option<u32> {
    out.clear();
    // A row is shorter than a line may be.
    let _ = Printable(out).write_fmt(text);
    Some(next)
}

/// A protocol by its name.
struct Protocol(u8);

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 | 58 => f.pad("icmp"),
            6 => f.pad("tcp"),
            17 => f.pad("udp"),
            other => padded(f, format_args!("{other}")),
        }
    }
}

/// An address and a port in a column.
struct End(SocketAddrV4);

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        padded(f, format_args!("{}", self.0))
    }
}

/// An IPv6 address and a port in a column.
struct End6(SocketAddrV6);

impl fmt::Display for End6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        padded(f, format_args!("{}", self.0))
    }
}

struct Left(core::net::Ipv4Addr);

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        padded(f, format_args!("{}", self.0))
    }
}

struct Wan(Option<gatelet_router::WanId>);

impl fmt::Display for Wan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => padded(f, format_args!("{}", id.0)),
            None => f.pad("-"),
        }
    }
}

fn padded(f: &mut fmt::Formatter<'_>, text: fmt::Arguments<'_>) -> fmt::Result {
    let mut buffer: heapless::String<48> = heapless::String::new();
    buffer.write_fmt(text)?;
    f.pad(&buffer)
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use gatelet_proto::redial::Language;
    use gatelet_router::WanId;
    use smoltcp::time::{Duration, Instant};

    use super::*;
    use crate::time::Clock;
    use crate::{Day, width};

    /// The longest values, in 80 columns.
    #[test]
    fn rows_fit_a_terminal() {
        let end = SocketAddrV4::new(Ipv4Addr::new(203, 203, 203, 203), 54321);
        let context = Context {
            now: Instant::ZERO,
            clock: Clock::default(),
            language: Language::English,
            columns: 80,
            day: Day::default(),
        };
        let mut out = Text::new();
        let flow = FlowStatus {
            protocol: 6,
            source: end,
            destination: end,
            translated_source: end,
            translated_destination: end,
            is_established: true,
            idle: Duration::from_secs(7439),
        };
        assert_eq!(flow_row(&flow, 7, &context, &mut out), Some(7));
        assert_eq!(out, "tcp   203.203.203.203:54321 203.203.203.203:54321 established  2 h 3 min");
        assert!(width::of(&out) < 80);
        let end = SocketAddrV6::new(core::net::Ipv6Addr::from_bits(u128::MAX), 54321, 0, 0);
        let idle = Duration::from_secs(7439);
        let flow = FlowStatus6 { protocol: 58, source: end, destination: end, is_established: false, idle };
        assert_eq!(flow6_row(&flow, false, 9, &context, &mut out), Some(9));
        let told = "icmp  [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:54321 half-open    2 h 3 min";
        assert_eq!(out, told);
        assert!(width::of(&out) < 80);
        assert_eq!(flow6_row(&flow, true, 10, &context, &mut out), Some(10));
        assert_eq!(out, "      [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:54321");
        let end = SocketAddrV4::new(Ipv4Addr::new(203, 203, 203, 203), 54321);
        let mapping =
            MappingStatus { protocol: 17, inside: end, external_port: 54321, wan: None, flows: 1024 };
        assert_eq!(mapping_row(&mapping, 8, &mut out), Some(8));
        assert_eq!(out, "udp   203.203.203.203:54321        54321    -   1024");
        let mapping = MappingStatus { protocol: 47, wan: Some(WanId(1)), ..mapping };
        assert_eq!(mapping_row(&mapping, 8, &mut out), Some(8));
        assert_eq!(out, "47    203.203.203.203:54321        54321    1   1024");
    }
}
