//! The table of commands, and what it says of a line that is not finished: how it can go on.

use gatelet_proto::redial::Language;
use gatelet_settings::{KEYS, Key, PathError, Unset, find, next_segments};
use heapless::String;

use crate::command::{MINUTES_MOST, Mistake, SLOTS, filter, find_verb, match_word};
use crate::words::Words;

/// A text in both languages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text(pub(crate) &'static str, pub(crate) &'static str);

impl Text {
    pub(crate) const fn pick(self, language: Language) -> &'static str {
        match language {
            Language::English => self.0,
            Language::Chinese => self.1,
        }
    }
}

/// A command.
#[derive(Debug)]
pub(crate) struct Verb {
    pub(crate) id: VerbId,
    pub(crate) name: &'static str,
    pub(crate) usage: &'static str,
    pub(crate) help: Text,
    pub(crate) slots: &'static [Slot],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VerbId {
    Show,
    Set,
    Unset,
    Commit,
    Revert,
    Diff,
    Export,
    Import,
    Dial,
    HangUp,
    Probe,
    Ping,
    Traceroute,
    Resolve,
    Capture,
    Log,
    Reboot,
    FactoryReset,
    SetUp,
    Terminal,
    Help,
    Exit,
}

/// A place for a word.
#[derive(Debug)]
pub(crate) enum Slot {
    /// One of these; may be left out or not.
    Choice {
        choices: &'static [Choice],
        is_optional: bool,
    },
    /// The path of a setting.
    Path,
    /// What it is set to: the rest of the line.
    Value,
    Number {
        name: &'static str,
        least: u16,
        most: u16,
        is_optional: bool,
        help: Text,
    },
    /// Any word.
    Word {
        name: &'static str,
        is_optional: bool,
        help: Text,
    },
    /// Which frames to capture.
    Filter,
}

#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) name: &'static str,
    pub(crate) help: Text,
}

/// What a word is in its slot.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Matched<'l> {
    Choice(usize),
    Text(&'l str),
    Number(u16),
}

impl Slot {
    pub(crate) const fn is_optional(&self) -> bool {
        match self {
            Self::Choice { is_optional, .. }
            | Self::Number { is_optional, .. }
            | Self::Word { is_optional, .. } => *is_optional,
            Self::Path | Self::Value => false,
            Self::Filter => true,
        }
    }

    pub(crate) fn choices(&self) -> &'static [Choice] {
        match self {
            Self::Choice { choices, .. } => choices,
            Self::Filter => FILTERS,
            _ => &[],
        }
    }

    /// What `word` is here. The error is what to tell, where this slot knows better than that the word does not fit.
    pub(crate) fn matches<'l>(&self, word: &'l str) -> Result<Matched<'l>, Option<Mistake<'l>>> {
        match self {
            Self::Choice { choices, .. } => {
                if let Some(place) = choices.iter().position(|choice| choice.name == word) {
                    return Ok(Matched::Choice(place));
                }
                let mut begun =
                    choices.iter().enumerate().filter(|(_, choice)| choice.name.starts_with(word));
                match (begun.next(), begun.next()) {
                    (Some((place, _)), None) if !word.is_empty() => Ok(Matched::Choice(place)),
                    (Some(_), Some(_)) if !word.is_empty() => Err(Some(Mistake::Ambiguous { word })),
                    _ => Err(None),
                }
            }
            Self::Number { least, most, .. } => {
                if word.is_empty() || !word.bytes().all(|octet| octet.is_ascii_digit()) {
                    return Err(None);
                }
                let number = word.parse().ok().filter(|number| (*least..=*most).contains(number));
                number.map(Matched::Number).ok_or(Some(Mistake::Range { word, least: *least, most: *most }))
            }
            Self::Filter => filter(word).map(|_| Matched::Text(word)).ok_or(None),
            Self::Path | Self::Value | Self::Word { .. } => Ok(Matched::Text(word)),
        }
    }
}

/// How a line can go on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'c> {
    /// The whole word; in angle brackets if it is not to be taken literally.
    pub(crate) word: &'c str,
    pub(crate) help: &'c str,
    /// What follows the word.
    pub(crate) end: &'static str,
}

