//! In a real terminal: tmux types, resizes, and tells what is on the screen.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long the screen may take to be as it should be: a machine under load is no failure.
const PATIENCE: Duration = Duration::from_secs(30);

struct Tmux {
    socket: PathBuf,
}

impl Tmux {
    fn new() -> Self {
        let socket = std::env::temp_dir().join(format!("gatelet-console-{}", std::process::id()));
        let tmux = Self { socket };
        let example = example();
        assert!(example.exists(), "{}: cargo test builds it", example.display());
        let command = format!("stty raw -echo; exec '{}'", example.display());
        tmux.run(&["new-session", "-d", "-x", "80", "-y", "24", &command]);
        tmux
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux")
            .env("LC_ALL", "C.UTF-8")
            .args(["-u", "-f", "/dev/null", "-S"])
            .arg(&self.socket)
            .args(arguments)
            .output()
            .expect("tmux is needed: `cargo xtask setup` installs it, or `apt-get install tmux`");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn press(&self, keys: &[&str]) {
        self.run(&[&["send-keys"], keys].concat());
    }

    /// Waits until the last row that is not empty is this.
    fn ends_with(&self, row: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.run(&["capture-pane", "-p"]);
            if screen.trim_end().lines().next_back().map(str::trim_end) == Some(row) {
                return;
            }
            assert!(Instant::now() < deadline, "no {row:?} at the end of\n{screen}");
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(&self.socket).arg("kill-server").output();
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn example() -> PathBuf {
    // target/debug/deps/tmux-…: examples are beside deps.
    let own = std::env::current_exe().unwrap();
    let folder = own.ancestors().nth(2).unwrap_or(Path::new("."));
    folder.join("examples/terminal")
}

#[test]
fn typed_completed_resized() {
    let tmux = Tmux::new();
    tmux.ends_with("Carrier (1-6):");
    tmux.press(&["C-c"]);
    tmux.ends_with("gatelet>");
    tmux.press(&["sh", "Tab", "ver", "Tab"]);
    tmux.ends_with("gatelet> show version");
    tmux.press(&["C-u", "set wan.user 光猫x", "Left", "Left", "BSpace"]);
    tmux.ends_with("gatelet> set wan.user 猫x");
    tmux.press(&["End", "C-u", "show flows", "Enter"]);
    tmux.ends_with("-- more -- (space: page, Enter: line, q: end)");
    tmux.press(&["q"]);
    tmux.ends_with("gatelet>");
    // A smaller window is known from the next command on.
    tmux.run(&["resize-window", "-x", "40", "-y", "12"]);
    tmux.press(&["Enter", "set wan.user abcdefghijklmnopqrstuvwxyz", "Home"]);
    tmux.ends_with("gatelet> set wan.user abcdefghijklmnop>");
    tmux.press(&["End"]);
    tmux.ends_with("gatelet> <hijklmnopqrstuvwxyz");
    tmux.press(&["C-u", "Up"]);
    tmux.ends_with("gatelet> show flows");
    tmux.press(&["End", "C-u", "exit", "Enter"]);
}
