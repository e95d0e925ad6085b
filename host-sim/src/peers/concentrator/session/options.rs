//! Configuration options of a session: what it asks for, and what it makes of the client's requests. A contrary
//! concentrator first rejects, then naks, then agrees.
//!
//! Reading list: RFC 1661 §5 and §6, RFC 1332 §3, RFC 1877 §1, RFC 5072 §4.

use gatelet_wire::ppp::{self, Code, Control, Protocol, RawOption, Writer, ipcp, ipv6cp, lcp};
use rand_core::Rng;
use smoltcp::wire::Ipv4Address;

use super::super::layer::Answer;
use super::super::moods::{Authentication, Moods};
use super::{GATEWAY, Session, Surroundings};

impl Session {
    pub(super) fn lcp_request(&self) -> Vec<u8> {
        let authentication = match self.authenticator.method {
            Authentication::None => None,
            Authentication::Pap => Some(lcp::Authentication::Pap),
            Authentication::ChapMd5 => Some(lcp::Authentication::ChapMd5),
            Authentication::MsChapV2 => Some(lcp::Authentication::MsChapV2),
        };
        let mut buffer = [0; 64];
        options(&mut buffer, |writer| {
            lcp::ConfigOption::MaximumReceiveUnit(self.mru).write(writer);
            if let Some(authentication) = authentication {
                lcp::ConfigOption::AuthenticationProtocol(authentication).write(writer);
            }
            lcp::ConfigOption::MagicNumber(self.magic_number).write(writer);
        })
        .to_vec()
    }

    pub(super) fn judge_lcp(&mut self, control: &Control, moods: &Moods) -> Answer {
        self.lcp.judged += 1;
        let (mut nak, mut reject) = (Vec::new(), Vec::new());
        let objection = if moods.contrary { self.lcp.judged } else { u32::MAX };
        for option in control.options().flatten() {
            match lcp::ConfigOption::parse(option) {
                Ok(lcp::ConfigOption::MaximumReceiveUnit(mru)) if mru > self.mru || objection == 2 => {
                    let wish = self.mru.min(mru) - 12 * u16::from(objection == 2);
                    append(&mut nak, |writer| lcp::ConfigOption::MaximumReceiveUnit(wish).write(writer));
                }
                Ok(lcp::ConfigOption::MagicNumber(_)) if objection == 1 => {
                    append_raw(&mut reject, option);
                }
                Ok(lcp::ConfigOption::MagicNumber(magic)) if magic == self.magic_number => {
                    append(&mut nak, |writer| lcp::ConfigOption::MagicNumber(!magic).write(writer));
                }
                Ok(lcp::ConfigOption::MaximumReceiveUnit(_) | lcp::ConfigOption::MagicNumber(_)) => {}
                _ => {
                    append_raw(&mut reject, option);
                }
            }
        }
        verdict_of(nak, reject)
    }

    pub(super) fn lcp_nak(&mut self, control: &Control, rng: &mut dyn Rng) {
        for option in control.options().flatten() {
            match lcp::ConfigOption::parse(option) {
                Ok(lcp::ConfigOption::MaximumReceiveUnit(mru)) => self.mru = mru.clamp(576, 1500),
                Ok(lcp::ConfigOption::MagicNumber(_)) => self.magic_number = rng.next_u32(),
                // Another way to authenticate: fine, as long as we speak it.
                Ok(lcp::ConfigOption::AuthenticationProtocol(lcp::Authentication::ChapMd5)) => {
                    self.authenticator.method = Authentication::ChapMd5;
                }
                Ok(lcp::ConfigOption::AuthenticationProtocol(lcp::Authentication::MsChapV2)) => {
                    self.authenticator.method = Authentication::MsChapV2;
                }
                Ok(lcp::ConfigOption::AuthenticationProtocol(lcp::Authentication::Pap)) => {
                    self.authenticator.method = Authentication::Pap;
                }
                _ => {}
            }
        }
        self.lcp.request = self.lcp_request();
    }

