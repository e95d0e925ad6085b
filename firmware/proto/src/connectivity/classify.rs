//! What one response says about its probe.
//!
//! Reading list: RFC 6585 §6 (511); RFC 9110 §15 (status codes).
//!
//! A redirect is never followed, a body compared without the blanks at its ends. A body of four octets or fewer is a
//! broken proxy's, not a page. A meta refresh and a script are a body like any other. A redirect to the probe's own site is
//! its operator's doing, unless nobody's probe fares better.

use gatelet_wire::http::Response;

use super::probes::{Expect, Probe};
use super::url::{Url, is_same_site};

/// A body that is no page, in octets. What Android takes for one as well.
const TINY: usize = 4;

/// What a response says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// What the probe is due.
    Good,
    /// A redirect to somebody else's site: a portal.
    Redirected,
    /// A redirect within the probe's own site.
    RedirectedHome,
    /// 511 Network Authentication Required: a portal.
    AuthenticationRequired,
    /// A page that is not the probe's: a portal, or a forger.
    OtherBody,
    /// The probe's body, with something added to it.
    Injected,
    /// Nothing, or next to nothing, where a body is due.
    Tiny,
    /// The beginning of what is due, when time was up.
    Cut,
    /// A status that means none of these: an error of a server or a proxy.
    OtherStatus(u16),
    /// An answer, from a probe nobody knows what to expect of.
    Reached,
}

impl Answer {
    /// Whether it shows an interceptor who has a page to show.
    pub const fn is_portal(self) -> bool {
        matches!(self, Self::Redirected | Self::AuthenticationRequired | Self::OtherBody)
    }

    /// Whether it may show one: the redirect to oneself as well.
    pub(super) const fn is_sign(self) -> bool {
        self.is_portal() || matches!(self, Self::RedirectedHome)
    }

    /// Whether it says in so many words where the page is: such an interceptor wants to be found.
    pub const fn names_portal(self) -> bool {
        matches!(self, Self::Redirected | Self::AuthenticationRequired)
    }

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Redirected => "redirected",
            Self::RedirectedHome => "redirected-home",
            Self::AuthenticationRequired => "authentication-required",
            Self::OtherBody => "other-body",
            Self::Injected => "injected",
            Self::Tiny => "tiny",
            Self::Cut => "cut",
            Self::OtherStatus(_) => "other-status",
            Self::Reached => "reached",
        }
    }
}

/// What `response` says about `probe`. A response that was not read to its end counts for what there is of it.
pub fn classify(probe: &Probe<'_>, response: &Response<'_>) -> Answer {
    match response.status {
        511 => Answer::AuthenticationRequired,
        304 => Answer::OtherStatus(304),
        300..=399 if matches!(probe.expect, Expect::Unknown) => Answer::Reached,
        300..=399 => {
            let target = target(probe, response);
            let is_home = target.is_some_and(|url| is_same_site(url.host(), probe.host));
            if is_home { Answer::RedirectedHome } else { Answer::Redirected }
        }
        status => match probe.expect {
            Expect::NoContent if status == 204 => Answer::Good,
            Expect::Unknown if status == 200 => Answer::Reached,
            Expect::NoContent if (200..=299).contains(&status) => other_body(response),
            Expect::Body(_) | Expect::BodyContains(_) if response.is_encoded && status == 200 => {
                Answer::OtherBody
            }
            Expect::Body(body) if status == 200 => compare(body.as_bytes().trim_ascii(), response),
            Expect::BodyContains(part) if status == 200 => {
                if contains(response.body, part.as_bytes()) {
                    Answer::Good
                } else {
                    other_body(response)
                }
            }
            _ => Answer::OtherStatus(status),
        },
    }
}

/// Where a person has to go who is to meet what `response` showed: the redirect's target; or, where there is none or it is
/// too long to be shown whole, the probe's own URL, which leads there.
pub fn portal_url(probe: &Probe<'_>, response: &Response<'_>) -> Option<Url> {
    match target(probe, response) {
        Some(url) if !url.is_shortened() => Some(url),
        Some(url) => Url::of_probe(probe).map(|own| own.leading_to(&url)),
        None => Url::of_probe(probe),
    }
}

fn target(probe: &Probe<'_>, response: &Response<'_>) -> Option<Url> {
    Url::from_location(response.location?, response.location_is_cut, probe)
}

fn compare(expected: &[u8], response: &Response<'_>) -> Answer {
    let body = response.body.trim_ascii();
    if body == expected && response.is_complete {
        Answer::Good
    } else if contains(body, expected) {
        // The body with nothing behind it yet is not wrong, but late.
        if body == expected { Answer::Cut } else { Answer::Injected }
    } else if !response.is_complete && expected.starts_with(body) {
        Answer::Cut
    } else {
        other_body(response)
    }
}

