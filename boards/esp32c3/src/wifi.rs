//! The home on the air: an access point with WPA2, and a password that the board invents at its first boot.

use chacha20::ChaCha8Rng;
use embedded_storage_async::nor_flash::{NorFlash, ReadNorFlash};
use esp_hal::peripherals::WIFI;
use esp_radio::wifi::ap::AccessPointConfig;
use esp_radio::wifi::{
    self, AuthenticationMethod, Config, ControllerConfig, CountryInfo, Interface, WifiController,
};
use gatelet_board::random;
use heapless::String;

use crate::flash::Part;

/// What may be sent where (IEEE 802.11d); the regulator's code of the place the box is at.
const COUNTRY: [u8; 2] = *b"CN";
/// 1, 6 and 11 do not overlap.
const CHANNEL: u8 = 6;
/// The radio's own limit is 10.
const STATIONS: u16 = 8;

/// A password of 12 letters of 32: 60 bits.
pub(crate) type Password = String<12>;

/// Starts the access point. The controller stops it when it is dropped.
pub(crate) fn access_point(
    radio: WIFI<'static>,
    name: &str,
    password: &str,
) -> Result<(WifiController<'static>, Interface<'static>), wifi::WifiError> {
    let point = AccessPointConfig::default()
        .with_ssid(name)
        .with_auth_method(AuthenticationMethod::Wpa2Personal)
        .with_password(password.into())
        .with_channel(CHANNEL)
        .with_max_connections(STATIONS);
    let config = ControllerConfig::default()
        .with_country_info(CountryInfo::from(COUNTRY))
        // Beside 180 KB of ours: enough for 15 Mbit/s.
        .with_static_rx_buf_num(4)
        .with_dynamic_rx_buf_num(8)
        .with_dynamic_tx_buf_num(8)
        .with_rx_ba_win(4)
        .with_initial_config(Config::AccessPoint(point));
    let (controller, interfaces) = wifi::new(radio, config)?;
    Ok((controller, interfaces.access_point))
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
