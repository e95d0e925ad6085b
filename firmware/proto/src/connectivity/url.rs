//! The address of a sign-in page, made fit to be shown and typed.
//!
//! Reading list: RFC 3986 §2 (what is encoded), §3 (parts), §5.2 (references); RFC 9110 §10.2.2 (`Location`).
//!
//! Whoever intercepts a probe writes this text, and it ends on a console, in a log and in a web page. So: `http` and
//! `https` only, no user information (`http://bank.example@evil.example/` is a trick), a host of letters, digits, dots and
//! hyphens, and everything beyond the plain characters of a URL percent-encoded.

use heapless::String;

use super::probes::{Probe, Scheme};

/// Octets of a URL that are kept.
pub const URL_MAX: usize = 200;

/// Octets of the name of a portal that are kept beside the URL that leads to it.
const LEADS_TO_MAX: usize = 64;

/// A URL that is safe to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    text: String<URL_MAX>,
    host_start: u8,
    host_end: u8,
    /// Something did not fit and is left out.
    is_shortened: bool,
    /// The host that whoever opens it comes to, where that is another; empty otherwise.
    leads_to: String<LEADS_TO_MAX>,
}

impl Url {
    /// The target of a redirect that `probe` met: absolute, or relative to the probe's own URL. A query that does not
    /// fit, or was cut off before (`is_cut`), is left out, then the path.
    pub fn from_location(location: &[u8], is_cut: bool, probe: &Probe<'_>) -> Option<Self> {
        let location = location.trim_ascii();
        if location.is_empty() {
            return None;
        }
        if let Some((scheme, rest)) = split_scheme(location) {
            return Self::build(scheme, rest, is_cut);
        }
        if let Some(rest) = location.strip_prefix(b"//") {
            return Self::build(Scheme::Http, rest, is_cut);
        }
        let path = location.split(|octet| b"/?#".contains(octet)).next().unwrap_or_default();
        if path.contains(&b':') {
            return None; // javascript:, data: and whatever else there is
        }
        Self::assemble(probe.scheme, probe.host.as_bytes(), location, is_cut)
    }

    /// A URL that somebody gave us whole, such as the one of RFC 8910.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = split_scheme(text.as_bytes().trim_ascii())?;
        Self::build(scheme, rest, false)
    }

    /// The probe's own URL: where nothing better is known, whoever opens it meets the portal too.
    pub fn of_probe(probe: &Probe<'_>) -> Option<Self> {
        Self::assemble(probe.scheme, probe.host.as_bytes(), probe.path.as_bytes(), false)
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, a name or an address, without its port; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        let range = usize::from(self.host_start)..usize::from(self.host_end);
        self.text.get(range).unwrap_or_default()
    }

    /// This URL as one that leads to `target`: because that one is longer than what is kept, and without the rest of it a
    /// portal may not know whom it has before it.
    #[must_use]
    pub(super) fn leading_to(mut self, target: &Self) -> Self {
        // A longer name is not kept; it then is as if nobody had named it.
        self.leads_to = String::try_from(target.host()).unwrap_or_default();
        self
    }

    /// Whether a part of it is left out, because it was too long.
    pub(super) const fn is_shortened(&self) -> bool {
        self.is_shortened
    }

    /// The host that whoever opens it ends up at.
    pub(super) fn destination(&self) -> &str {
        if self.leads_to.is_empty() { self.host() } else { &self.leads_to }
    }

    /// The host that whoever opens it ends up at, if it is a name and not an address.
    pub fn name(&self) -> Option<&str> {
        let host = self.destination();
        let is_address = host.contains(':') || host.parse::<core::net::Ipv4Addr>().is_ok();
        (!is_address).then_some(host)
    }

    /// From what follows `http://`.
    fn build(scheme: Scheme, rest: &[u8], is_cut: bool) -> Option<Self> {
        let end = rest.iter().position(|octet| b"/?#\\".contains(octet)).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end)?;
        if is_cut && rest.is_empty() {
            return None; // half a host is another host
        }
        let authority = authority.rsplit(|octet| *octet == b'@').next()?;
        Self::assemble(scheme, authority, rest, is_cut)
    }

    fn assemble(scheme: Scheme, authority: &[u8], rest: &[u8], is_cut: bool) -> Option<Self> {
        let (host, port) = split_port(authority)?;
        let mut url = Self {
            text: String::new(),
            host_start: 0,
            host_end: 0,
            is_shortened: false,
            leads_to: String::new(),
        };
        url.push(if scheme == Scheme::Https { "https://" } else { "http://" })?;
        let is_ipv6 = host.contains(&b':');
        if is_ipv6 {
            url.push("[")?;
        }
        url.host_start = u8::try_from(url.text.len()).ok()?;
        for octet in host {
            url.text.push(char::from(octet.to_ascii_lowercase())).ok()?;
        }
        url.host_end = u8::try_from(url.text.len()).ok()?;
        if is_ipv6 {
            url.push("]")?;
        }
        if let Some(port) = port {
            url.push(":")?;
            url.push(port)?;
        }
        let origin_len = url.text.len();
        let without_query = rest.iter().position(|octet| b"?#".contains(octet)).unwrap_or(rest.len());
        // A path that was cut off is another path; with a query behind it, it is whole.
        let shorter = if is_cut && without_query == rest.len() { None } else { rest.get(..without_query) };
        let candidates =
            [(if is_cut { None } else { Some(rest) }, false), (shorter, true), (Some(&b"/"[..]), true)];
        for (candidate, is_shortened) in candidates {
            url.text.truncate(origin_len);
            url.is_shortened = is_shortened;
            if candidate.is_some_and(|rest| url.push_encoded(rest).is_some()) {
                return Some(url);
            }
        }
        None
    }

    fn push(&mut self, text: &str) -> Option<()> {
        self.text.push_str(text).ok()
    }

    /// Path, query and fragment, from their first character on. A path begins with `/`.
    fn push_encoded(&mut self, rest: &[u8]) -> Option<()> {
        if !rest.starts_with(b"/") {
            self.push("/")?;
        }
        for octet in rest {
            let is_plain = octet.is_ascii_alphanumeric() || b"-._~/?#[]@!$&()*+,;=:%".contains(octet);
            if is_plain {
                self.text.push(char::from(*octet)).ok()?;
            } else {
                self.push("%")?;
                self.text.push(hex(octet >> 4)).ok()?;
                self.text.push(hex(octet & 15)).ok()?;
            }
        }
        Some(())
    }
}

