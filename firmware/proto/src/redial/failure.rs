//! Why a dial or a session failed: classes with stable names, and the Windows codes that users and support lines know.

use serde::{Deserialize, Serialize};

/// The error tag of a PADS that refused a session (RFC 2516, appendix A).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PadsErrorTag {
    /// 0x0201 Service-Name-Error.
    ServiceNameError,
    /// 0x0202 AC-System-Error.
    AcSystemError,
    /// 0x0203 Generic-Error.
    GenericError,
}

/// What a refused authentication most probably means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AuthRefusal {
    /// The user name or the password is wrong.
    WrongPassword,
    /// The account is in use: a stale session of ours, or somebody else's.
    TooManySessions,
    /// The account is locked, suspended, expired or out of credit.
    Locked,
    /// The account is bound to another line, MAC address or VLAN.
    BindingMismatch,
}

/// Why a dial or a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Failure {
    /// No PADO came.
    NoPado,
    /// A PADO came, but no PADS.
    PadrUnanswered,
    /// The PADS carried an error.
    PadsError(PadsErrorTag),
    /// LCP did not come up in time.
    LcpTimeout,
    /// LCP met its own magic number: the line is looped back (RFC 1661 §6.4).
    Loop,
    /// The peer did not finish authentication in time.
    AuthTimeout,
    /// The peer refused the credentials.
    AuthRefused(AuthRefusal),
    /// The peer could not prove that it knows the password (MS-CHAPv2), or asks for a protocol we refuse.
    PeerNotTrusted,
    /// No network control protocol came up.
    NcpFailed,
    /// LCP Echo-Requests stayed unanswered.
    EchoTimeout,
    /// The concentrator sent a PADT.
    Padt,
    /// The peer sent an LCP Terminate-Request.
    TerminateRequest,
    /// The Ethernet link went down.
    LinkDown,
    /// The user hung up.
    UserHangUp,
    /// The session ended within a minute of coming up.
    QuickOffline,
}

impl Failure {
    /// Every failure, in the order of a dial.
    pub const ALL: [Self; 20] = [
        Self::LinkDown,
        Self::NoPado,
        Self::PadrUnanswered,
        Self::PadsError(PadsErrorTag::ServiceNameError),
        Self::PadsError(PadsErrorTag::AcSystemError),
        Self::PadsError(PadsErrorTag::GenericError),
        Self::LcpTimeout,
        Self::Loop,
        Self::AuthTimeout,
        Self::AuthRefused(AuthRefusal::WrongPassword),
        Self::AuthRefused(AuthRefusal::TooManySessions),
        Self::AuthRefused(AuthRefusal::Locked),
        Self::AuthRefused(AuthRefusal::BindingMismatch),
        Self::PeerNotTrusted,
        Self::NcpFailed,
        Self::QuickOffline,
        Self::EchoTimeout,
        Self::Padt,
        Self::TerminateRequest,
        Self::UserHangUp,
    ];

    /// The stable name, for logs and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoPado => "no-pado",
            Self::PadrUnanswered => "padr-unanswered",
            Self::PadsError(PadsErrorTag::ServiceNameError) => "pads-service-name-error",
            Self::PadsError(PadsErrorTag::AcSystemError) => "pads-ac-system-error",
            Self::PadsError(PadsErrorTag::GenericError) => "pads-generic-error",
            Self::LcpTimeout => "lcp-timeout",
            Self::Loop => "loop",
            Self::AuthTimeout => "auth-timeout",
            Self::AuthRefused(AuthRefusal::WrongPassword) => "auth-wrong-password",
            Self::AuthRefused(AuthRefusal::TooManySessions) => "auth-too-many-sessions",
            Self::AuthRefused(AuthRefusal::Locked) => "auth-locked",
            Self::AuthRefused(AuthRefusal::BindingMismatch) => "auth-binding-mismatch",
            Self::PeerNotTrusted => "peer-not-trusted",
            Self::NcpFailed => "ncp-failed",
            Self::EchoTimeout => "echo-timeout",
            Self::Padt => "padt",
            Self::TerminateRequest => "terminate-request",
            Self::LinkDown => "link-down",
            Self::UserHangUp => "user-hang-up",
            Self::QuickOffline => "quick-offline",
        }
    }

    /// The number Windows shows for the same failure: 619 port disconnected, 629 closed by the remote end, 651 device
    /// error, 678 no answer, 691 authentication refused, 718 timeout, 734 PPP link control terminated.
    pub const fn windows_code(self) -> u16 {
        match self {
            Self::UserHangUp => 619,
            Self::Padt | Self::TerminateRequest | Self::QuickOffline => 629,
            Self::LinkDown | Self::PadsError(_) => 651,
            Self::NoPado | Self::PadrUnanswered => 678,
            Self::AuthRefused(_) => 691,
            Self::LcpTimeout | Self::AuthTimeout | Self::EchoTimeout => 718,
            Self::Loop | Self::NcpFailed | Self::PeerNotTrusted => 734,
        }
    }

    /// The class of a refusal: from the `text` of the server, and, where that says nothing, from whether these
    /// credentials `ever_worked`. "Authentication failed" (691) is what carriers answer to a wrong password, to a
    /// second session, to a locked account, to another line and to an empty prepaid account alike.
    pub fn auth_refused(text: &str, ever_worked: bool) -> Self {
        let says = |signs: &[&str]| signs.iter().any(|sign| contains_ignoring_case(text, sign));
        Self::AuthRefused(if says(LOCKED) {
            AuthRefusal::Locked
        } else if says(TOO_MANY_SESSIONS) {
            AuthRefusal::TooManySessions
        } else if says(WRONG_PASSWORD) {
            AuthRefusal::WrongPassword
        } else if says(BINDING_MISMATCH) {
            AuthRefusal::BindingMismatch
        } else if ever_worked {
            AuthRefusal::TooManySessions
        } else {
            AuthRefusal::WrongPassword
        })
    }
}

