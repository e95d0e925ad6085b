//! What a verdict means, for people.

use core::fmt::{self, Write};

use super::verdict::{Impairment, Stage, Verdict};
use crate::redial::Language;

impl Verdict {
    /// Writes what is the matter and what to do about it.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn Write, language: Language) -> fmt::Result {
        if let Self::Portal { url } = self {
            let (before, after) = match language {
                Language::English => {
                    ("The network wants you to sign in: open ", " on a device in your network.")
                }
                Language::Chinese => ("网络要求先登录:请用家中任一设备打开 ", " 。"),
            };
            out.write_str(before)?;
            out.write_str(url.as_str())?;
            return out.write_str(after);
        }
        out.write_str(self.sentence(language))
    }

    const fn sentence(&self, language: Language) -> &'static str {
        match self {
            Self::Unknown | Self::Portal { .. } => language.pick("Not known yet.", "尚未确定。"),
            Self::Online => language.pick("The Internet is there.", "互联网连接正常。"),
            Self::Partial { impaired } => impaired.sentence(language),
            Self::Hijacked => language.pick(
                "Answers are forged on the way: DNS, or pages. Try other DNS servers; if it stays, tell your carrier.",
                "途中的应答被篡改(DNS 或网页)。请更换 DNS 服务器;若仍如此,请联系运营商。",
            ),
            Self::Offline { stage } => stage.sentence(language),
        }
    }
}

impl Impairment {
    const fn sentence(self, language: Language) -> &'static str {
        match self {
            Self::Operators => language.pick(
                "Only a part of the Internet is reached: one operator answers, the others do not.",
                "只能访问部分互联网:仅有一家服务商应答。",
            ),
            Self::Http => {
                language.pick("Plain HTTP does not work, HTTPS does.", "普通 HTTP 无法使用,HTTPS 正常。")
            }
            Self::Https => language.pick(
                "HTTPS does not work, plain HTTP does: something on the way blocks it.",
                "HTTPS 无法使用,普通 HTTP 正常:途中有设备拦截。",
            ),
            Self::Dns => language.pick(
                "The Internet is there, but DNS is not as it should be. Try other DNS servers.",
                "互联网可用,但 DNS 不正常。请更换 DNS 服务器。",
            ),
        }
    }
}

impl Stage {
    const fn sentence(self, language: Language) -> &'static str {
        match self {
            Self::Route => language.pick(
                "The line has an address, but nothing comes back.",
                "线路已获得地址,但没有任何数据返回。",
            ),
            Self::Dns => language.pick(
                "Names do not resolve: the DNS servers give no answer. Try other ones.",
                "域名无法解析:DNS 服务器没有给出结果。请更换 DNS 服务器。",
            ),
            Self::Tcp => language.pick(
                "Names resolve, but nothing connects: something on the way blocks it, or the carrier has cut the line off.",
                "域名可以解析,但无法建立连接:途中被拦截,或已被运营商停机。",
            ),
            Self::Http => language.pick(
                "Connections come up, but no page does: something on the way is broken.",
                "可以建立连接,但打不开网页:途中的设备有故障。",
            ),
        }
    }
}
