//! The probes there are: whom to ask, what they answer, and how sure that is.
//!
//! Sources of the rows. They were collected from public lists and the code of those who use them; none was tried on a
//! live line, and an address can vanish any day, which is why no verdict hangs on one.
//!
//! - D: t.du9l.com, table of connectivity checks
//! - I: imldy.cn, table of `generate_204` services (2022-04), with a score 0-10 of mainland reachability
//! - G: a Go catalogue of portal probes, bodies counted by octet, TLS quirks
//! - A: AOSP's `NetworkStack`; C: settings of `CalyxOS` and its like; S: Samsung's `NetworkMonitor`; O: OPPO's
//! - M: learn.microsoft.com, NCSI FAQ, and techcommunity 3866600
//! - W: LGiki/no-internet-secured-fixer, `servers.json`
//!
//! The class for China is our own reading of them: an entity or presence in China is stable, a score of 0 blocked, what
//! is foreign and was reached may be blocked.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Family;

/// One probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe<'a> {
    /// A stable name, for logs, settings and health.
    pub id: &'a str,
    /// Whose it is. Probes of one owner count once.
    pub owner: &'a str,
    /// Whose network answers, where that is known to be another's (a CDN); else the owner. Probes behind one network
    /// count once.
    pub served_by: &'a str,
    /// Plain HTTP on port 80, or TLS only: then it is not asked, since certificates are not judged here.
    pub scheme: Scheme,
    /// The name to resolve, and the `Host`.
    pub host: &'a str,
    /// The path, from `/` on.
    pub path: &'a str,
    /// What it answers.
    pub expect: Expect<'a>,
    /// What the same host does with TLS.
    pub tls: Tls,
    /// Whether it has an IPv6 address.
    pub ipv6: Ipv6,
    /// How it fares in mainland China.
    pub china: ChinaClass,
    /// In which sets it is.
    pub sets: Sets,
    /// Where the row comes from; see [the module](self).
    pub source: &'a str,
    /// How sure the row is.
    pub confidence: Confidence,
}

impl Probe<'_> {
    /// Whether two probes say one thing twice: one owner, or one network, answers both.
    pub fn is_same_operator(&self, other: &Self) -> bool {
        self.owner == other.owner || self.served_by == other.served_by
    }

    /// Whether it may be asked over `family`.
    pub fn has(&self, family: Family) -> bool {
        match family {
            Family::Ipv4 => self.ipv6 != Ipv6::Only,
            Family::Ipv6 => matches!(self.ipv6, Ipv6::Yes | Ipv6::Only),
        }
    }
}

/// The scheme of a probe's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Port 80.
    Http,
    /// Port 443.
    Https,
}

/// What a probe answers when nobody interferes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect<'a> {
    /// 204, without a body.
    NoContent,
    /// 200 with this body; blanks at its ends do not matter.
    Body(&'a str),
    /// 200 with a body that contains this.
    BodyContains(&'a str),
    /// Nobody wrote it down: it shows that somebody answers, no more.
    Unknown,
}

/// What a probe's host does with TLS on port 443.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// It answers the path with this status.
    Status(u16),
    /// The handshake or the certificate fails.
    Bad,
    /// Not sourced.
    Unknown,
}

/// Whether a probe has an IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipv6 {
    /// Beside an IPv4 one.
    Yes,
    /// IPv4 only.
    No,
    /// IPv6 only.
    Only,
    /// Not sourced.
    Unknown,
}

/// How a probe fares in mainland China.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChinaClass {
    /// Operated or served in China.
    Stable,
    /// Foreign and reached so far; may vanish at any moment.
    MayBlock,
    /// Blocked.
    Blocked,
    /// Not sourced.
    Unknown,
}

/// How sure a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confidence {
    /// Two independent sources or more, code among them.
    High,
    /// Something between.
    Medium,
    /// One source, or hearsay.
    Low,
}

/// The sets a probe belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sets(u8);

