//! Authentication: who we are, proven by PAP, CHAP-MD5 or MS-CHAPv2.

pub mod chap;
pub mod mschapv2;

use gatelet_wire::ppp::lcp::Authentication;

/// A way to authenticate, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AuthMethod {
    /// The password in clear (RFC 1334).
    Pap,
    /// A keyed MD5 (RFC 1994).
    ChapMd5,
    /// Both sides prove the password (RFC 2759).
    MsChapV2,
}

impl AuthMethod {
    /// All of them, weakest first.
    pub const ALL: [Self; 3] = [Self::Pap, Self::ChapMd5, Self::MsChapV2];

    /// The name people know it by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pap => "PAP",
            Self::ChapMd5 => "CHAP-MD5",
            Self::MsChapV2 => "MS-CHAPv2",
        }
    }

    /// What LCP's Authentication-Protocol option says for it.
    pub const fn option(self) -> Authentication<'static> {
        match self {
            Self::Pap => Authentication::Pap,
            Self::ChapMd5 => Authentication::ChapMd5,
            Self::MsChapV2 => Authentication::MsChapV2,
        }
    }

    /// The method an Authentication-Protocol option asks for, if we speak it.
    pub const fn from_option(option: Authentication<'_>) -> Option<Self> {
        match option {
            Authentication::Pap => Some(Self::Pap),
            Authentication::ChapMd5 => Some(Self::ChapMd5),
            Authentication::MsChapV2 => Some(Self::MsChapV2),
            Authentication::MsChapV1 | Authentication::Unknown { .. } => None,
        }
    }
}
