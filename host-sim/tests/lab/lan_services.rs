//! What the router does for its LAN: addresses and names.

use std::net::Ipv4Addr;

use crate::lan::{Host, Lease, ROUTER};
use crate::{Checked, Lab, ensure, fail};

/// Two clients of different make get different addresses, and the same ones when they ask again.
pub(crate) fn dhcp(lab: &mut Lab) -> Checked {
    let lan = lab.lan()?;
    let first = lan.one.udhcpc()?;
    usable(&first)?;
    let again = lan.one.udhcpc()?;
    ensure(again == first, || format!("udhcpc had {first:?} and is told {again:?}"))?;

    let second = lan.two.dhclient()?;
    usable(&second)?;
    ensure(second.address != first.address, || format!("two hosts have {}", first.address))?;
    lan.two.run("ping", &["-c", "1", "-W", "2", &first.address.to_string()])?;
    lan.two.dhclient_release()?;
    ensure(lan.two.run("ip", &["-4", "-o", "addr", "show", "eth0"])?.is_empty(), || "not released".into())?;
    let third = lan.two.dhclient()?;
    ensure(third.address == second.address, || format!("dhclient had {second:?} and is told {third:?}"))?;
    // Without the client in the background, the address stays.
    lan.two.dhclient_release()?;
    lan.two.udhcpc()?;
    lab.tell(format!(
        "DHCP: {} for udhcpc, {} for dhclient, for {} s",
        first.address, second.address, first.seconds
    ));
    lab.lan = Some(lan);
    Ok(())
}

/// An address of the LAN, and the router for everything else.
fn usable(lease: &Lease) -> Checked {
    let lan = Ipv4Addr::new(192, 168, 1, 0);
    let inside =
        lease.address.octets()[..3] == lan.octets()[..3] && !matches!(lease.address.octets()[3], 0..=2 | 255);
    let right = inside && lease.mask == "255.255.255.0" && lease.router == ROUTER && lease.dns == ROUTER;
    ensure(right && lease.seconds >= 120, || format!("told by DHCP: {lease:?}"))
}

/// Names, over UDP and TCP, by the address DHCP gave.
pub(crate) fn dns(lab: &mut Lab) -> Checked {
    let lan = lab.lan()?;
    for transport in ["+notcp", "+tcp"] {
        expect(&lan.one, &[transport, "probe.isp.test", "A"], "NOERROR", "192.0.2.80")?;
        expect(&lan.one, &[transport, "probe.isp.test", "AAAA"], "NOERROR", "2001:db8:2::80")?;
        expect(&lan.one, &[transport, "no-such-name.test", "A"], "NXDOMAIN", "")?;
    }
    // With the cookie and the EDNS options that dig sends, and without any.
    expect(&lan.two, &["+noedns", "captive.apple.com", "A"], "NOERROR", "192.0.2.80")?;
    // The hosts themselves, by the names they told the DHCP server.
    let one = lan.one.udhcpc()?.address.to_string();
    expect(&lan.two, &["one.lan", "A"], "NOERROR", &one)?;
    expect(&lan.two, &["-x", &one], "NOERROR", "one.lan.")?;
    let body = lan.two.curl(5, "http://probe.isp.test/success.txt")?;
    ensure(body == "success\n", || format!("by name: {body}"))?;
    lab.lan = Some(lan);
    Ok(())
}

/// `dig` at the server that DHCP named: the status, and what the answer ends in.
pub(crate) fn expect(host: &Host, question: &[&str], status: &str, end: &str) -> Checked {
    let text = host.run("dig", &[&["+tries=2", "+time=2"], question].concat())?;
    let answered =
        text.contains(&format!("status: {status},")) && text.contains(&format!("SERVER: {ROUTER}#53"));
    let found = end.is_empty()
        || text.lines().any(|line| !line.starts_with(';') && line.split_whitespace().last() == Some(end));
    if answered && found {
        Ok(())
    } else {
        fail(format!("dig {question:?}: {status} {end} is expected:\n{text}"))
    }
}
