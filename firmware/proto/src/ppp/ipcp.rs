//! IPCP's options: our address, two DNS servers, the peer's address.
//!
//! Reading list: RFC 1332 §3.3 (IP-Address), §3.2 (IP-Compression-Protocol, which we reject), RFC
//! 1877 §1 (name servers).

use gatelet_wire::ppp::ipcp::ConfigOption;
use gatelet_wire::ppp::{RawOption, Writer};
use rand_core::Rng;
use smoltcp::wire::Ipv4Address;

use super::config::LastIpv4;
use super::negotiation::{Judgement, Options};

/// What IPCP asks for and has learnt.
#[derive(Debug)]
pub(super) struct IpcpOptions {
    /// What we ask for, 0.0.0.0 for any; `None` once the peer rejected the option.
    address: Option<Ipv4Address>,
    dns: [Option<Ipv4Address>; 2],
    /// The peer's, of its newest Configure-Request.
    peer: Option<Ipv4Address>,
}

impl IpcpOptions {
    /// Asks for what was had last time, or for anything.
    pub(super) fn new(last: Option<LastIpv4>) -> Self {
        let any = Ipv4Address::UNSPECIFIED;
        match last {
            Some(last) => Self {
                address: Some(last.address),
                dns: last.dns.map(|dns| Some(dns.unwrap_or(any))),
                peer: None,
            },
            None => Self { address: Some(any), dns: [Some(any); 2], peer: None },
        }
    }

    /// What was agreed on, if there is an address in it that a host can have.
    pub(super) fn agreed(&self) -> Option<LastIpv4> {
        let usable = |address: &Ipv4Address| {
            !(address.is_unspecified()
                || address.is_broadcast()
                || address.is_multicast()
                || address.is_loopback())
        };
        let address = self.address.filter(usable)?;
        Some(LastIpv4 { address, dns: self.dns.map(|server| server.filter(usable)) })
    }

    /// The peer's address, if it told.
    pub(super) const fn peer(&self) -> Option<Ipv4Address> {
        self.peer
    }
}

impl Options for IpcpOptions {
    fn write_request(&self, writer: &mut Writer<'_>) {
        let [primary, secondary] = self.dns;
        let options = [
            self.address.map(ConfigOption::IpAddress),
            primary.map(ConfigOption::PrimaryDns),
            secondary.map(ConfigOption::SecondaryDns),
        ];
        for option in options.into_iter().flatten() {
            option.write(writer);
        }
    }

    fn begin_peer_request(&mut self) {
        self.peer = None;
    }

    fn judge(&mut self, _rng: &mut dyn Rng, option: RawOption<'_>) -> Judgement {
        match ConfigOption::parse(option) {
            // 0.0.0.0 asks us for an address; we have none to give.
            Ok(ConfigOption::IpAddress(address)) if !address.is_unspecified() => {
                self.peer = Some(address);
                Judgement::Ack
            }
            _ => Judgement::Reject,
        }
    }

    fn write_suggestion(&self, _kind: u8, _writer: &mut Writer<'_>) {}

    fn handle_nak(&mut self, _rng: &mut dyn Rng, option: RawOption<'_>, stubborn: bool) {
        // A server that is nak'd with 0.0.0.0 does not exist; one that is nak'd for ever is given up.
        let server =
            |address: Ipv4Address| Some(address).filter(|address| !address.is_unspecified() && !stubborn);
        match ConfigOption::parse(option) {
            Ok(ConfigOption::IpAddress(address)) => {
                self.address = self.address.map(|_| address);
            }
            Ok(ConfigOption::PrimaryDns(address)) => {
                self.dns[0] = self.dns[0].and_then(|_| server(address));
            }
            Ok(ConfigOption::SecondaryDns(address)) => {
                self.dns[1] = self.dns[1].and_then(|_| server(address));
            }
            _ => {}
        }
    }

    fn handle_reject(&mut self, option: RawOption<'_>) -> bool {
        match ConfigOption::parse(option) {
            Ok(ConfigOption::IpAddress(address)) => {
                let asked = self.address.is_some();
                // Perhaps it was only the address of last time that it does not like.
                self.address =
                    self.address.filter(|_| !address.is_unspecified()).map(|_| Ipv4Address::UNSPECIFIED);
                asked
            }
            Ok(ConfigOption::PrimaryDns(_)) => self.dns[0].take().is_some(),
            Ok(ConfigOption::SecondaryDns(_)) => self.dns[1].take().is_some(),
            _ => false,
        }
    }
}