/// Tells how `line`, up to the cursor, can go on. Answers how long the word is that is being typed.
pub(crate) fn candidates(line: &str, language: Language, tell: &mut dyn FnMut(Candidate<'_>)) -> usize {
    let words = Words::split(line);
    let typed = if words.is_open { words.len().saturating_sub(1) } else { words.len() };
    let word = if words.is_open { words.get(typed).unwrap_or_default() } else { "" };
    let mut tell = |candidate: Candidate<'_>| {
        if candidate.word.starts_with(word) || candidate.word.starts_with('<') {
            tell(candidate);
        }
    };
    if typed == 0 {
        if !line.trim_start().starts_with('#') {
            for verb in VERBS {
                tell(Candidate { word: verb.name, help: verb.help.pick(language), end: " " });
            }
        }
        return word.len();
    }
    let Some(Ok(verb)) = words.get(0).map(find_verb) else { return word.len() };
    let mut at = 0;
    let mut slots = [None; SLOTS];
    for before in (1..typed).filter_map(|place| words.get(place)) {
        match match_word(verb, at, before, &mut slots) {
            Ok(place) => at = place + 1,
            Err(_) => return word.len(),
        }
    }
    if verb.id == VerbId::Help {
        for verb in VERBS {
            tell(Candidate { word: verb.name, help: verb.help.pick(language), end: "" });
        }
        return word.len();
    }
    for slot in verb.slots.iter().skip(at) {
        match slot {
            Slot::Choice { .. } | Slot::Filter => {
                for choice in slot.choices() {
                    tell(Candidate { word: choice.name, help: choice.help.pick(language), end: " " });
                }
            }
            Slot::Path => path_candidates(word, &mut tell),
            Slot::Value => value_candidates(words.get(1).unwrap_or_default(), &mut tell),
            Slot::Number { name, help, .. } | Slot::Word { name, help, .. } => {
                let is_path =
                    verb.id == VerbId::Show && words.get(1).is_some_and(|topic| topic.starts_with("set"));
                if is_path {
                    path_candidates(word, &mut tell);
                } else {
                    tell(Candidate { word: name, help: help.pick(language), end: "" });
                }
            }
        }
        if !slot.is_optional() {
            break;
        }
    }
    word.len()
}