fn other_body(response: &Response<'_>) -> Answer {
    let is_tiny = !response.is_encoded && response.body.trim_ascii().len() <= TINY;
    if is_tiny { Answer::Tiny } else { Answer::OtherBody }
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && body.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::borrow::ToOwned;

    use super::super::probes;
    use super::*;

    const OK: Response<'static> = Response {
        status: 200,
        location: None,
        location_is_cut: false,
        is_encoded: false,
        body: b"",
        is_complete: true,
    };
    const PAGE: &[u8] = b"<html><body>Please sign in</body></html>";

    fn of(id: &str, response: Response<'_>) -> Answer {
        classify(probes::find(id).expect("a row"), &response)
    }

    #[test]
    fn what_is_due_is_good() {
        let apple: &[u8] = b"<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>\n";
        let kindle: &[u8] = b"<!-- 81ce4465-7167-4dcb-835b-dcc9e44c112a -->";
        for (id, response) in [
            ("xiaomi", Response { status: 204, ..OK }),
            ("apple", Response { body: apple, ..OK }),
            ("firefox", Response { body: b"success", ..OK }),
            ("firefox", Response { body: b"\r\nsuccess\n\n", ..OK }),
            ("kde", Response { body: b"OK\n", ..OK }),
            ("kindle", Response { body: kindle, is_complete: false, ..OK }),
        ] {
            assert_eq!(of(id, response), Answer::Good, "{id}");
        }
    }

    #[test]
    fn what_is_not_due() {
        let location: Option<&[u8]> = Some(b"http://portal.isp.test/");
        let home: Option<&[u8]> = Some(b"https://www.msftconnecttest.com/redirect");
        let stray: Option<&[u8]> = Some(b"javascript:location='http://portal.isp.test'");
        for (id, response, expected) in [
            ("xiaomi", Response { status: 302, location, ..OK }, Answer::Redirected),
            ("ms", Response { status: 307, location: home, ..OK }, Answer::RedirectedHome),
            ("ms", Response { status: 303, location: Some(b"/login"), ..OK }, Answer::RedirectedHome),
            ("ms", Response { status: 302, location: stray, ..OK }, Answer::Redirected),
            ("ms", Response { status: 302, ..OK }, Answer::Redirected),
            ("ms", Response { status: 304, ..OK }, Answer::OtherStatus(304)),
            ("ms", Response { status: 511, body: PAGE, ..OK }, Answer::AuthenticationRequired),
            ("ms", Response { body: PAGE, ..OK }, Answer::OtherBody),
            ("xiaomi", Response { body: PAGE, ..OK }, Answer::OtherBody),
            ("xiaomi", Response { body: PAGE, is_complete: false, ..OK }, Answer::OtherBody),
            ("xiaomi", OK, Answer::Tiny),
            ("xiaomi", Response { body: b" \r\nok\r\n", ..OK }, Answer::Tiny),
            ("ms", Response { body: b"abcd", ..OK }, Answer::Tiny),
            ("ms", Response { body: b"abcde", ..OK }, Answer::OtherBody),
            ("ms", Response { body: b"\x1f\x8b", is_encoded: true, ..OK }, Answer::OtherBody),
            ("xiaomi", Response { body: b"\x1f\x8b", is_encoded: true, ..OK }, Answer::OtherBody),
            ("ms", Response { body: b"Microsoft Connect Test<script>", ..OK }, Answer::Injected),
            ("ms", Response { body: b"Microsoft Con", is_complete: false, ..OK }, Answer::Cut),
            ("ms", Response { body: b"Microsoft Connect Test", is_complete: false, ..OK }, Answer::Cut),
            ("ms", Response { body: b"Microsoft Con", ..OK }, Answer::OtherBody),
            ("ms", Response { body: b"", is_complete: false, ..OK }, Answer::Cut),
            ("ms", Response { status: 204, ..OK }, Answer::OtherStatus(204)),
            ("xiaomi", Response { status: 503, body: PAGE, ..OK }, Answer::OtherStatus(503)),
            ("baidu", Response { body: PAGE, ..OK }, Answer::Reached),
            ("baidu", Response { status: 302, location, ..OK }, Answer::Reached),
        ] {
            assert_eq!(of(id, response), expected, "{id}: {response:?}");
        }
    }

    #[test]
    fn a_person_is_sent_to_the_target_or_where_we_were_intercepted() {
        let probe = probes::find("xiaomi").expect("a row");
        let url = |response: &Response<'_>| portal_url(probe, response).expect("always").as_str().to_owned();
        let redirect = Response { status: 302, location: Some(b"https://login.isp.test/"), ..OK };
        assert_eq!(url(&redirect), "https://login.isp.test/");
        let long = ["0123456789"; 25].concat();
        let long = std::format!("http://portal.isp.test/?{long}");
        let redirect_far = Response { location: Some(long.as_bytes()), ..redirect };
        assert_eq!(url(&redirect_far), "http://connect.rom.miui.com/generate_204");
        let stray = Response { location: Some(b"data:,"), ..redirect };
        for response in [stray, Response { body: PAGE, ..OK }] {
            assert_eq!(url(&response), "http://connect.rom.miui.com/generate_204");
        }
    }
}
