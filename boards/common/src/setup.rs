//! What must be known before the line can be dialed, asked on the console.

use embedded_io_async::{Read, Write};
use gatelet_proto::ppp::Credentials;
use heapless::String;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

/// Everything the router is told.
pub struct Settings {
    /// User name and password of the line.
    pub credentials: Credentials,
    /// The router's address at home.
    pub lan: Ipv4Cidr,
}

/// Asks until the answers can be used.
pub async fn ask(console: &mut (impl Read + Write), board: &str) -> Settings {
    say(console, "\r\nGatelet on ").await;
    say(console, board).await;
    say(console, "\r\n").await;
    let credentials = loop {
        let user = answer(console, "User name: ", true).await;
        let password = answer(console, "Password: ", false).await;
        match Credentials::new(&user, &password) {
            Some(credentials) => break credentials,
            None => say(console, "They have at most 128 bytes each.\r\n").await,
        }
    };
    Settings { credentials, lan: Ipv4Cidr::new(Ipv4Address::new(192, 168, 1, 1), 24) }
}

/// A line, as far as it fits.
async fn answer(console: &mut (impl Read + Write), question: &str, echo: bool) -> String<128> {
    say(console, question).await;
    let mut text = String::new();
    loop {
        let mut byte = [0];
        let Ok(1) = console.read(&mut byte).await else { continue };
        match char::from(byte[0]) {
            '\r' | '\n' => break,
            '\u{8}' | '\u{7F}' => drop(text.pop()),
            letter if letter.is_ascii_graphic() => {
                let _ = text.push(letter);
                if echo {
                    let _ = console.write_all(&byte).await;
                }
            }
            _ => {}
        }
    }
    say(console, "\r\n").await;
    text
}

async fn say(console: &mut impl Write, text: &str) {
    let _ = console.write_all(text.as_bytes()).await;
}