impl Sets {
    /// In no set: known, not used unless a custom list names it.
    pub const NONE: Self = Self(0);
    /// China, first choice.
    pub const CN: Self = Self(1);
    /// China, when the first choice does not suffice.
    pub const CN_EXTRA: Self = Self(2);
    /// China, IPv6.
    pub const CN_V6: Self = Self(4);
    /// Anywhere else.
    pub const GLOBAL: Self = Self(8);
    /// Anywhere else, IPv6.
    pub const GLOBAL_V6: Self = Self(16);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether one of `other` is among them.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The row called `id`.
pub fn find(id: &str) -> Option<&'static Probe<'static>> {
    TABLE.iter().find(|probe| probe.id == id)
}

/// A name whose address is known, for DNS: Microsoft's, which Windows asks for too. Source: W, high.
pub const KNOWN_NAME: &str = "dns.msftncsi.com";
/// Its IPv4 address.
pub const KNOWN_IPV4: Ipv4Addr = Ipv4Addr::new(131, 107, 255, 255);
/// Its IPv6 address: a unique local one, which is right for this name only.
pub const KNOWN_IPV6: Ipv6Addr = Ipv6Addr::new(0xfd3e, 0x4f5a, 0x5b81, 0, 0, 0, 0, 1);

/// Addresses that are their own names: public resolvers, whose port 443 tells a line without DNS from a dead line.
/// Asked only when no resolver answers. Source: the operators' own pages; medium.
pub(super) const ANCHORS_CN_IPV4: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(223, 5, 5, 5)), IpAddr::V4(Ipv4Addr::new(120, 53, 53, 53))];
pub(super) const ANCHORS_CN_IPV6: [IpAddr; 2] = [
    IpAddr::V6(Ipv6Addr::new(0x2400, 0x3200, 0, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2402, 0x4e00, 0, 0, 0, 0, 0, 0)),
];
pub(super) const ANCHORS_GLOBAL_IPV4: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(9, 9, 9, 9)), IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1))];
pub(super) const ANCHORS_GLOBAL_IPV6: [IpAddr; 2] = [
    IpAddr::V6(Ipv6Addr::new(0x2620, 0xfe, 0, 0, 0, 0, 0, 0xfe)),
    IpAddr::V6(Ipv6Addr::new(0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111)),
];

/// Whose TLS is looked at, best first: hosts that no walled garden has a reason to let through come before those that
/// are let through for the sake of phones. That www.baidu.com, fedoraproject.org and www.qualcomm.cn have a TLS server is
/// nothing a source says of the path, but of the host.
pub(super) const TLS_CN: &[&str] = &["baidu", "qualcomm-cn", "ustc", "apple"];
pub(super) const TLS_GLOBAL: &[&str] = &["graphene", "kuketz", "fedora", "fireos", "apple"];
pub(super) const TLS_AUTO: &[&str] = &["baidu", "graphene", "qualcomm-cn", "fedora", "ustc", "apple"];

