//! What the router asks others: sections 0x08 and 0x09.

use super::BOOT;
use crate::key::{Key, Unset};
use crate::kind::Kind;

const REGIONS: [&str; 4] = ["auto", "cn", "global", "custom"];

/// In the order in which they are shown.
pub(super) const KEYS: &[Key] = &[
    // The time of day.
    Key {
        id: 0x0801,
        path: "ntp.server.#",
        most: 4,
        kind: Kind::Name,
        unset: Unset::Means("nobody is asked, and the time of day stays unknown"),
        example: "ntp.aliyun.com",
        help: "Servers to ask for the time of day (SNTP).",
        ..BOOT
    },
    // Whether the Internet is really there.
    Key {
        id: 0x0901,
        path: "connectivity.region",
        kind: Kind::Choice(&REGIONS),
        unset: Unset::Value("auto"),
        example: "cn",
        help: "Which servers are asked: those of China (cn), those of elsewhere (global), what turns out to work (auto), or your own list (custom).",
        ..BOOT
    },
    Key {
        id: 0x0902,
        path: "connectivity.probe.#.url",
        most: 8,
        kind: Kind::Url,
        unset: Unset::Required,
        example: "http://connectivity.example/generate_204",
        help: "A page to ask for, if connectivity.region is custom.",
        ..BOOT
    },
    Key {
        id: 0x0903,
        path: "connectivity.probe.#.operator",
        most: 8,
        kind: Kind::Label,
        unset: Unset::Means("another one's than all others"),
        example: "example",
        help: "Whose it is: what one operator says counts once.",
        ..BOOT
    },
    Key {
        id: 0x0904,
        path: "connectivity.probe.#.body",
        most: 8,
        kind: Kind::Text { most: 64 },
        unset: Unset::Means("an empty page: status 204"),
        example: "success",
        help: "What the page must say.",
        ..BOOT
    },
];
