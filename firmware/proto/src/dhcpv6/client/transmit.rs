//! Writing what is due.

use gatelet_wire::dhcpv6::{MessageType, OptionCode, TransactionId, Writer};
use smoltcp::time::Instant;

use super::lease::Lease;
use super::{
    CONFIRM_FOR, CONFIRMS, Client, Holding, RELEASE_ATTEMPTS, RELEASES, RENEWALS, REQUEST_ATTEMPTS, REQUESTS,
    State, pace,
};
use crate::retransmit::Pace;

/// What we want to know, besides leases.
const OPTION_REQUEST: [OptionCode; 3] =
    [OptionCode::DNS_SERVERS, OptionCode::SOL_MAX_RT, OptionCode::CAPTIVE_PORTAL];

/// A message that was written, and is to be sent from port 546 of our link-local address to port 547 of `ff02::1:2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    /// Which.
    pub message_type: MessageType,
    /// Which copy of it this is, from 1.
    pub attempt: u8,
    /// Its length in octets: the payload of a UDP datagram.
    pub len: usize,
}

/// What stands in a message, apart from what every one has.
struct Draft<'a> {
    message_type: MessageType,
    id: TransactionId,
    hundredths: u16,
    /// To whom, if it is not for all.
    server: Option<&'a [u8]>,
    /// What is asked for by name.
    lease: Option<&'a Lease>,
    pace: Pace,
}

impl Client {
    /// Whether a message is due.
    pub fn wants_to_send(&self, now: Instant) -> bool {
        self.draft(now).is_some()
    }

    /// Writes the message that is due into `buffer`, as the payload of a UDP datagram. `None` if none is due, or `buffer`
    /// is too small for it (700 octets are enough).
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Outgoing> {
        let draft = self.draft(now)?;
        let (message_type, pace) = (draft.message_type, draft.pace);
        let len = self.emit(&draft, buffer)?;
        let (State::Soliciting { transaction, .. }
        | State::Requesting { transaction, .. }
        | State::Confirming { transaction, .. }
        | State::Releasing { transaction, .. }
        | State::Holding {
            phase: Holding::Renewing(transaction) | Holding::Rebinding(transaction), ..
        }) = &mut self.state
        else {
            return None;
        };
        let attempt = transaction.exchange.note_sent(now, pace);
        Some(Outgoing { message_type, attempt, len })
    }

    fn draft(&self, now: Instant) -> Option<Draft<'_>> {
        let transaction = self.transaction().filter(|transaction| transaction.exchange.is_due(now))?;
        let exchange = &transaction.exchange;
        let draft = |message_type, pace| Draft {
            message_type,
            id: transaction.id,
            hundredths: exchange.hundredths(now),
            server: None,
            lease: None,
            pace,
        };
        let to_all = |lease, message_type, pace| Draft { lease: Some(lease), ..draft(message_type, pace) };
        let to_server = |lease, message_type, pace| {
            let lease: &Lease = lease;
            Draft { server: Some(lease.server.as_slice()), ..to_all(lease, message_type, pace) }
        };
        match &self.state {
            // An offer is requested instead.
            State::Soliciting { best: Some(_), .. } => None,
            State::Soliciting { .. } => Some(draft(MessageType::Solicit, pace(1, self.solicit_most, true))),
            State::Requesting { offer, .. } if exchange.sent < REQUEST_ATTEMPTS => {
                Some(to_server(offer, MessageType::Request, REQUESTS))
            }
            State::Confirming { lease, .. } => {
                let is_over = exchange.first_sent_at.is_some_and(|first| first + CONFIRM_FOR <= now);
                (!is_over).then(|| to_all(lease, MessageType::Rebind, CONFIRMS))
            }
            State::Holding { lease, phase: Holding::Renewing(_) } => {
                Some(to_server(lease, MessageType::Renew, RENEWALS))
            }
            State::Holding { lease, phase: Holding::Rebinding(_) } => {
                Some(to_all(lease, MessageType::Rebind, RENEWALS))
            }
            State::Releasing { lease, .. } if exchange.sent < RELEASE_ATTEMPTS => {
                Some(to_server(lease, MessageType::Release, RELEASES))
            }
            _ => None,
        }
    }

    fn emit(&self, draft: &Draft<'_>, buffer: &mut [u8]) -> Option<usize> {
        let config = &self.config;
        let mut writer = Writer::new(buffer, draft.message_type, draft.id);
        writer.push(OptionCode::CLIENT_ID, &config.duid);
        if let Some(server) = draft.server {
            writer.push(OptionCode::SERVER_ID, server);
        }
        writer.elapsed_time(draft.hundredths);
        let is_release = draft.message_type == MessageType::Release;
        if !is_release {
            writer.option_request(&OPTION_REQUEST);
        }
        let is_solicit = draft.message_type == MessageType::Solicit;
        if is_solicit && config.rapid_commit {
            writer.push(OptionCode::RAPID_COMMIT, b"");
        }
        let addresses = draft.lease.map_or(&[][..], |lease| &lease.addresses);
        if config.wants_address && !(is_release && addresses.is_empty()) {
            writer.ia(OptionCode::IA_NA, config.iaid, 0, 0, |writer| {
                for assigned in addresses {
                    writer.ia_address(assigned.address, 0, 0);
                }
            });
        }
        let prefixes = draft.lease.map_or(&[][..], |lease| &lease.prefixes);
        if let Some(wanted) = config.wants_prefix
            && !(is_release && prefixes.is_empty())
        {
            writer.ia(OptionCode::IA_PD, config.iaid, 0, 0, |writer| {
                for delegated in prefixes {
                    writer.ia_prefix(delegated.prefix, 0, 0);
                }
                if is_solicit {
                    writer.ia_prefix(self.hint.unwrap_or(wanted), 0, 0);
                }
            });
        }
        writer.finish().ok()
    }
}