    pub(super) fn judge_ipcp(&mut self, control: &Control, surroundings: &Surroundings<'_>) -> Answer {
        let moods = surroundings.moods;
        self.ipcp.judged += 1;
        let (mut nak, mut reject) = (Vec::new(), Vec::new());
        let objection = if moods.contrary { self.ipcp.judged } else { u32::MAX };
        for option in control.options().flatten() {
            let (wanted, server, name): (_, _, fn(Ipv4Address) -> ipcp::ConfigOption<'static>) =
                match ipcp::ConfigOption::parse(option) {
                    Ok(ipcp::ConfigOption::IpAddress(address)) => {
                        // Where this concentrator's addresses are from: RFC 6598's 100.64.0.0/10, or half of RFC 5737's
                        // 198.51.100.0/24.
                        let [a, b, c, d] = address.octets();
                        let ours = if moods.public_addresses {
                            [a, b, c] == [198, 51, 100] && d >= 128
                        } else {
                            a == 100 && b & 0xC0 == 64
                        };
                        let free = address != GATEWAY && !surroundings.taken.contains(&address);
                        if moods.honours_requested_address && ours && free && !self.walled {
                            self.address = address;
                        }
                        let offer =
                            if objection == 2 { Ipv4Address::new(100, 127, 255, 254) } else { self.address };
                        (address, Some(offer), ipcp::ConfigOption::IpAddress)
                    }
                    Ok(ipcp::ConfigOption::PrimaryDns(address)) => {
                        (address, moods.dns.first().copied(), ipcp::ConfigOption::PrimaryDns)
                    }
                    Ok(ipcp::ConfigOption::SecondaryDns(address)) => {
                        let server = moods.dns.get(1).copied().filter(|_| !moods.contrary);
                        (address, server, ipcp::ConfigOption::SecondaryDns)
                    }
                    _ => {
                        append_raw(&mut reject, option);
                        continue;
                    }
                };
            match server {
                None => {
                    append_raw(&mut reject, option);
                }
                Some(server) if server != wanted => append(&mut nak, |writer| name(server).write(writer)),
                Some(_) => {}
            }
        }
        verdict_of(nak, reject)
    }

    pub(super) fn judge_ipv6cp(&mut self, control: &Control, moods: &Moods) -> Answer {
        self.ipv6cp.judged += 1;
        let (mut nak, mut reject) = (Vec::new(), Vec::new());
        let contrary = moods.contrary && self.ipv6cp.judged == 1;
        for option in control.options().flatten() {
            match ipv6cp::ConfigOption::parse(option) {
                Ok(ipv6cp::ConfigOption::InterfaceIdentifier(identifier)) => {
                    if identifier == [0; 8] || identifier == self.interface_identifier || contrary {
                        let mut other = self.interface_identifier;
                        other[7] ^= 0x55;
                        append(&mut nak, |writer| {
                            ipv6cp::ConfigOption::InterfaceIdentifier(other).write(writer);
                        });
                    }
                }
                _ => {
                    append_raw(&mut reject, option);
                }
            }
        }
        verdict_of(nak, reject)
    }
}

/// The options `write` puts down, without the packet around them.
pub(super) fn options(buffer: &mut [u8], write: impl FnOnce(&mut Writer<'_>)) -> &[u8] {
    const HEADER: usize = ppp::PROTOCOL_LEN + ppp::CONTROL_HEADER_LEN;
    let len = {
        let mut writer = Writer::new(buffer, Protocol::Lcp, Code::ConfigureRequest, 0);
        write(&mut writer);
        writer.finish().unwrap_or(HEADER)
    };
    &buffer[HEADER..len]
}

fn append(list: &mut Vec<u8>, write: impl FnOnce(&mut Writer<'_>)) {
    list.extend_from_slice(options(&mut [0; 64], write));
}

fn append_raw(list: &mut Vec<u8>, option: RawOption<'_>) {
    list.extend_from_slice(options(&mut [0; 300], |writer| {
        writer.raw_option(option);
    }));
}

/// RFC 1661 §5.4: a Reject goes out alone, before any Nak.
fn verdict_of(nak: Vec<u8>, reject: Vec<u8>) -> Answer {
    match (reject.is_empty(), nak.is_empty()) {
        (false, _) => Answer::Reject(reject),
        (true, false) => Answer::Nak(nak),
        (true, true) => Answer::Ack,
    }
}
