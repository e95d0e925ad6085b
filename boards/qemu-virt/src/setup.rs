//! What must be known before the line can be dialed, asked on the console.

use embedded_io_async::{Read, Write};
use gatelet_proto::ppp::Credentials;
use heapless::String;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

use crate::uart::Uart;

/// Everything the router is told.
pub(crate) struct Settings {
    pub(crate) credentials: Credentials,
    pub(crate) lan: Ipv4Cidr,
}

/// Asks until the answers can be used.
pub(crate) async fn ask(uart: &mut Uart) -> Settings {
    say(uart, "\r\nGatelet on QEMU's virt machine\r\n").await;
    let credentials = loop {
        let user = answer(uart, "User name: ", true).await;
        let password = answer(uart, "Password: ", false).await;
        match Credentials::new(&user, &password) {
            Some(credentials) => break credentials,
            None => say(uart, "They have at most 128 bytes each.\r\n").await,
        }
    };
    Settings { credentials, lan: Ipv4Cidr::new(Ipv4Address::new(192, 168, 1, 1), 24) }
}

/// A line, as far as it fits.
async fn answer(uart: &mut Uart, question: &str, echo: bool) -> String<128> {
    say(uart, question).await;
    let mut text = String::new();
    loop {
        let mut byte = [0];
        let Ok(1) = uart.read(&mut byte).await else { continue };
        match char::from(byte[0]) {
            '\r' | '\n' => break,
            '\u{8}' | '\u{7F}' => drop(text.pop()),
            letter if letter.is_ascii_graphic() => {
                let _ = text.push(letter);
                if echo {
                    let _ = uart.write_all(&byte).await;
                }
            }
            _ => {}
        }
    }
    say(uart, "\r\n").await;
    text
}

async fn say(uart: &mut Uart, text: &str) {
    let _ = uart.write_all(text.as_bytes()).await;
}