// What servers say, in lower case. "userid locked", "Radius User Restriction" and "not match, Request Deny" were seen
// on carriers' lines (router issue trackers); the numbers are those of an MS-CHAPv2 Failure (RFC 2759 §6).
const LOCKED: &[&str] = &[
    "lock", "suspend", "disabled", "expired", "frozen", "arrear", "overdue", "balance", "credit", "prepaid",
    "e=646", "e=647", "e=648", "e=649", "锁", "冻结", "停机", "欠费",
];
const TOO_MANY_SESSIONS: &[&str] = &[
    "restriction",
    "too many",
    "already",
    "online",
    "limit",
    "duplicate",
    "concurrent",
    "simultaneous",
    "maximum",
    "exceed",
    "在线",
    "占用",
    "超过",
];
const WRONG_PASSWORD: &[&str] = &[
    "password",
    "passwd",
    "unknown user",
    "no such user",
    "user not",
    "not exist",
    "not found",
    "incorrect",
    "密码",
    "不存在",
];
const BINDING_MISMATCH: &[&str] = &["bind", "bound", "match", "vlan", "nas-port", "calling-station", "绑定"];

fn contains_ignoring_case(text: &str, lower_case: &str) -> bool {
    let (text, sign) = (text.as_bytes(), lower_case.as_bytes());
    text.windows(sign.len()).any(|window| window.eq_ignore_ascii_case(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_codes_known() {
        let known = [619, 629, 651, 678, 691, 718, 734];
        for (index, failure) in Failure::ALL.into_iter().enumerate() {
            assert!(known.contains(&failure.windows_code()));
            assert!(!Failure::ALL[..index].iter().any(|other| other.name() == failure.name()), "{failure:?}");
        }
        for code in known {
            assert!(Failure::ALL.iter().any(|failure| failure.windows_code() == code), "{code}");
        }
    }

    #[test]
    fn a_refusal_is_read_from_the_servers_text() {
        for (text, refusal) in [
            ("userid locked", AuthRefusal::Locked),
            ("User is LOCKED OUT", AuthRefusal::Locked),
            ("账号欠费", AuthRefusal::Locked),
            ("E=647 R=0 V=3", AuthRefusal::Locked),
            ("Radius User Restriction", AuthRefusal::TooManySessions),
            ("password ok, user already online", AuthRefusal::TooManySessions),
            ("用户已在线", AuthRefusal::TooManySessions),
            ("Password error", AuthRefusal::WrongPassword),
            ("user name or password does not match", AuthRefusal::WrongPassword),
            ("用户不存在", AuthRefusal::WrongPassword),
            ("not match, Request Deny", AuthRefusal::BindingMismatch),
            ("VLAN bind check failed", AuthRefusal::BindingMismatch),
        ] {
            for ever_worked in [false, true] {
                assert_eq!(Failure::auth_refused(text, ever_worked), Failure::AuthRefused(refusal), "{text}");
            }
        }
    }

    #[test]
    fn a_refusal_without_a_reason_is_read_from_history() {
        for text in ["", "Authentication failed", "E=691 R=1 C=00 V=3 M=Access denied", "l"] {
            let refusal = |ever_worked| Failure::auth_refused(text, ever_worked);
            assert_eq!(refusal(false), Failure::AuthRefused(AuthRefusal::WrongPassword), "{text}");
            assert_eq!(refusal(true), Failure::AuthRefused(AuthRefusal::TooManySessions), "{text}");
        }
    }
}
