//! What the engine says to people: one sentence or two on what is going on and what to do, in English and Chinese.

use super::failure::{AuthRefusal, Failure, PadsErrorTag};
use super::ledger::HoldReason;
use super::report::{Doing, Note};

/// A language of the sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Simplified Chinese.
    Chinese,
}

impl Language {
    pub(crate) const fn pick(self, english: &'static str, chinese: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }
}

impl Failure {
    /// What is going on and what to do about it.
    pub const fn sentence(self, language: Language) -> &'static str {
        match self {
            Self::LinkDown => language.pick(
                "No Ethernet link to the ONT. Check the cable and that the ONT has power.",
                "到光猫的网线没有连通。请检查网线和光猫电源。",
            ),
            Self::NoPado => language.pick(
                "Nobody answers on the line: the ONT is still starting, the line is down, or the carrier keeps silent \
                 after too many dials. Leave it powered on; if the ONT's optical lamp is red or off, call your \
                 carrier: Unicom 10010, Telecom 10000, Mobile 10086.",
                "线路没有应答:光猫可能正在启动、线路中断,或因拨号过于频繁被运营商暂时屏蔽。请保持通电等待;如果光猫的光信号灯为红色\
                 或不亮,请拨打运营商客服:联通 10010,电信 10000,移动 10086。",
            ),
            Self::PadrUnanswered => language.pick(
                "The carrier's concentrator offers service but opens no session: it is overloaded, or refuses us \
                 after too many failures. Nothing to do but wait; we dial again by ourselves.",
                "运营商设备有回应但未建立会话:可能正忙,或因失败次数过多暂时拒绝。无需操作,路由器会自动重拨。",
            ),
            Self::PadsError(PadsErrorTag::ServiceNameError) => language.pick(
                "The concentrator does not know the service name asked for. Clear the service name in the settings, \
                 unless the carrier gave you one.",
                "运营商设备不认识所填的服务名。除非运营商要求填写,请在设置中清空服务名。",
            ),
            Self::PadsError(PadsErrorTag::AcSystemError) => language.pick(
                "The concentrator is out of resources or limits your line. We dial again by ourselves; if it lasts, \
                 call your carrier: Unicom 10010, Telecom 10000, Mobile 10086.",
                "运营商设备资源不足或限制了本线路。路由器会自动重拨;如持续出现,请拨打运营商客服:联通 10010,电信 10000,移动 10086。",
            ),
            Self::PadsError(PadsErrorTag::GenericError) => language.pick(
                "The concentrator refused to open a session. We dial again by ourselves; if it lasts, call your \
                 carrier and read them the error text: Unicom 10010, Telecom 10000, Mobile 10086.",
                "运营商设备拒绝建立会话。路由器会自动重拨;如持续出现,请拨打运营商客服并告知错误信息:联通 10010,电信 10000,移动 10086。",
            ),
            Self::LcpTimeout => language.pick(
                "The session opened, but the far end does not negotiate. Usually a passing fault of the carrier; we \
                 dial again by ourselves.",
                "会话已建立,但对端没有完成链路协商,通常是运营商侧的暂时故障。路由器会自动重拨。",
            ),
            Self::Loop => language.pick(
                "Our own messages come back: the line or a switch on it is looped. Check for a cable plugged into \
                 the same device twice.",
                "收到了自己发出的报文:线路或交换机存在环路。请检查是否有网线两端插在同一设备上。",
            ),
            Self::AuthTimeout => language.pick(
                "The carrier does not decide on user name and password: its account server is slow or down. We dial \
                 again by ourselves.",
                "运营商没有完成账号认证:认证服务器可能繁忙或故障。路由器会自动重拨。",
            ),
            Self::AuthRefused(refusal) => refusal.sentence(language),
            Self::PeerNotTrusted => language.pick(
                "The far end does not prove that it knows your password, or asks for a weaker authentication than \
                 you permit, so the password was kept back. Check the minimum authentication in the settings.",
                "对端无法证明其知道您的密码,或要求的认证方式低于您允许的级别,因此未发送密码。请检查设置中的最低认证方式。",
            ),
            Self::NcpFailed => language.pick(
                "Signed in, but the carrier assigned no address. Usually a passing fault of the carrier; we dial \
                 again by ourselves.",
                "认证成功,但运营商没有分配地址,通常是运营商侧的暂时故障。路由器会自动重拨。",
            ),
            Self::QuickOffline => language.pick(
                "The session ended within a minute of coming up. The next dials are spaced out, so that the carrier \
                 does not lock the line.",
                "上线不到一分钟就断开了。为避免被运营商锁定,后续重拨会拉开间隔。",
            ),
            Self::EchoTimeout => language.pick(
                "The far end stopped answering: the line was interrupted. We dial again by ourselves; if it happens \
                 often, check the fibre and the ONT's optical lamp.",
                "对端不再响应:线路中断。路由器会自动重拨;如经常出现,请检查光纤和光猫的光信号灯。",
            ),
            Self::Padt => language.pick(
                "The carrier's concentrator closed the session. Many carriers do so every 48 hours; we dial again at \
                 once.",
                "运营商设备关闭了会话。许多运营商每 48 小时强制下线一次;路由器会立即重拨。",
            ),
            Self::TerminateRequest => language.pick(
                "The far end ended the connection. Many carriers do so every 48 hours; we dial again at once.",
                "对端结束了连接。许多运营商每 48 小时强制下线一次;路由器会立即重拨。",
            ),
            Self::UserHangUp => language.pick(
                "Hung up by this router: by the user, the nightly reconnect, or because nothing got through.",
                "由本路由器主动断开:用户操作、定时重连,或因已连接但无法上网。",
            ),
        }
    }
}