/// Every probe known.
#[rustfmt::skip] // a table is read by its columns
pub const TABLE: [Probe<'static>; 41] = {
    use {ChinaClass::{Blocked, MayBlock, Stable}, Confidence::{High, Low, Medium}, Expect::{Body, BodyContains, NoContent}};
    use {Ipv6::{No, Only, Yes}, Tls::{Bad, Status}};
    use {ChinaClass::Unknown as CnUnknown, Expect::Unknown as AnyBody, Ipv6::Unknown as V6Unknown, Tls::Unknown as TlsUnknown};
    const NONE: Sets = Sets::NONE;
    const CN: Sets = Sets::CN;
    const CN_EXTRA: Sets = Sets::CN_EXTRA;
    const CN_V6: Sets = Sets::CN_V6;
    const GLOBAL: Sets = Sets::GLOBAL;
    const CN_AND_GLOBAL: Sets = Sets::CN.and(Sets::GLOBAL);
    const BOTH_V6: Sets = Sets::CN_V6.and(Sets::GLOBAL_V6);
    const GLOBAL_BOTH: Sets = Sets::GLOBAL.and(Sets::GLOBAL_V6);
    const GEN: &str = "/generate_204";
    const APPLE: &str = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>";
    [
        // That IPv6 is missing is I's, of 2022. Outside of China G saw Azure in front of it.
        row("xiaomi", ["Xiaomi", "Xiaomi"], "connect.rom.miui.com", GEN, NoContent, Status(204), No, Stable, CN, "D, I (10/10), G, C", High),
        row("huawei", ["Huawei", "Huawei"], "connectivitycheck.platform.hicloud.com", GEN, NoContent, Status(204), No, Stable, CN, "D, I (10/10), G, C", High),
        row("vivo", ["vivo", "vivo"], "wifi.vivo.com.cn", GEN, NoContent, Status(204), No, Stable, CN, "D, I (10/10), G", High),
        row("honor", ["Honor", "Honor"], "connectivitycheck.platform.hihonorcloud.com", GEN, NoContent, TlsUnknown, V6Unknown, Stable, CN_EXTRA, "G, geosite lists", Medium),
        row("oppo", ["OPPO", "OPPO"], "conn1.coloros.com", GEN, NoContent, TlsUnknown, V6Unknown, Stable, CN_EXTRA, "O (for MCC 460)", Medium),
        row("oppo-old", ["OPPO", "Akamai"], "conn1.oppomobile.com", GEN, NoContent, TlsUnknown, V6Unknown, Stable, CN_EXTRA, "G (on Akamai), O", Medium),
        // A host of Shanghai Telecom, slow from abroad.
        row("samsung-cn", ["Samsung", "Shanghai Telecom"], "connectivity.samsung.com.cn", GEN, NoContent, TlsUnknown, V6Unknown, Stable, CN_EXTRA, "S, G", High),
        // Elsewhere G got "error code: 1009", which is how Cloudflare refuses a country.
        row("qualcomm-cn", ["Qualcomm", "Cloudflare"], "www.qualcomm.cn", GEN, NoContent, Status(301), V6Unknown, Stable, CN_EXTRA, "D, shadowsocks-android#1080", Medium),
        // Volunteers': seldom, and only when others do not suffice.
        row("ustc", ["USTC LUG", "USTC"], "204.ustclug.org", "/", NoContent, Status(204), Yes, Stable, CN_V6, "D, USTC LUG's nginx page", Medium),
        // Path and answer unverified.
        row("meizu", ["Meizu", "Meizu"], "connectivitycheck.meizu.com", GEN, NoContent, TlsUnknown, V6Unknown, CnUnknown, NONE, "Clash fake-ip lists, the name only", Low),
        row("apple", ["Apple", "Apple"], "captive.apple.com", "/hotspot-detect.html", Body(APPLE), Status(200), Yes, Stable, CN_AND_GLOBAL, "D, I (3/10), G, FEEI.CN#163 (CN nodes, 2026-04)", High),
        // No AAAA when resolved from China (D).
        row("apple-www", ["Apple", "Akamai"], "www.apple.com", "/library/test/success.html", Body(APPLE), Status(200), Yes, Stable, CN_EXTRA, "D, I (7/10), G", High),
        // Akamai's since 2023-06-20.
        row("ms", ["Microsoft", "Akamai"], "www.msftconnecttest.com", "/connecttest.txt", Body("Microsoft Connect Test"), Bad, No, Stable, CN_AND_GLOBAL, "M, D, I (5/10), G, W", High),
        // That China reaches it is not separately sourced.
        row("ms-v6", ["Microsoft", "Akamai"], "ipv6.msftconnecttest.com", "/connecttest.txt", Body("Microsoft Connect Test"), Bad, Only, Stable, BOTH_V6, "M, W", High),
        row("ms-ncsi", ["Microsoft", "Akamai"], "www.msftncsi.com", "/ncsi.txt", Body("Microsoft NCSI"), Bad, No, CnUnknown, NONE, "M, G (Windows 8.1)", High),
        row("ms-ncsi-v6", ["Microsoft", "Akamai"], "ipv6.msftncsi.com", "/ncsi.txt", Body("Microsoft NCSI"), Bad, Only, CnUnknown, NONE, "M", Medium),
        row("ms-edge", ["Microsoft", "Microsoft"], "edge-http.microsoft.com", "/captiveportal/generate_204", NoContent, Status(400), V6Unknown, Stable, GLOBAL, "D (edge.microsoft.com), G, C", Medium),
        // What AOSP asks by default.
        row("google-cc", ["Google", "Google"], "connectivitycheck.gstatic.com", GEN, NoContent, Status(204), Yes, MayBlock, GLOBAL, "A, D, I (4/10), G, gfwlist#1362", High),
        row("gstatic", ["Google", "Google"], "www.gstatic.com", GEN, NoContent, Status(204), Yes, MayBlock, NONE, "D, I (5/10)", High),
        // Lists against advertisements break it.
        row("google-ga", ["Google", "Google"], "www.google-analytics.com", GEN, NoContent, Status(204), Yes, MayBlock, NONE, "D, I (6/10)", Medium),
        // What AOSP asks over TLS by default.
        Probe { scheme: Scheme::Https, ..row("google-www", ["Google", "Google"], "www.google.com", GEN, NoContent, Status(204), Yes, Blocked, NONE, "A, D, I (0/10), net4people/bbs#128", High) },
        // That it is blocked is inferred.
        row("google-play", ["Google", "Google"], "play.googleapis.com", GEN, NoContent, TlsUnknown, V6Unknown, Blocked, NONE, "A, C, S (as fallback)", Medium),
        row("google-c3", ["Google", "Google"], "clients3.google.com", GEN, NoContent, TlsUnknown, V6Unknown, Blocked, NONE, "G, a design document of chromium.org", High),
        // Some carriers refused its TLS in 2017 already.
        row("google-cn", ["Google", "Google"], "www.google.cn", GEN, NoContent, TlsUnknown, V6Unknown, MayBlock, NONE, "O, shadowsocks-android#1080 (2017)", Low),
        row("cloudflare", ["Cloudflare", "Cloudflare"], "cp.cloudflare.com", GEN, NoContent, Status(204), Yes, MayBlock, GLOBAL_BOTH, "D, I (4/10), G, C", High),
        // G saw TLS stall on some nodes of Fastly.
        row("firefox", ["Mozilla", "Fastly"], "detectportal.firefox.com", "/success.txt", Body("success"), Status(200), Yes, MayBlock, GLOBAL, "D, I (5/10), G, W", High),
        row("ubuntu", ["Canonical", "Canonical"], "connectivity-check.ubuntu.com", "/", NoContent, TlsUnknown, V6Unknown, CnUnknown, GLOBAL, "G, C, ubuntu.com/core docs", High),
        row("debian", ["Debian", "Debian"], "network-test.debian.org", "/nm", Body("NetworkManager is online"), Bad, Yes, CnUnknown, NONE, "G, W", High),
        row("gnome", ["GNOME", "GNOME"], "nmcheck.gnome.org", "/check_network_status.txt", Body("NetworkManager is online"), TlsUnknown, V6Unknown, CnUnknown, NONE, "G", Medium),
        row("kde", ["KDE", "KDE"], "networkcheck.kde.org", "/", Body("OK"), TlsUnknown, V6Unknown, CnUnknown, NONE, "G", Medium),
        // One host at Hetzner's.
        row("arch", ["Arch Linux", "Hetzner"], "ping.archlinux.org", "/", Body("This domain is used for connectivity checking (captive portal detection)."), TlsUnknown, V6Unknown, CnUnknown, NONE, "G", Medium),
        row("fedora", ["Fedora", "Fedora"], "fedoraproject.org", "/static/hotspot.txt", Body("OK"), TlsUnknown, Yes, CnUnknown, NONE, "G, W", Medium),
        row("opensuse", ["openSUSE", "openSUSE"], "conncheck.opensuse.org", "/", AnyBody, TlsUnknown, V6Unknown, CnUnknown, NONE, "C, a package of OBS; the answer is not sourced", Low),
        row("kindle", ["Amazon", "Amazon"], "spectrum.s3.amazonaws.com", "/kindle-wifi/wifistub.html", BodyContains("81ce4465-7167-4dcb-835b-dcc9e44c112a"), TlsUnknown, V6Unknown, CnUnknown, NONE, "G", High),
        row("fireos", ["Amazon", "Amazon"], "fireoscaptiveportal.com", GEN, NoContent, Status(204), V6Unknown, CnUnknown, NONE, "C", Medium),
        // /generate_204 is a 404 there.
        row("steam", ["Valve", "Valve"], "test.steampowered.com", "/204", NoContent, TlsUnknown, V6Unknown, CnUnknown, NONE, "G", Medium),
        // 403 unless the User-Agent begins with "NX NIFM/"; a private CA on TLS.
        row("nintendo", ["Nintendo", "Nintendo"], "ctest.cdn.nintendo.net", "/", Body("ok"), Bad, V6Unknown, CnUnknown, NONE, "wiki of kinnay/NintendoClients", High),
        // Plain HTTP is a 301.
        Probe { scheme: Scheme::Https, ..row("v2ex", ["V2EX", "V2EX"], "v2ex.com", GEN, NoContent, Status(204), Yes, Blocked, NONE, "I (0/10), G", High) },
        row("graphene", ["GrapheneOS", "GrapheneOS"], "connectivitycheck.grapheneos.network", GEN, NoContent, Status(204), V6Unknown, CnUnknown, NONE, "C", Medium),
        row("kuketz", ["Kuketz", "Kuketz"], "captiveportal.kuketz.de", "/", NoContent, Status(204), V6Unknown, CnUnknown, NONE, "C", Medium),
        // A whole page that may redirect: it can be reached or not, no more.
        row("baidu", ["Baidu", "Baidu"], "www.baidu.com", "/", AnyBody, TlsUnknown, No, Stable, NONE, "S (secondary list); is-online#15 (no AAAA, 2016)", Low),
    ]
};

#[expect(clippy::too_many_arguments, reason = "a row has as many columns")]
const fn row<'a>(
    id: &'a str,
    [owner, served_by]: [&'a str; 2],
    host: &'a str,
    path: &'a str,
    expect: Expect<'a>,
    tls: Tls,
    ipv6: Ipv6,
    china: ChinaClass,
    sets: Sets,
    source: &'a str,
    confidence: Confidence,
) -> Probe<'a> {
    Probe {
        id,
        owner,
        served_by,
        scheme: Scheme::Http,
        host,
        path,
        expect,
        tls,
        ipv6,
        china,
        sets,
        source,
        confidence,
    }
}
