//! The console at a terminal of this machine, with nothing behind it: `stty raw -echo; cargo run --example terminal; stty sane`.

use std::io::{self, Read, Write};
use std::time::Instant as Started;

use gatelet_console::{Answer, Console, Request};
use gatelet_settings::{Editor, Settings};
use smoltcp::time::{Duration, Instant};

fn main() -> io::Result<()> {
    let started = Started::now();
    let now = || Instant::ZERO + Duration::from_micros(started.elapsed().as_micros() as u64);
    let mut settings = Editor::new(Settings::new());
    let mut console = Console::new(now(), "(on a desk)");
    console.start(&settings, true);
    let mut typed = [0; 64];
    loop {
        console.advance(now(), &mut settings);
        let output = console.output();
        if !output.is_empty() {
            let len = output.len();
            io::stdout().write_all(output)?;
            io::stdout().flush()?;
            console.sent(len);
            continue;
        }
        match console.poll_request(now()) {
            Some(Request::Line { at, .. }) if at < 60 => {
                let text = format!("row {at}: there is nothing behind this console");
                console.handle_answer(&Answer::Line { text: &text, next: at + 1 });
            }
            Some(Request::Exit | Request::Reboot | Request::FactoryReset) => return Ok(()),
            Some(_) => console.handle_answer(&Answer::Done),
            None => {
                let len = io::stdin().read(&mut typed)?;
                if len == 0 {
                    return Ok(());
                }
                typed.iter().take(len).for_each(|octet| console.handle_byte(*octet));
            }
        }
    }
}