impl AuthRefusal {
    const fn sentence(self, language: Language) -> &'static str {
        match self {
            Self::WrongPassword => language.pick(
                "The carrier refuses user name or password. Check both in the settings; retries are rare until they \
                 change, so that the account is not locked. Forgotten: Unicom 10010, Telecom 10000, Mobile 10086.",
                "运营商拒绝了账号或密码。请在设置中核对;修改之前路由器会减少重试,以免账号被锁。忘记密码请咨询:联通 10010,电信 10000,\
                 移动 10086。",
            ),
            Self::TooManySessions => language.pick(
                "The carrier thinks the account is still on line, usually our own session from before a power cut. \
                 It forgets it within about 6 minutes; if not, see whether another device uses the account.",
                "运营商认为该账号仍在线,通常是断电前的旧会话,约 6 分钟内会自动清除;若一直如此,请检查是否有其他设备在用同一账号。",
            ),
            Self::Locked => language.pick(
                "The carrier says the account is locked, expired or out of credit. Only the carrier can change that: \
                 Unicom 10010, Telecom 10000, Mobile 10086.",
                "运营商提示账号被锁定、已到期或欠费,需由运营商处理:联通 10010,电信 10000,移动 10086。",
            ),
            Self::BindingMismatch => language.pick(
                "The account is tied to another line, MAC address or VLAN. Set the MAC address of the former router \
                 and the right VLAN, or have the carrier undo the tie: Unicom 10010, Telecom 10000, Mobile 10086.",
                "账号绑定了其他线路、MAC 地址或 VLAN。请克隆原路由器的 MAC 地址并核对 VLAN,或请运营商解绑:联通 10010,电信 10000,\
                 移动 10086。",
            ),
        }
    }
}

impl Doing {
    /// What is going on and why.
    pub const fn sentence(self, language: Language) -> &'static str {
        match self {
            Self::Stopped => language.pick("Off line because the user hung up.", "用户已断开,不会自动拨号。"),
            Self::NoLink => language.pick("Waiting for the Ethernet link to the ONT.", "等待与光猫的网线连通。"),
            Self::Dialing => language.pick("Dialing.", "正在拨号。"),
            Self::Polling => language.pick("Asking with a single PADI.", "发送一个 PADI 探测线路。"),
            Self::Up => language.pick("On line.", "已上线。"),
            Self::HangingUp => language.pick("Hanging up.", "正在断开。"),
            Self::BackOff => language.pick("Waiting before the next dial.", "等待下一次拨号。"),
            Self::Budget => language.pick(
                "Waiting, because more dials now could make the carrier lock the line.",
                "等待中:现在继续拨号可能导致线路被运营商锁定。",
            ),
            Self::Hold(HoldReason::Silence) => language.pick(
                "Keeping silent: the carrier seems to have locked the line, and only silence unlocks it.",
                "保持静默:线路似乎被运营商锁定,只有停止拨号才能解锁。",
            ),
            Self::Hold(HoldReason::Authentication) => language.pick(
                "Keeping silent: the carrier refused the credentials, and more attempts could lock the account.",
                "保持静默:运营商拒绝了账号认证,继续尝试可能导致账号被锁。",
            ),
            Self::ColdStartInHold => language.pick(
                "Power came back while the line was locked: a minute of silence, then one PADI.",
                "在线路锁定期间重新通电:静默一分钟后只发送一个 PADI。",
            ),
            Self::DarkPolling => language.pick(
                "No answer on the line: asking every 30 seconds with a single PADI.",
                "线路没有应答:每 30 秒发送一个 PADI 探测。",
            ),
            Self::DarkSilence => language.pick(
                "Still no answer: a silence of five to six minutes, in case it is a lock after all.",
                "线路仍无应答:静默五至六分钟,以防其实是被锁定。",
            ),
        }
    }
}

impl Note {
    /// What happened and what to do about it.
    pub const fn sentence(self, language: Language) -> &'static str {
        match self {
            Self::HoldBegun { reason, .. } => Doing::Hold(reason).sentence(language),
            Self::HoldLifted => language.pick("The hold is lifted.", "静默期已解除。"),
            Self::DialHeld { .. } => language.pick(
                "Not dialing now: that would prolong the lock. `dial force` dials all the same.",
                "现在不拨号,以免延长锁定。如需强制拨号请使用 dial force。",
            ),
            Self::LineLooksDead => language.pick(
                "The line itself looks dead: check the ONT's optical lamp, call your carrier (10010 Unicom, 10000 \
                 Telecom, 10086 Mobile).",
                "线路本身可能已中断:请检查光猫的光信号灯,并拨打运营商客服(联通 10010,电信 10000,移动 10086)。",
            ),
            Self::LineDark => language.pick(
                "No answer, and no sign of a lock: the ONT may still be starting. Polling the line.",
                "线路没有应答,也没有被锁定的迹象:光猫可能正在启动。开始探测线路。",
            ),
            Self::ForcedDisconnect { .. } => language.pick(
                "The carrier ended the session on schedule. A nightly reconnect can move that to a quiet hour.",
                "运营商按周期强制下线。可设置夜间定时重连以避开使用时段。",
            ),
            Self::EchoSwitchedOff => language.pick(
                "The concentrator answers no LCP echo although data flows: echo is switched off.",
                "运营商设备不响应 LCP echo,但数据正常:已关闭 echo 检测。",
            ),
            Self::LedgerUnreadable => language.pick(
                "The record of earlier dials is unreadable: a minute of silence first, to be safe.",
                "无法读取以往的拨号记录:为安全起见先静默一分钟。",
            ),
            Self::LedgerNotStored => language.pick(
                "The record of dials cannot be written to flash: after a power cut the past will be forgotten.",
                "拨号记录无法写入闪存:断电后将丢失历史。",
            ),
        }
    }
}
