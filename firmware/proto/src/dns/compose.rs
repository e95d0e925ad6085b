//! Makes the answer to one client out of a message that many may get.

use gatelet_wire::dns::{
    self, ExtendedError, Flags, HEADER_LEN, Message, Opt, Rcode, Section, Writer, rewrite_ttls,
};

use super::pending::ReplyForm;
use super::{ClientTransport, UDP_PAYLOAD_SIZE};

/// The TTL of what is stale, seconds (RFC 8767 §4).
const STALE_TTL_S: u32 = 30;

/// What is done to the message.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Treatment {
    /// How old it is, seconds.
    pub(super) age_s: u32,
    /// It has expired.
    pub(super) is_stale: bool,
    pub(super) rcode: Option<Rcode>,
    pub(super) error: Option<ExtendedError>,
}

/// Writes into `buffer` what a client gets of `message`, which has no OPT: its own ID, flags and
/// letters, TTLs as old as they are, no more than it can receive, and EDNS if it has that. `None` if
/// not even the question fits.
pub(super) fn compose(
    message: &[u8],
    form: &ReplyForm,
    transport: ClientTransport,
    treatment: &Treatment,
    buffer: &mut [u8],
) -> Option<usize> {
    let parsed = Message::parse(message).ok()?;
    let layout = parsed.check().ok()?;
    let limit = match transport {
        ClientTransport::Udp => form.udp_limit().min(buffer.len()),
        ClientTransport::Tcp(_) => buffer.len(),
    };
    let mut rcode = treatment.rcode.unwrap_or(parsed.flags().rcode());
    let options = treatment.error.map(ExtendedError::to_option);
    let options = options.as_ref().map_or(&[][..], |option| option);
    let opt_len = if form.edns.is_some() { OPT_LEN + options.len() } else { 0 };
    let room = limit.checked_sub(opt_len)?;

    let (mut keep, is_cut) = if layout.end <= room {
        (layout.end, false)
    } else if layout.additional <= room {
        // Nobody asked for those (RFC 2181 §9).
        (layout.additional, false)
    } else {
        (layout.answers, true)
    };
    let out = buffer.get_mut(..keep)?;
    out.copy_from_slice(message.get(..keep)?);
    if is_cut {
        dns::cut_from(out, &layout, Section::Answer);
    } else if keep < layout.end {
        dns::cut_from(out, &layout, Section::Additional);
    }
    if let Ok(Some(question)) = parsed.question() {
        let name = form.case.applied_to(question.name.to_buf());
        out.get_mut(HEADER_LEN..HEADER_LEN + name.as_bytes().len())?.copy_from_slice(name.as_bytes());
    }
    let aged = rewrite_ttls(out, |_, ttl| {
        if treatment.is_stale { ttl.min(STALE_TTL_S) } else { ttl.saturating_sub(treatment.age_s) }
    });
    // A server may have let the pointer of a name lead into a TTL: then the name is another by now, or
    // none.
    if aged.is_err() || Message::parse(out).and_then(|message| message.check().map(drop)).is_err() {
        keep = dns::cut_from(out, &layout, Section::Answer);
        rcode = Rcode::SERVFAIL;
    }
    let mut flags = parsed.flags().only(Flags::AUTHORITATIVE);
    if is_cut {
        match transport {
            ClientTransport::Udp => flags = flags.with(Flags::TRUNCATED),
            ClientTransport::Tcp(_) => rcode = Rcode::SERVFAIL,
        }
    }
    if form.wants_authentic_data() && !treatment.is_stale {
        flags = flags.with(parsed.flags().only(Flags::AUTHENTIC_DATA));
    }
    flags = flags
        .with(form.flags.only(Flags::RECURSION_DESIRED.with(Flags::CHECKING_DISABLED)))
        .with(Flags::RESPONSE)
        .with(Flags::RECURSION_AVAILABLE)
        .with_opcode(form.flags.opcode())
        .with_rcode(rcode);
    dns::set_id(out, form.id);
    dns::set_flags(out, flags);
    let Some(edns) = form.edns else { return Some(keep) };
    let opt = Opt {
        udp_payload_size: UDP_PAYLOAD_SIZE,
        extended_rcode: (rcode.0 >> 4) as u8,
        version: 0,
        flags: if edns.dnssec_ok { Opt::DNSSEC_OK } else { 0 },
        options,
    };
    Writer::resume(buffer, keep).ok()?.opt(&opt).finish().ok()
}

/// Octets of an OPT without options.
const OPT_LEN: usize = 11;
