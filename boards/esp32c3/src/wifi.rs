//! The radio, as the settings have it when it starts: the home's access point with WPA2, whose password the board invents at its
//! first boot unless there is one in the settings; or a station in somebody else's network, which is the line (a hotel's).

use chacha20::ChaCha8Rng;
use embassy_time::{Duration, Timer};
use embedded_storage_async::nor_flash::{NorFlash, ReadNorFlash};
use esp_hal::peripherals::WIFI;
use esp_radio::wifi::ap::AccessPointConfig;
use esp_radio::wifi::sta::StationConfig;
use esp_radio::wifi::{
    self, AuthenticationMethod, Config, ControllerConfig, CountryInfo, Interface, WifiController,
};
use gatelet_board::random;
use gatelet_settings::{Radio, Wifi};
use heapless::String;

use crate::flash::Part;

/// The radio's own limit is 10.
const STATIONS: u16 = 8;

/// A password of 12 letters of 32: 60 bits.
pub(crate) type Password = String<12>;

/// Between two attempts to join a network: a person who has typed the password wrongly wants to know soon, and an access point has
/// to be left in peace.
const RETRY: Duration = Duration::from_secs(5);

/// Starts the radio; what it is called, and where it is, `settings` say. `invented` is the access point's password if there is
/// none in them. The controller stops the radio when it is dropped.
pub(crate) fn start(
    radio: WIFI<'static>,
    settings: &Wifi<'_>,
    invented: &str,
) -> Result<(WifiController<'static>, Interface<'static>), wifi::WifiError> {
    let first = match settings.radio {
        Radio::AccessPoint { ssid, password, channel } => Config::AccessPoint(
            AccessPointConfig::default()
                .with_ssid(ssid)
                .with_auth_method(AuthenticationMethod::Wpa2Personal)
                .with_password(password.unwrap_or(invented).into())
                .with_channel(channel)
                .with_max_connections(STATIONS),
        ),
        Radio::Station { ssid, password } => {
            let station = StationConfig::default().with_ssid(ssid);
            Config::Station(match password {
                // The weakest that is consented to.
                Some(password) => station
                    .with_auth_method(AuthenticationMethod::Wpa2Personal)
                    .with_password(password.into()),
                None => station.with_auth_method(AuthenticationMethod::None),
            })
        }
    };
    let config = ControllerConfig::default()
        .with_country_info(CountryInfo::from(settings.country))
        // Beside 180 KB of ours: enough for 15 Mbit/s.
        .with_static_rx_buf_num(4)
        .with_dynamic_rx_buf_num(8)
        .with_dynamic_tx_buf_num(8)
        .with_rx_ba_win(4)
        .with_initial_config(first);
    let (controller, interfaces) = wifi::new(radio, config)?;
    let interface = match settings.radio {
        Radio::AccessPoint { .. } => interfaces.access_point,
        Radio::Station { .. } => interfaces.station,
    };
    Ok((controller, interface))
}

/// Keeps a station in its network, for ever: joins it, and again whenever it was lost. The line goes up and down with it.
pub(crate) async fn stay(controller: &mut WifiController<'_>) -> ! {
    loop {
        if controller.connect_async().await.is_ok() {
            // Not connected any more: so be it.
            let _ = controller.wait_for_disconnect_async().await;
        }
        Timer::after(RETRY).await;
    }
}

/// The password in flash; a new one, written there, at the first boot, or if what is there is none.
pub(crate) async fn password(flash: &mut Part, rng: &mut ChaCha8Rng) -> Password {
    let mut record = [0; RECORD_LEN];
    if flash.read(0, &mut record).await.is_ok()
        && let Some(text) = record.strip_prefix(&MAGIC)
        && text.iter().all(|letter| LETTERS.contains(letter))
    {
        return text.iter().map(|letter| char::from(*letter)).collect();
    }
    let letters = random::<PASSWORD_LEN>(rng).map(|byte| LETTERS[usize::from(byte % 32)]);
    record[..MAGIC.len()].copy_from_slice(&MAGIC);
    record[MAGIC.len()..].copy_from_slice(&letters);
    // If it cannot be kept, there is another one after the next boot: the console says which.
    if flash.erase(0, Part::ERASE_SIZE as u32).await.is_ok() {
        let _ = flash.write(0, &record).await;
    }
    letters.iter().map(|letter| char::from(*letter)).collect()
}

/// Without those that look like others.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const PASSWORD_LEN: usize = 12;
const MAGIC: [u8; 4] = *b"WPA2";
const RECORD_LEN: usize = MAGIC.len() + PASSWORD_LEN;
