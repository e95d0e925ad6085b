//! `show connectivity`.

use gatelet_proto::connectivity::{Family, Verdict};
use smoltcp::time::Instant;

use crate::lines::{LINE_TEXT, Lines};
use crate::time::Context;

/// What is found about each family, and when the check was done that says so.
pub fn connectivity(found: &[(Family, Verdict, Option<Instant>)], context: &Context, lines: &mut Lines<'_>) {
    for (family, verdict, checked) in found {
        let name = match family {
            Family::Ipv4 => "IPv4",
            Family::Ipv6 => "IPv6",
        };
        lines.field(
            name,
            format_args!(
                "{}{}{}",
                verdict.name(),
                if verdict.detail().is_some() { ": " } else { "" },
                verdict.detail().unwrap_or_default()
            ),
        );
        let mut sentence: heapless::String<LINE_TEXT> = heapless::String::new();
        // A URL that is longer than the line is cut.
        let _ = verdict.write(&mut sentence, context.language);
        lines.sentence("", &sentence);
        if let Some(at) = checked {
            lines.field("", format_args!("{} {}", context.pick("checked", "检测于"), context.since(*at)));
        }
    }
    if found.is_empty() {
        lines.line(format_args!("{}", context.pick("nothing is checked here", "未启用检测")));
    }
}
