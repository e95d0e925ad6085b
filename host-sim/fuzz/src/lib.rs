//! A fuzz target per parser and per state machine, as plain functions.
//!
//! Each takes any octets and panics if what it promises does not hold. Three things call them: the
//! fuzzing binaries in `fuzz_targets/`, the test that replays the committed corpus (`tests/replay.rs`,
//! part of `cargo test`), and `gatelet-fuzz run` for looking at a single input.
//!
//! To add a target: write its function in the module it belongs to, name it in [`TARGETS`], copy one
//! of `fuzz_targets/*.rs`, and give `corpus/<name>/` its first seeds. The replay test complains about
//! what was forgotten.
#![expect(clippy::missing_panics_doc, reason = "to panic is how a target speaks")]

pub mod connectivity;
pub mod console;
pub mod datapath;
pub mod datapath6;
pub mod dhcp;
pub mod dns;
pub mod flash;
pub mod input;
pub mod ipv6;
pub mod ppp;
pub mod pppoe;
pub mod redial;
pub mod router;
pub mod settings;
pub mod wire;

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Names the binary in `fuzz_targets/` and the directory in `corpus/`.
    pub name: &'static str,
    /// Panics if a promise does not hold for this input.
    pub run: fn(&[u8]),
    /// The directory of `firmware/wire/testdata` whose fixtures are seeds, if there is one.
    pub fixtures: Option<&'static str>,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "wire_ethernet", run: wire::ethernet, fixtures: Some("ethernet") },
    Target { name: "wire_pppoe", run: wire::pppoe, fixtures: Some("pppoe") },
    Target { name: "wire_ppp", run: wire::ppp, fixtures: Some("ppp") },
    Target { name: "wire_pap", run: wire::pap, fixtures: Some("pap") },
    Target { name: "wire_chap", run: wire::chap, fixtures: Some("chap") },
    Target { name: "wire_mschapv2", run: wire::mschapv2, fixtures: Some("mschapv2") },
    Target { name: "wire_dhcpv4", run: wire::dhcpv4, fixtures: Some("dhcpv4") },
    Target { name: "wire_icmpv6", run: wire::icmpv6, fixtures: Some("icmpv6") },
    Target { name: "wire_ndp", run: wire::ndp, fixtures: Some("ndp") },
    Target { name: "wire_dhcpv6", run: wire::dhcpv6, fixtures: Some("dhcpv6") },
    Target { name: "wire_nic_update", run: wire::nic_update, fixtures: Some("nic_update") },
    Target { name: "wire_dns", run: wire::dns, fixtures: Some("dns") },
    Target { name: "wire_ntp", run: wire::ntp, fixtures: Some("ntp") },
    Target { name: "dns_forwarder", run: dns::forwarder, fixtures: None },
    Target { name: "wire_http", run: wire::http, fixtures: Some("http") },
    Target { name: "wire_tls", run: wire::tls, fixtures: Some("tls") },
    Target { name: "pppoe_discovery", run: pppoe::discovery, fixtures: None },
    Target { name: "ppp_link", run: ppp::link, fixtures: None },
    Target { name: "redial_ledger", run: redial::ledger, fixtures: None },
    Target { name: "redial_ops", run: redial::operations, fixtures: None },
    Target { name: "wan_machine", run: router::operations, fixtures: None },
    Target { name: "datapath_ingress", run: datapath::ingress, fixtures: None },
    Target { name: "datapath_ipv6", run: datapath6::ingress, fixtures: None },
    Target { name: "dhcp_server", run: dhcp::server, fixtures: None },
    Target { name: "dhcp_client", run: dhcp::client, fixtures: None },
    Target { name: "ra_host", run: ipv6::ra_host, fixtures: None },
    Target { name: "ra_router", run: ipv6::ra_router, fixtures: None },
    Target { name: "dhcpv6_client", run: ipv6::dhcpv6_client, fixtures: None },
    Target { name: "dhcpv6_server", run: ipv6::dhcpv6_server, fixtures: None },
    Target { name: "connectivity", run: connectivity::engine, fixtures: None },
    Target { name: "flash_ledger", run: flash::ledger, fixtures: None },
    Target { name: "settings_text", run: settings::text, fixtures: None },
    Target { name: "settings_flash", run: settings::flash, fixtures: None },
    Target { name: "console_typed", run: console::typed, fixtures: None },
];
