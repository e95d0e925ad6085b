//! From settings to the radio of a board that has one.

use crate::{Settings, Value};

/// What the radio is told. Texts are those of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wifi<'s> {
    /// What it is.
    pub radio: Radio<'s>,
    /// Where the box is: a country's code (ISO 3166-1), in capitals.
    pub country: [u8; 2],
}

/// What the radio is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Radio<'s> {
    /// The home network's access point.
    AccessPoint {
        /// The network's name, 32 bytes at most.
        ssid: &'s str,
        /// Its password (WPA2); `None`: one that the board makes up.
        password: Option<&'s str>,
        /// Its channel, 1 to 13.
        channel: u8,
    },
    /// A station in somebody else's network, which is the line.
    Station {
        /// The network's name, 32 bytes at most.
        ssid: &'s str,
        /// Its password (WPA2); `None`: it is open.
        password: Option<&'s str>,
    },
}

impl core::fmt::Debug for Radio<'_> {
    /// Without the passwords.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::AccessPoint { ssid, channel, .. } => {
                write!(f, "access point {ssid:?} on channel {channel}")
            }
            Self::Station { ssid, .. } => write!(f, "station of {ssid:?}"),
        }
    }
}

impl Settings {
    /// The radio.
    pub fn wifi(&self) -> Wifi<'_> {
        let password = |path| Some(self.plain(path, 0)).filter(|password| !password.is_empty());
        let station = self.plain("wifi.station.ssid", 0);
        // Without a network to join, the check has refused to be a station.
        let radio = if self.choice("wifi.mode", 0) == "station" && !station.is_empty() {
            Radio::Station { ssid: station, password: password("wifi.station.password") }
        } else {
            let channel = self.number("wifi.channel", 0).and_then(|channel| channel.try_into().ok());
            Radio::AccessPoint {
                ssid: self.plain("wifi.ssid", 0),
                password: password("wifi.password"),
                channel: channel.unwrap_or(1),
            }
        };
        let country =
            if let Some(Value::Country(letters)) = self.at("wifi.country", 0) { letters } else { *b"CN" };
        Wifi { radio, country }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find;

    #[test]
    fn an_access_point_unless_there_is_a_network_to_join() {
        let mut settings = Settings::new();
        let point = Radio::AccessPoint { ssid: "Gatelet", password: None, channel: 6 };
        assert_eq!(settings.wifi(), Wifi { radio: point, country: *b"CN" });
        let mut set = |path, text| settings.set(find(path).unwrap(), text).unwrap();
        set("wifi.mode", "station");
        set("wifi.password", "not for the hotel");
        set("wifi.country", "de");
        set("wifi.station.ssid", "Hotel Guest");
        let station = Radio::Station { ssid: "Hotel Guest", password: None };
        assert_eq!(settings.wifi(), Wifi { radio: station, country: *b"DE" });
        assert!(!std::format!("{:?}", settings.wifi()).contains("not for the hotel"));
    }
}
