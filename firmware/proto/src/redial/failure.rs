//! Why a dial or a session failed.

/// A language of the sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Simplified Chinese.
    Chinese,
}

/// The error tag of a PADS that refused a session (RFC 2516, appendix A).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum PadsErrorTag {
    /// 0x0201 Service-Name-Error.
    ServiceNameError,
    /// 0x0202 AC-System-Error.
    AcSystemError,
    /// 0x0203 Generic-Error.
    GenericError,
}

/// What a refused authentication most probably means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Failure {
    /// No PADO came.
    NoPado,
    /// A PADO came, but no PADS.
    PadrUnanswered,
    /// The PADS carried an error.
    PadsError(PadsErrorTag),
    /// LCP did not come up in time.
    LcpTimeout,
    /// LCP met its own magic number: the line is looped back.
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
    /// The session ended within 60 s of coming up.
    QuickOffline,
}

impl Failure {
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

    /// The number Windows shows for the same failure, which support lines know.
    pub const fn windows_code(self) -> u16 {
        match self {
            Self::UserHangUp => 619,
            Self::TerminateRequest | Self::Padt | Self::QuickOffline => 629,
            Self::LinkDown | Self::PadsError(_) => 651,
            Self::NoPado | Self::PadrUnanswered => 678,
            Self::AuthRefused(_) => 691,
            Self::LcpTimeout | Self::AuthTimeout | Self::EchoTimeout => 718,
            Self::Loop | Self::NcpFailed | Self::PeerNotTrusted => 734,
        }
    }

    /// What is going on and what to do about it.
    pub const fn sentence(self, _language: Language) -> &'static str {
        self.name()
    }

    /// The class of a refusal: from the `text` of the server and from whether these credentials `ever_worked`.
    pub fn auth_refused(_text: &str, ever_worked: bool) -> Self {
        Self::AuthRefused(if ever_worked { AuthRefusal::TooManySessions } else { AuthRefusal::WrongPassword })
    }
}