/// Whether two hosts belong to one site: the last two labels agree, or the last three where the second level is a
/// registry's (`com.cn`).
pub(super) fn is_same_site(a: &str, b: &str) -> bool {
    site(a).eq_ignore_ascii_case(site(b))
}

fn site(host: &str) -> &str {
    let host = host.trim_end_matches('.');
    let mut dots = host.rmatch_indices('.').map(|(at, _)| at);
    let (Some(last), Some(second)) = (dots.next(), dots.next()) else { return host };
    let second_level = host.get(second + 1..last).unwrap_or_default();
    let is_registry = ["com", "net", "org", "gov", "edu", "ac", "co"]
        .iter()
        .any(|label| second_level.eq_ignore_ascii_case(label));
    let start = if is_registry { dots.next().map_or(0, |at| at + 1) } else { second + 1 };
    host.get(start..).unwrap_or(host)
}

/// `http://` or `https://` off the front, in any case.
fn split_scheme(text: &[u8]) -> Option<(Scheme, &[u8])> {
    [(Scheme::Http, &b"http://"[..]), (Scheme::Https, b"https://")].into_iter().find_map(
        |(scheme, prefix)| {
            let (head, rest) = text.split_at_checked(prefix.len())?;
            head.eq_ignore_ascii_case(prefix).then_some((scheme, rest))
        },
    )
}

/// Host and port, if both are well-formed.
fn split_port(authority: &[u8]) -> Option<(&[u8], Option<&str>)> {
    let (host, port) = if let Some(rest) = authority.strip_prefix(b"[") {
        let end = rest.iter().position(|octet| *octet == b']')?;
        let (host, rest) = (rest.get(..end)?, rest.get(end + 1..)?);
        let text = core::str::from_utf8(host).ok()?;
        text.parse::<core::net::Ipv6Addr>().ok()?;
        (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(b":")?) })
    } else {
        let (host, port) = match authority.iter().position(|octet| *octet == b':') {
            Some(colon) => (authority.get(..colon)?, Some(authority.get(colon + 1..)?)),
            None => (authority, None),
        };
        let is_name = host.iter().all(|octet| octet.is_ascii_alphanumeric() || b"-._".contains(octet));
        if !is_name || !host.iter().any(u8::is_ascii_alphanumeric) {
            return None;
        }
        (host, port)
    };
    let Some(port) = port.filter(|port| !port.is_empty()) else { return Some((host, None)) };
    let port =
        core::str::from_utf8(port).ok().filter(|port| port.bytes().all(|octet| octet.is_ascii_digit()))?;
    port.parse::<u16>().ok().filter(|number| *number != 0)?;
    Some((host, Some(port)))
}

