//! Packets as people write them down. Random values are shown by their name.

use gatelet_wire::ppp::{self, Code, Control, Protocol, chap, ipcp, ipv6cp, lcp, pap};

pub(crate) fn describe(packet: &[u8]) -> String {
    let Ok((protocol, information)) = ppp::parse(packet) else { return "unreadable".into() };
    match protocol {
        Protocol::Pap => match pap::Packet::parse(information).expect("readable PAP") {
            pap::Packet::AuthenticateRequest { identifier, peer_id, password } => {
                format!("PAP Authenticate-Request {identifier} {} {}", utf8(peer_id), utf8(password))
            }
            pap::Packet::AuthenticateAck { identifier, message } => {
                format!("PAP Authenticate-Ack {identifier} {:?}", utf8(message))
            }
            pap::Packet::AuthenticateNak { identifier, message } => {
                format!("PAP Authenticate-Nak {identifier} {:?}", utf8(message))
            }
        },
        Protocol::Chap => match chap::Packet::parse(information).expect("readable CHAP") {
            chap::Packet::Challenge { identifier, .. } => format!("CHAP Challenge {identifier}"),
            chap::Packet::Response { identifier, name, .. } => {
                format!("CHAP Response {identifier} {}", utf8(name))
            }
            chap::Packet::Success { identifier, .. } => format!("CHAP Success {identifier}"),
            chap::Packet::Failure { identifier, message } => {
                format!("CHAP Failure {identifier} {:?}", utf8(message))
            }
        },
        Protocol::Lcp | Protocol::Ipcp | Protocol::Ipv6cp => {
            let control = Control::parse(information).expect("readable control packet");
            let name = match protocol {
                Protocol::Lcp => "LCP",
                Protocol::Ipcp => "IPCP",
                _ => "IPV6CP",
            };
            format!("{name} {} {}{}", code(control.code), control.identifier, data(protocol, control))
        }
        other => format!("{other:?}"),
    }
}

fn utf8(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

fn code(code: Code) -> String {
    match code {
        Code::ConfigureRequest => "Configure-Request".into(),
        Code::ConfigureAck => "Configure-Ack".into(),
        Code::ConfigureNak => "Configure-Nak".into(),
        Code::ConfigureReject => "Configure-Reject".into(),
        Code::TerminateRequest => "Terminate-Request".into(),
        Code::TerminateAck => "Terminate-Ack".into(),
        Code::CodeReject => "Code-Reject".into(),
        Code::ProtocolReject => "Protocol-Reject".into(),
        Code::EchoRequest => "Echo-Request".into(),
        Code::EchoReply => "Echo-Reply".into(),
        other => format!("{other:?}"),
    }
}

fn data(protocol: Protocol, control: Control<'_>) -> String {
    let mut words = String::new();
    match control.code {
        Code::ConfigureRequest | Code::ConfigureAck | Code::ConfigureNak | Code::ConfigureReject => {
            for option in control.options() {
                let option = option.expect("readable option");
                words += &match protocol {
                    Protocol::Lcp => lcp_option(option),
                    Protocol::Ipcp => ipcp_option(option),
                    _ => ipv6cp_option(option),
                };
            }
        }
        Code::TerminateRequest if !control.data.is_empty() => words = format!(" {:?}", utf8(control.data)),
        Code::ProtocolReject => {
            let rejected = lcp::ProtocolReject::parse(control.data).expect("readable");
            words = format!(" {:04x}", u16::from(rejected.protocol));
        }
        Code::CodeReject => words = format!(" {}", control.data[0]),
        Code::EchoRequest | Code::EchoReply => words = format!(" {}", control.data.len()),
        _ => {}
    }
    words
}

fn lcp_option(option: ppp::RawOption<'_>) -> String {
    match lcp::ConfigOption::parse(option) {
        Ok(lcp::ConfigOption::MaximumReceiveUnit(mru)) => format!(" mru={mru}"),
        Ok(lcp::ConfigOption::AuthenticationProtocol(method)) => {
            let name = match method {
                lcp::Authentication::Pap => "pap".into(),
                lcp::Authentication::ChapMd5 => "chap-md5".into(),
                lcp::Authentication::MsChapV1 => "mschapv1".into(),
                lcp::Authentication::MsChapV2 => "mschapv2".into(),
                lcp::Authentication::Unknown { protocol, .. } => format!("{protocol:04x}"),
            };
            format!(" auth={name}")
        }
        Ok(lcp::ConfigOption::MagicNumber(0)) => " magic=0".into(),
        Ok(lcp::ConfigOption::MagicNumber(_)) => " magic".into(),
        _ => format!(" option-{}", option.kind),
    }
}

fn ipcp_option(option: ppp::RawOption<'_>) -> String {
    match ipcp::ConfigOption::parse(option) {
        Ok(ipcp::ConfigOption::IpAddress(address)) => format!(" address={address}"),
        Ok(ipcp::ConfigOption::PrimaryDns(address)) => format!(" dns1={address}"),
        Ok(ipcp::ConfigOption::SecondaryDns(address)) => format!(" dns2={address}"),
        _ => format!(" option-{}", option.kind),
    }
}

fn ipv6cp_option(option: ppp::RawOption<'_>) -> String {
    match ipv6cp::ConfigOption::parse(option) {
        Ok(ipv6cp::ConfigOption::InterfaceIdentifier([0, 0, 0, 0, 0, 0, 0, 0])) => " id=0".into(),
        Ok(ipv6cp::ConfigOption::InterfaceIdentifier(_)) => " id".into(),
        _ => format!(" option-{}", option.kind),
    }
}
