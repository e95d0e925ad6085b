//! All commands, their words and what is said about them.

use super::{Choice, Slot, Text, Verb, VerbId};
use crate::command::MINUTES_MOST;

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

pub(super) static FILTERS: &[Choice] = &[
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