fn hex(digit: u8) -> char {
    char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::borrow::ToOwned;
    use std::format;

    use super::super::probes;
    use super::*;

    fn location(text: &str) -> Option<Url> {
        Url::from_location(text.as_bytes(), false, probes::find("vivo").expect("a row"))
    }

    #[test]
    fn what_is_safe_stays_as_it_is() {
        for text in [
            "http://portal.isp.test/login?url=http://captive.apple.com/&mac=aa:bb",
            "https://login.isp.test:8443/#/sign-in",
            "http://10.0.0.1/",
            "http://[2001:db8::1]:8080/a%20b",
        ] {
            assert_eq!(location(text).expect(text).as_str(), text);
        }
    }

    #[test]
    fn what_is_not_safe_is_made_safe_or_refused() {
        for (text, expected) in [
            ("HTTP://Portal.ISP.test", Some("http://portal.isp.test/")),
            ("  http://portal.test?x\r\ny\r\n ", Some("http://portal.test/?x%0D%0Ay")),
            (
                "http://portal.test/\u{1b}[2J\"><script>'",
                Some("http://portal.test/%1B[2J%22%3E%3Cscript%3E%27"),
            ),
            ("http://portal.test/\u{202e}gpj", Some("http://portal.test/%E2%80%AEgpj")),
            ("http://bank.example@evil.test/", Some("http://evil.test/")),
            ("http://bank.example\\@evil.test/", Some("http://bank.example/%5C@evil.test/")),
            ("http://portal.test:/", Some("http://portal.test/")),
            ("//portal.test/login", Some("http://portal.test/login")),
            ("/login?a=b", Some("http://wifi.vivo.com.cn/login?a=b")),
            ("login.html", Some("http://wifi.vivo.com.cn/login.html")),
            ("?login", Some("http://wifi.vivo.com.cn/?login")),
            ("javascript:alert(1)", None),
            ("data:text/html,x", None),
            ("ftp://portal.test/", None),
            ("http:portal.test", None),
            ("http://", None),
            ("http:///login", None),
            ("http://...", None),
            ("http://bücher.test/", None),
            ("http://a b.test/", None),
            ("http://portal.test:0/", None),
            ("http://portal.test:65536/", None),
            ("http://portal.test:8x/", None),
            ("http://[::1/", None),
            ("http://[::zz]/", None),
            ("http://[::1]x/", None),
            ("", None),
            (" ", None),
        ] {
            let url = location(text);
            assert_eq!(url.as_ref().map(Url::as_str), expected, "{text}");
        }
    }

    #[test]
    fn what_is_too_long_loses_its_query_then_its_path() {
        let long = ["0123456789"; 20].concat();
        let shown = |text: &str| location(text).map(|url| url.text);
        assert_eq!(
            shown(&format!("http://portal.test/a?{long}")).expect("fits").as_str(),
            "http://portal.test/a"
        );
        assert_eq!(
            shown(&format!("http://portal.test/{long}")).expect("fits").as_str(),
            "http://portal.test/"
        );
        assert_eq!(shown(&format!("http://{long}.test/")), None);
    }

    #[test]
    fn what_was_cut_off_is_not_completed() {
        let cut = |text: &str| {
            let probe = probes::find("vivo").expect("a row");
            Url::from_location(text.as_bytes(), true, probe).map(|url| url.text)
        };
        assert_eq!(cut("http://portal.test/a?b=").expect("fits").as_str(), "http://portal.test/a");
        assert_eq!(cut("http://portal.test/abc").expect("fits").as_str(), "http://portal.test/");
        assert_eq!(cut("http://portal.te"), None);
    }

    /// openNDS, for one, has all that it knows of its guest in a query of 550 octets, and shows a stranger another page.
    #[test]
    fn a_url_that_leads_to_another_has_that_ones_name() {
        let long = format!("http://portal.test/?{}", ["0123456789"; 20].concat());
        let target = location(&long).expect("fits in part");
        let probe = probes::find("vivo").expect("a row");
        let url = Url::of_probe(probe).expect("fits").leading_to(&target);
        assert!(target.is_shortened() && !url.is_shortened());
        assert_eq!((url.host(), url.name()), ("wifi.vivo.com.cn", Some("portal.test")));
        assert_eq!(location("http://portal.test/?a").map(|url| url.is_shortened()), Some(false));
    }

    #[test]
    fn hosts_and_names() {
        let host = |text: &str| location(text).map(|url| (url.host().to_owned(), url.name().is_some()));
        assert_eq!(host("https://Login.test:8443/x"), Some(("login.test".to_owned(), true)));
        assert_eq!(host("http://10.0.0.1/"), Some(("10.0.0.1".to_owned(), false)));
        assert_eq!(host("http://[2001:db8::1]:80/"), Some(("2001:db8::1".to_owned(), false)));
    }

    #[test]
    fn sites() {
        assert!(is_same_site("wifi.vivo.com.cn", "www.VIVO.com.cn"));
        assert!(!is_same_site("wifi.vivo.com.cn", "portal.isp.com.cn"));
        assert!(is_same_site("captive.apple.com", "apple.com."));
        assert!(!is_same_site("captive.apple.com", "apple.com.portal.test"));
        assert!(is_same_site("portal", "portal") && !is_same_site("portal", "com"));
    }
}
