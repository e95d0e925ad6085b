//! What an answer from a server is good for.

use gatelet_wire::IpAddress;
use gatelet_wire::dns::{Layout, Message, NameBuf, Rcode, Section, Type};

use super::Config;
use super::rebind::private_address;

/// An answer that can be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Examined {
    /// How long it may be kept, seconds; 0: not at all.
    pub(super) lifetime_s: u32,
    /// No TTL in it may be above this.
    pub(super) ttl_max_s: u32,
    /// The first address of the LAN's kind in the answer section.
    pub(super) private: Option<IpAddress>,
    /// There is one in what comes along with the answer.
    pub(super) has_private_additional: bool,
}

/// Looks at an answer to `name` and `kind` that has been read as a whole.
pub(super) fn examine(
    config: &Config,
    message: &Message<'_>,
    layout: &Layout<'_>,
    rcode: Rcode,
    name: &NameBuf,
    kind: Type,
) -> Examined {
    let mut examined = Examined {
        lifetime_s: config.ttl_cap_s,
        ttl_max_s: config.ttl_cap_s,
        private: None,
        has_private_additional: false,
    };
    let records = || message.records().into_iter().flatten().flatten();
    let mut least = u32::MAX;
    let mut has_answer = false;
    for record in records().filter(|record| record.kind != Type::OPT) {
        least = least.min(record.ttl);
        match record.section {
            Section::Answer => {
                has_answer |= record.kind == kind;
                examined.private = examined.private.or_else(|| private_address(&record));
            }
            Section::Authority => {}
            Section::Additional => examined.has_private_additional |= private_address(&record).is_some(),
        }
    }
    let is_positive = rcode == Rcode::NOERROR && has_answer;
    let is_negative = rcode == Rcode::NXDOMAIN || (rcode == Rcode::NOERROR && !has_answer);
    examined.lifetime_s = if is_positive {
        least.max(config.ttl_floor_s).min(config.ttl_cap_s)
    } else if is_negative {
        // Without an SOA of a zone that the name is in, it is nobody's word (RFC 2308 §5).
        let owner = canonical_name(message, layout, name);
        let denial = records()
            .filter(|record| record.section == Section::Authority)
            .find_map(|record| Some((record.soa()?, record)))
            .filter(|(_, record)| owner.is_within(&record.name.to_buf()));
        match denial {
            Some((soa, record)) => {
                let negative = soa.minimum.min(record.ttl).min(config.negative_ttl_cap_s);
                examined.ttl_max_s = examined.ttl_max_s.min(negative);
                negative.min(least)
            }
            None => 0,
        }
    } else {
        0
    };
    examined
}

/// Where the CNAMEs of the answer section lead from `name`.
fn canonical_name(message: &Message<'_>, layout: &Layout<'_>, name: &NameBuf) -> NameBuf {
    let mut name = *name;
    if layout.answers == layout.authority {
        return name;
    }
    // In whatever order they stand, and no further than there are: they may lead in a circle.
    for _ in 0..MAX_CNAMES {
        let next = message.records().into_iter().flatten().flatten().find(|record| {
            record.section == Section::Answer
                && record.kind == Type::CNAME
                && record.name.eq_ignore_ascii_case(&name)
        });
        match next.and_then(|record| record.target()) {
            Some(target) => name = target.to_buf(),
            None => break,
        }
    }
    name
}

/// CNAMEs that are followed, as many as Unbound follows.
const MAX_CNAMES: usize = 11;
