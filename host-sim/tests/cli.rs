//! The program as a user meets it: exit status, JSON, captures, errors.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn gatelet_sim(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gatelet-sim")).args(args).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A scenario file in the system's folder for such, removed when dropped.
struct TemporaryFile(std::path::PathBuf);

impl TemporaryFile {
    fn new(name: &str, content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gatelet-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn json_is_exactly_one_object_with_what_is_promised() {
    let output = gatelet_sim(&["run", "unicom", "--json", "--seed", "5"]);
    assert!(output.status.success(), "{}", text(&output.stdout));
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!(
        (&value["scenario"], &value["seed"], &value["passed"]),
        (&"unicom".into(), &5.into(), &true.into())
    );
    assert!(
        value["checks"]
            .as_array()
            .unwrap()
            .iter()
            .all(|check| check["name"].is_string() && check["passed"] == true && check["detail"].is_string())
    );
    assert!(value["virtual_seconds"].as_f64().unwrap() > 1000.0);
    assert!(value["wall_seconds"].is_number() && value["counters"]["padi-sent"].is_u64());
}

#[test]
fn without_arguments_it_shows_unicom_without_colours_in_a_pipe() {
    let output = gatelet_sim(&[]);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}");
    for promised in ["UP: ", "HOLD: ", "locks the client out", "ping 192.0.2.80: answered", "PASSED"] {
        assert!(shown.contains(promised), "{promised} is missing:\n{shown}");
    }
    assert!(!shown.contains('\u{1b}'), "escape sequences in a pipe");
}

#[test]
fn a_scenario_that_does_not_hold_fails() {
    let file = TemporaryFile::new(
        "fails.toml",
        "# nobody there\ntitle = 'x'\nlasts = '10s'\n[concentrator]\nsilent = true\n\
         [[expect]]\nname = 'up'\nevent = 'up'\n",
    );
    let output = gatelet_sim(&["run", file.path()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("FAILED 1 of"), "{}", text(&output.stdout));
}

#[test]
fn mistakes_are_explained() {
    let output = gatelet_sim(&["run", "unicmo"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("\"unicom\""), "{}", text(&output.stderr));

    let file =
        TemporaryFile::new("typo.toml", "title = 'x'\nlasts = '10s'\n[[fault]]\ndo = 'cutt'\nat = '1s'\n");
    let output = gatelet_sim(&["run", file.path()]);
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    assert!(error.contains("line 4") && error.contains("unknown variant `cutt`"), "{error}");

    let file = TemporaryFile::new(
        "tag.toml",
        "title = 'x'\nlasts = '10s'\n[[expect]]\nname = 'n'\nevent = 'pnig'\n",
    );
    let output = gatelet_sim(&["run", file.path()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("did you mean \"ping\""), "{}", text(&output.stderr));

    let output = gatelet_sim(&["run", "no/such/file.toml"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_capture_holds_what_passed_the_port() {
    let file = TemporaryFile::new("capture.pcap", "");
    let output = gatelet_sim(&["run", "fault-free", "--json", "--pcap", file.path()]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
    let (frames, bytes) =
        (value["counters"]["frames"].as_u64().unwrap(), value["counters"]["bytes"].as_u64().unwrap());
    assert_eq!(std::fs::metadata(&file.0).unwrap().len(), 24 + 16 * frames + bytes);
}

#[test]
fn help_and_version_and_list() {
    assert!(text(&gatelet_sim(&["--version"]).stdout).starts_with("gatelet-sim "));
    let help = text(&gatelet_sim(&["--help"]).stdout);
    for command in ["list", "run", "year", "linux"] {
        assert!(help.contains(command), "{help}");
    }
    let names = text(&gatelet_sim(&["list", "--names"]).stdout);
    assert!(names.lines().count() >= 20 && names.lines().any(|name| name == "unicom"));
}

/// The console of a simulated router at a socket; ends with the test.
struct SimulatedRouter {
    program: Child,
    path: PathBuf,
}

impl SimulatedRouter {
    fn start(args: &[&str]) -> Self {
        let path = std::env::temp_dir().join(format!("gatelet-{}-console", std::process::id()));
        let program = Command::new(env!("CARGO_BIN_EXE_gatelet-sim"))
            .args(["console", "--socket", path.to_str().unwrap()])
            .args(args)
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        Self { program, path }
    }

    fn connect(&self) -> UnixStream {
        let begun = Instant::now();
        loop {
            match UnixStream::connect(&self.path) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    return stream;
                }
                Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for SimulatedRouter {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
        let _ = std::fs::remove_file(&self.path);
    }
}

/// For what takes milliseconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Types, and reads until `wanted` is there.
fn type_until(mut stream: &UnixStream, typed: &str, wanted: &str) {
    stream.write_all(typed.as_bytes()).unwrap();
    let (mut seen, mut octets) = (String::new(), [0; 1024]);
    while !seen.contains(wanted) {
        let len = stream.read(&mut octets).unwrap_or(0);
        assert!(len > 0, "no {wanted:?} in {seen:?}");
        seen.push_str(&text(&octets[..len]));
    }
}

#[test]
fn a_script_types_at_the_console_of_a_simulated_router() {
    let router = SimulatedRouter::start(&["unicom", "--speed", "20"]);
    let stream = router.connect();
    type_until(&stream, "set system.host-name attic\rcommit\r", "Saved.");
    type_until(&stream, "ping 192.0.2.80 1\r", "1 of 1 answered");
    // A reboot is one: the connection stays, as a serial line does.
    type_until(&stream, "reboot\ry", "Gatelet ");
    type_until(&stream, "show settings\r", "attic");
    type_until(&stream, "factory-reset\ry", "Three questions");
    drop(stream);
    type_until(&router.connect(), "", "Three questions");
}
