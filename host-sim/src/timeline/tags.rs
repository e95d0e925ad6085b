//! Every tag an entry of a simulated world's timeline can have: what scenarios wait for and count.

/// A tag and what it stands for.
pub type Tag = (&'static str, &'static str);

/// All of them, by actor.
pub const TAGS: &[Tag] = &[
    // The line and the script.
    ("power-on", "the world begins"),
    ("fault", "a fault of the script strikes"),
    ("mended", "a fault of the script is undone"),
    ("ont-boots", "the ONT has power: carrier, but no line yet"),
    ("ont-ready", "the ONT bridges"),
    // The carrier.
    ("session-up", "a session is up, as the concentrator sees it"),
    ("prefix-delegated", "the carrier delegates an IPv6 prefix"),
    ("renumbered", "the carrier gives a session other IPv6 prefixes"),
    ("kick", "the concentrator ends the session in order"),
    ("padt", "the concentrator ends the session by PADT alone"),
    ("stale-padt", "the concentrator sends a PADT that is not for this session"),
    ("session-forgotten", "the concentrator forgets the session without a word"),
    ("session-refused", "the concentrator refuses a PADR with an error tag"),
    ("credentials-refused", "RADIUS refuses"),
    ("restart", "the concentrator restarts"),
    ("lockout", "the concentrator locks the client out"),
    ("neighbour-joins", "another customer on the line takes an IPv6 address"),
    ("neighbour-refused", "somebody says that he has that address"),
    ("neighbour-found", "that customer hears where an address is"),
    ("neighbour-not-found", "nobody answers for an address"),
    ("remark", "anything else a peer has to say"),
    // The user.
    ("ping", "a ping was answered"),
    ("ping-lost", "a ping was not answered"),
    ("resolved", "a name was resolved"),
    ("resolve-failed", "a name was not resolved"),
    ("typed", "a line is typed at the router's console"),
    ("console", "a line that the console prints"),
    // Computers on the LAN and on the Internet.
    ("leased", "a computer got an address from DHCP"),
    ("lease-lost", "a computer's address is not its own any more"),
    ("slaac-address", "a computer made itself an IPv6 address of a prefix"),
    ("slaac-deprecated", "it begins nothing new with that address"),
    ("slaac-address-lost", "it has that address no longer"),
    ("slaac-router", "a computer heard of a way to the Internet over IPv6"),
    ("slaac-router-lost", "that way is none any more"),
    ("slaac-portal", "a computer is told of a captive portal over IPv6, or not any more"),
    ("packet-too-big", "a sender heard that its packets are too long for the path"),
    ("fetched", "a page came whole"),
    ("fetch-failed", "a page did not come"),
    ("stream-over", "a stream of datagrams is over, none was lost"),
    ("datagrams-lost", "a stream of datagrams is over, some were lost"),
    ("flow-opened", "a connection is up that is to last"),
    ("flow-survived", "it has lasted"),
    ("flow-lost", "it has not"),
    ("answered", "a server answered what it was asked word for word"),
    ("not-answered", "it did not"),
    ("endpoint-updated", "the tunnel broker has another endpoint"),
    ("endpoint-refused", "the tunnel broker refuses one"),
    ("traced", "a route was traced"),
    ("misbehaves", "a computer on the LAN begins to misbehave"),
    ("behaves", "it stops"),
    ("attack", "somebody on the Internet attacks"),
    ("attack-over", "the attack is over"),
    ("intruded", "a packet gets into the LAN that nobody asked for"),
    // The router: carrier and discovery.
    ("link-up", "carrier"),
    ("link-down", "no carrier"),
    ("dial", "a dial begins"),
    ("probe", "a single PADI is to show whether anybody is there"),
    ("stale-session-cleared", "PADT for a remembered session"),
    ("unlock-padt", "PADT with session 0"),
    ("padi", "PADI sent"),
    ("deferred", "a PADI or PADR waits for the budget"),
    ("pado", "a PADO was accepted"),
    ("pado-kept", "a PADO was kept as fallback"),
    ("padr", "PADR sent"),
    ("refusal", "a PADO or PADS with an error tag"),
    ("pads", "PADS: there is a session"),
    ("surplus-pads", "a PADS nobody asked for"),
    ("padt-received", "the concentrator ended our session"),
    ("padt-sent", "we ended a session"),
    // The router: PPP.
    ("lcp-up", "LCP is open"),
    ("auth-sent", "credentials sent"),
    ("authenticated", "accepted"),
    ("auth-refused", "refused"),
    ("ncp-unavailable", "a network protocol cannot be had"),
    ("terminated", "Terminate-Request received"),
    ("peer-ignores-echo", "echo is not answered, though data flows"),
    ("padded-echo", "a padded echo came back or did not (RFC 4638)"),
    ("repeated", "a message of ours was sent again"),
    ("peer-timer", "something only the concentrator could repeat was lost"),
    ("up", "IPv4 is up"),
    ("ipv6-up", "IPv6 is up"),
    ("black-hole", "long packets vanish: MTU 1492"),
    ("hanging-up", "we hang up"),
    ("down", "a dial or a session is over"),
    ("shut-down", "an orderly shutdown is done"),
    ("time-of-day", "the time of day is known"),
    ("events-lost", "events came faster than they were read"),
    // The router: the address of a WAN.
    ("dhcp-sent", "a message of a WAN's DHCP client"),
    ("wan-leased", "a WAN's DHCP client got an address"),
    ("wan-lease-kept", "it may keep it"),
    ("wan-lease-lost", "it may not"),
    ("address-in-use", "another station has the address a WAN was given"),
    ("behind-nat", "a WAN's address is not one of the Internet"),
    ("clash", "a WAN and the LAN use the same addresses"),
    // The router: its DHCP server.
    ("lease", "an address was given away"),
    ("lease-renewed", "a lease was renewed"),
    ("lease-released", "an address was given back"),
    ("lease-expired", "a lease is over"),
    ("lease-declined", "a client found somebody else at the address it was given"),
    ("lease-conflict", "somebody answers at an address that is to be given away"),
    ("lease-refused", "a client cannot have the address it asks for"),
    ("lease-withdrawn", "a client loses its address"),
    ("dhcp-exhausted", "no address is left"),
    // The router: between LAN and WAN.
    ("address-conflict", "another station claims the router's own address"),
    ("neighbour-disputed", "a station claims another one's address"),
    ("host-quota", "a host has as many connections as one host may have"),
    ("flow-table-full", "the table of flows is full, and none of them may go"),
    ("rule", "a rule of the firewall that is to be told decides"),
    ("flows-cut", "connections through an old address are cut"),
    // The router: IPv6.
    ("ipv6-router", "a WAN has another default router over IPv6"),
    ("ipv6-router-lost", "it has none any more"),
    ("ipv6-address", "we have an IPv6 address on a WAN"),
    ("ipv6-address-deprecated", "it is used for nothing new"),
    ("ipv6-address-lost", "it is ours no more"),
    ("ipv6-delegated", "a prefix is delegated to us, or for longer"),
    ("ipv6-delegation-lost", "it is ours no more"),
    ("ipv6-nothing-delegated", "the line has no prefix for us"),
    ("ipv6-settings", "the DNS servers, the MTU or the portal of a WAN over IPv6 have changed"),
    ("ipv6-other-router", "somebody else advertises on the LAN"),
    ("tunnel", "a tunnel's far end answers, or does not"),
    ("tunnel-moved", "a tunnel's far end has said where it is now"),
    ("broker-told", "a tunnel's broker uses our address"),
    ("broker-not-told", "it does not, or says that it is another"),
    ("tunnel-behind-nat", "a WAN's address cannot carry tunnels"),
    ("tunnel-path-mtu", "the way to a tunnel's far end takes less than was thought"),
    // The router: whether the Internet is there.
    ("verdict", "a family's connectivity is known"),
    ("verdict-so-far", "how it looks before all is heard"),
    ("dns-frozen", "answers of DNS are neither kept nor served from the cache"),
    ("dns-thawed", "the cache is used again"),
    ("rebind-relaxed", "the portal's name may have a private address"),
    ("rebind-restored", "no name may have one any more"),
    ("no-traffic", "the session has an address, and nothing comes back"),
    ("probe-demoted", "a probe that fails alone is asked seldom"),
    ("probe-restored", "it works again"),
    // The router: the redial engine.
    ("hold", "a hold begins: not one PADI"),
    ("hold-lifted", "a hold ends early"),
    ("dial-held", "a dial was asked for during a hold"),
    ("line-dark", "silence, and no reason to suspect a lock"),
    ("line-looks-dead", "silence after a full hold"),
    ("forced-disconnect", "the carrier's regular disconnect"),
    ("echo-off", "LCP echo is switched off"),
    ("ledger-unreadable", "the ledger cannot be read"),
    ("ledger-not-stored", "the ledger cannot be written"),
    ("stopped", "off line until the user dials"),
    ("back-off", "waits before the next dial"),
    ("budget", "waits for the budget"),
    ("hold-silence", "on hold because of silence"),
    ("hold-authentication", "on hold because of a refusal"),
    ("cold-start-in-hold", "power returned during a hold"),
    ("dark-polling", "waits for the next single PADI"),
    ("dark-silence", "a longer silence between rounds of PADIs"),
];

/// Complains about a tag that does not exist, and guesses which was meant.
///
/// # Errors
/// The complaint.
pub fn check(tag: &str) -> Result<(), String> {
    if TAGS.iter().any(|(known, _)| *known == tag) {
        return Ok(());
    }
    let known = TAGS.iter().map(|(known, _)| *known);
    let guess = crate::cli::closest(tag, known).unwrap_or("up");
    Err(format!(
        "no event is called {tag:?}; did you mean {guess:?}? `gatelet-sim list --events` shows all of them"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_narrated_is_listed() {
        let calls = include_str!("../narrate.rs").split("Line::new(").skip(1);
        let tags: Vec<_> =
            calls.filter_map(|call| call.trim_start().strip_prefix('"')?.split('"').next()).collect();
        assert!(tags.len() > 30, "{tags:?}");
        for tag in tags {
            assert_eq!(check(tag), Ok(()));
        }
    }

    #[test]
    fn a_tag_is_listed_once_and_a_wrong_one_is_guessed() {
        let mut tags: Vec<_> = TAGS.iter().map(|(tag, _)| tag).collect();
        tags.sort();
        assert!(tags.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(check("up"), Ok(()));
        assert!(check("pnig").unwrap_err().contains("\"ping\""));
    }
}