fn path_candidates(typed: &str, tell: &mut dyn FnMut(Candidate<'_>)) {
    let (branch, last) = typed.rsplit_once('.').unwrap_or(("", typed));
    for segment in next_segments(branch) {
        // A number is what was typed, if it was.
        let segment = if segment == "#" { last } else { segment };
        let mut path: String<PATH_MAX> = String::new();
        let parts = [branch, if branch.is_empty() { "" } else { "." }, segment];
        if parts.iter().any(|part| path.push_str(part).is_err()) {
            continue;
        }
        if segment.is_empty() {
            tell(Candidate { word: "<number>", help: "which entry, from 1 on", end: "" });
            continue;
        }
        match find(&path) {
            Ok(place) => tell(Candidate { word: &path, help: place.key.help, end: " " }),
            Err(PathError::Branch) => tell(Candidate { word: &path, help: "…", end: "." }),
            Err(_) => {}
        }
    }
}

fn value_candidates(path: &str, tell: &mut dyn FnMut(Candidate<'_>)) {
    let Ok(place) = find(path) else { return };
    let key: &Key = place.key;
    for value in key.values() {
        tell(Candidate {
            word: value,
            help: if key.unset == Unset::Value(value) { "(default)" } else { "" },
            end: "",
        });
    }
    tell(Candidate { word: "<value>", help: key.help, end: "" });
    tell(Candidate { word: "<example>", help: key.example, end: "" });
    let unset = match key.unset {
        Unset::Required => return,
        Unset::Value(text) | Unset::Means(text) => text,
    };
    tell(Candidate { word: "<default>", help: unset, end: "" });
}

/// The path that may have been meant.
pub(crate) fn nearest_path(path: &str) -> Option<&'static str> {
    crate::nearest::nearest(path, KEYS.iter().map(|key| key.path))
}

/// Longer paths lead nowhere.
const PATH_MAX: usize = 64;

const fn verb(
    id: VerbId,
    name: &'static str,
    usage: &'static str,
    help: Text,
    slots: &'static [Slot],
) -> Verb {
    Verb { id, name, usage, help, slots }
}

const fn choice(name: &'static str, help: Text) -> Choice {
    Choice { name, help }
}

const WAN: Slot = Slot::Number {
    name: "<wan>",
    least: 0,
    most: gatelet_router::MAX_WANS as u16 - 1,
    is_optional: true,
    help: Text("which WAN, from 0 on", "哪条 WAN,从 0 起"),
};
const HOST: Slot =
    Slot::Word { name: "<host>", is_optional: false, help: Text("a name or an address", "域名或地址") };

/// All commands, in the order in which `help` shows them.
pub(crate) static VERBS: &[Verb] = &[
    verb(
        VerbId::Show,
        "show",
        "show [TOPIC] [WHICH]",
        Text("what is going on", "查看状态"),
        &[
            Slot::Choice { choices: TOPICS, is_optional: true },
            Slot::Word {
                name: "<which>",
                is_optional: true,
                help: Text(
                    "a WAN's number, or the beginning of settings' paths",
                    "WAN 编号,或设置路径的开头",
                ),
            },
        ],
    ),
    verb(
        VerbId::Set,
        "set",
        "set PATH VALUE",
        Text("change a setting; `commit` puts it in force", "修改设置(commit 后生效)"),
        &[Slot::Path, Slot::Value],
    ),
    verb(VerbId::Unset, "unset", "unset PATH", Text("back to the default", "恢复默认值"), &[Slot::Path]),
    verb(
        VerbId::Commit,
        "commit",
        "commit [confirmed MINUTES]",
        Text("put what was set in force, and keep it", "使修改生效并保存"),
        &[
            Slot::Choice {
                choices: &[choice(
                    "confirmed",
                    Text("take it back unless confirmed by another commit", "若未再次 commit 确认则自动撤回"),
                )],
                is_optional: true,
            },
            Slot::Number {
                name: "<minutes>",
                least: 1,
                most: MINUTES_MOST,
                is_optional: true,
                help: Text("how long to wait for the confirmation", "等待确认的分钟数"),
            },
        ],
    ),
    verb(
        VerbId::Revert,
        "revert",
        "revert",
        Text("forget what was set since the last commit", "放弃未提交的修改"),
        &[],
    ),
    verb(VerbId::Diff, "diff", "diff", Text("what a commit would change", "查看未提交的修改"), &[]),
    verb(
        VerbId::Export,
        "export",
        "export [secrets]",
        Text("all settings as lines that can be pasted back", "以可粘贴的文本导出设置"),
        &[Slot::Choice {
            choices: &[choice("secrets", Text("passwords too", "包括密码"))],
            is_optional: true,
        }],
    ),
    verb(
        VerbId::Import,
        "import",
        "import",
        Text("take such lines, all or none of them", "导入这样的文本"),
        &[],
    ),
    verb(
        VerbId::Dial,
        "dial",
        "dial [force] [WAN]",
        Text("be on line", "拨号上线"),
        &[
            Slot::Choice {
                choices: &[choice(
                    "force",
                    Text("even in a hold, which may prolong the lock", "静默期内也拨号(可能延长锁定)"),
                )],
                is_optional: true,
            },
            WAN,
        ],
    ),
    verb(
        VerbId::HangUp,
        "hangup",
        "hangup [WAN]",
        Text("be off line until `dial`", "断开,直到再次拨号"),
        &[WAN],
    ),
    verb(
        VerbId::Probe,
        "probe",
        "probe",
        Text("check now whether the Internet is there", "立即检测互联网连接"),
        &[],
    ),
    verb(
        VerbId::Ping,
        "ping",
        "ping HOST [COUNT]",
        Text("does a host answer?", "测试主机是否应答"),
        &[
            HOST,
            Slot::Number {
                name: "<count>",
                least: 1,
                most: 1000,
                is_optional: true,
                help: Text("how often", "次数"),
            },
        ],
    ),
    verb(
        VerbId::Traceroute,
        "traceroute",
        "traceroute HOST",
        Text("which way packets go", "查看到主机的路径"),
        &[HOST],
    ),
    verb(
        VerbId::Resolve,
        "resolve",
        "resolve NAME",
        Text("the addresses of a name", "解析域名"),
        &[Slot::Word { name: "<name>", is_optional: false, help: Text("a name", "域名") }],
    ),
    verb(
        VerbId::Capture,
        "capture",
        "capture wan|lan [FILTER] [COUNT]",
        Text("record frames, as text that becomes a pcap file", "抓包(以文本输出 pcap)"),
        &[
            Slot::Choice {
                choices: &[
                    choice("wan", Text("the port to the modem", "连接光猫的端口")),
                    choice("lan", Text("the port to the home network", "局域网端口")),
                ],
                is_optional: false,
            },
            Slot::Filter,
            Slot::Number {
                name: "<count>",
                least: 1,
                most: 10_000,
                is_optional: true,
                help: Text("how many frames", "帧数"),
            },
        ],
    ),
    verb(
        VerbId::Log,
        "log",
        "log [LEVEL]",
        Text("show what happens as it happens; alone: no more", "实时显示日志;不带参数则停止"),
        &[Slot::Choice {
            choices: &[
                choice("error", Text("what is broken", "错误")),
                choice("warning", Text("and what to look at", "及警告")),
                choice("info", Text("and what happens", "及一般信息")),
                choice("debug", Text("and each step of it", "及每一步")),
            ],
            is_optional: true,
        }],
    ),
    verb(VerbId::Reboot, "reboot", "reboot", Text("start anew", "重启"), &[]),
    verb(
        VerbId::FactoryReset,
        "factory-reset",
        "factory-reset",
        Text("forget all settings", "恢复出厂设置"),
        &[],
    ),
    verb(
        VerbId::SetUp,
        "setup",
        "setup",
        Text("the questions of the first start", "首次启动的设置向导"),
        &[],
    ),
    verb(
        VerbId::Terminal,
        "terminal",
        "terminal COLUMNS ROWS",
        Text("the size of the terminal; 0 rows: no paging", "终端尺寸;0 行表示不分页"),
        &[
            Slot::Number {
                name: "<columns>",
                least: crate::input::COLUMNS_LEAST,
                most: crate::console::COLUMNS_MOST,
                is_optional: false,
                help: Text("columns", "列数"),
            },
            Slot::Number {
                name: "<rows>",
                least: 0,
                most: 500,
                is_optional: false,
                help: Text("rows", "行数"),
            },
        ],
    ),
    verb(
        VerbId::Help,
        "help",
        "help [COMMAND]",
        Text("what there is; ? helps anywhere in a line", "帮助;行内任意位置可按 ?"),
        &[Slot::Word { name: "<command>", is_optional: true, help: Text("a command", "命令") }],
    ),
    verb(VerbId::Exit, "exit", "exit", Text("end this connection, if it is one", "结束本次连接"), &[]),
];

static TOPICS: &[Choice] = &[
    choice("wan", Text("the line: state, why it waits, last failure", "线路:状态、等待原因、最近故障")),
    choice("lan", Text("the home network", "局域网")),
    choice("leases", Text("who has which address", "地址租约")),
    choice("flows", Text("connections through the router", "连接表")),
    choice("nat", Text("which port outside stands for whom inside", "端口映射")),
    choice("tunnel", Text("tunnels", "隧道")),
    choice("connectivity", Text("is the Internet there?", "互联网连通性")),
    choice("dns", Text("name servers and the cache", "域名服务")),
    choice("log", Text("what happened lately", "最近日志")),
    choice("counters", Text("packets, and why some were dropped", "计数器")),
    choice("memory", Text("how full tables and buffers are", "内存与表的使用")),
    choice("version", Text("this firmware", "固件版本")),
    choice("settings", Text("all settings, or those whose path begins so", "设置")),
];

static FILTERS: &[Choice] = &[
    choice("all", Text("every frame", "所有帧")),
    choice("dial", Text("PPPoE and PPP without the session's packets", "PPPoE/PPP 控制报文")),
    choice("arp", Text("ARP", "ARP")),
    choice("icmp", Text("ICMP and ICMPv6", "ICMP 与 ICMPv6")),
    choice("tcp", Text("TCP", "TCP")),
    choice("udp", Text("UDP", "UDP")),
    choice("sit", Text("6in4: tunnels of IPv6 in IPv4", "6in4 隧道")),
    choice("dhcp", Text("DHCP and DHCPv6", "DHCP 与 DHCPv6")),
    choice("dns", Text("DNS", "DNS")),
];

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::*;

    fn offered(line: &str) -> Vec<String> {
        let mut all = Vec::new();
        candidates(line, Language::English, &mut |candidate| all.push(candidate.word.to_string()));
        all
    }

    #[test]
    fn the_ids_are_in_the_order_of_the_table() {
        for (place, verb) in VERBS.iter().enumerate() {
            assert_eq!(verb.id as usize, place, "{}", verb.name);
            assert!(verb.usage.starts_with(verb.name), "{}", verb.name);
            assert!(verb.slots.len() <= SLOTS);
        }
    }

    #[test]
    fn what_can_follow() {
        assert_eq!(offered("ex"), ["export", "exit"]);
        assert_eq!(offered("show l"), ["lan", "leases", "log", "<which>"]);
        assert_eq!(offered("show lan l"), ["<which>"]);
        assert_eq!(offered("commit "), ["confirmed", "<minutes>"]);
        assert_eq!(offered("dial "), ["force", "<wan>"]);
        assert_eq!(offered("capture wan d"), ["dial", "dhcp", "dns", "<count>"]);
        assert_eq!(offered("set system.l"), ["system.language"]);
        assert_eq!(offered("set lan.d"), ["lan.domain", "lan.dhcp"]);
        assert_eq!(offered("set system.language c"), ["chinese", "<value>", "<example>", "<default>"]);
        assert_eq!(offered("nonsense "), Vec::<String>::new());
        assert_eq!(offered("ping a b c "), Vec::<String>::new());
    }
}
