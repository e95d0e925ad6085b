//! Settings: whatever is typed, pasted or found in flash.

use embassy_futures::block_on;
use gatelet_hal::PortId;
use gatelet_runtime::settings::{FlashSettings, SettingsStore, load_settings};
use gatelet_settings::{CommitError, Editor, Event, KEYS, Place, Record, Settings, Wan};
use smoltcp::time::{Duration, Instant};

use crate::flash::Nor;
use crate::input::Input;

const PORT: PortId = PortId(0);

/// Records as any firmware may have left them, then lines, commits, trials, and time.
pub fn text(input: &[u8]) {
    let mut input = Input::new(input);
    let mut editor = Editor::new(restored(&mut input));
    let mut now = Instant::ZERO;
    let mut is_pasting = false;
    check(&editor);
    while let Some(operation) = input.operation() {
        let before = editor.running().clone();
        let mut may_change = false;
        match operation & 15 {
            0..=4 => type_line(&mut editor, &mut input),
            5..=7 => set_something(&mut editor, &mut input),
            8 if is_pasting => {
                is_pasting = false;
                if editor.end_import().is_err() {
                    assert!(!editor.is_changed(), "a wrong import leaves something");
                }
            }
            8 => is_pasting = editor.begin_import().is_ok(),
            9 => {
                editor.revert();
                is_pasting = false;
            }
            10 | 11 => {
                may_change = true;
                let is_good = conflicts(editor.working()) == 0;
                assert_eq!(editor.commit().is_ok(), is_good);
                assert_eq!(editor.poll_store().is_some(), is_good);
                assert!(!is_good || !editor.is_changed() && editor.trial_until().is_none());
            }
            12 | 13 => {
                may_change = true;
                let minutes = input.u8();
                let is_free = editor.trial_until().is_none();
                let is_good = conflicts(editor.working()) == 0 && (1..=60).contains(&minutes);
                let done = editor.commit_confirmed(now, minutes);
                assert_eq!(done.is_ok(), is_good && is_free);
                assert!(is_free || matches!(done, Err(CommitError::OnTrial | CommitError::Minutes)));
            }
            14 => editor.reset_to_factory(),
            _ => {
                now += input.duration();
                let is_over = editor.poll_at().is_some_and(|at| at <= now);
                may_change = is_over;
                editor.handle_timeout(now);
                assert_eq!(editor.poll_event(), is_over.then_some(Event::RolledBack));
            }
        }
        if !may_change {
            assert!(*editor.running() == before, "changed without a commit");
            assert!(editor.poll_apply().is_none() && editor.poll_store().is_none());
        }
        while editor.poll_apply().is_some() {}
        check(&editor);
    }
    if let Some(at) = editor.poll_at() {
        assert!(at <= now + Duration::from_secs(3600));
        editor.handle_timeout(at);
        assert_eq!(editor.poll_at(), None, "a trial without end");
        check(&editor);
    }
}

/// What a boot makes of the first records.
fn restored(input: &mut Input<'_>) -> Settings {
    let mut settings = Settings::new();
    for _ in 0..input.u8() & 15 {
        let which = input.u8();
        let (id, number) = match KEYS.get(usize::from(which)) {
            Some(key) => (key.id, input.u8() % (key.most + 2)),
            None => (input.u16(), input.u8()),
        };
        let Ok(text) = core::str::from_utf8(input.octets()) else { continue };
        let before = settings.clone();
        let known = Place::of_id(id, number);
        if settings.restore(Record { id, number, text }).is_err() && known.is_some() {
            assert!(settings == before, "a wrong value is taken");
        }
    }
    settings.mend(&mut |complaint| assert!(!complaint.to_string().is_empty()));
    assert_eq!(conflicts(&settings), 0, "mended, and still in conflict");
    settings
}

/// As it is pasted: any line. Typed lines differ in nothing but that their errors are not counted.
fn type_line(editor: &mut Editor, input: &mut Input<'_>) {
    let before = editor.working().clone();
    let line = String::from_utf8_lossy(input.octets());
    if let Err(error) = editor.import_line(&line) {
        assert!(*editor.working() == before, "{error}");
    }
}

/// A key that there is, with its example or any text.
fn set_something(editor: &mut Editor, input: &mut Input<'_>) {
    let key = &KEYS[usize::from(input.u8()) % KEYS.len()];
    let place = Place { key, number: if key.most == 0 { 0 } else { input.u8() % key.most + 1 } };
    let typed = String::from_utf8_lossy(input.octets());
    let typed = if typed.is_empty() { key.example.into() } else { typed };
    let before = editor.working().clone();
    match editor.set(&place.to_string(), &typed) {
        Ok(set) => {
            assert_eq!(set, place);
            let text = editor.working().text(place).expect("it is set");
            let value = key.parse(text).expect("what is kept can be read");
            assert_eq!(value.to_string(), text, "and has one form");
        }
        Err(error) => {
            assert!(*editor.working() == before);
            assert!(!error.to_string().is_empty());
        }
    }
}

fn conflicts(settings: &Settings) -> usize {
    let mut count = 0;
    settings.conflicts(&mut |_| count += 1);
    count
}

fn check(editor: &Editor) {
    assert_eq!(editor.diff().next().is_none(), editor.is_changed() == unknown_only(editor));
    let running = editor.running();
    assert_eq!(conflicts(running), 0, "what is in force goes together");
    // What the router is told, it can work with.
    if let Some(dhcp) = running.lan(PORT).dhcp {
        assert_eq!(dhcp.check(), Ok(()));
    }
    assert!(running.forwards().all(|forward| forward.is_valid()));
    let (_, _, _) = (running.rules().count(), running.dns(), running.probes().len());
    if let Wan::Ethernet(config) = running.wan(PORT) {
        assert_eq!(config.port, PORT);
    }
    assert!(editor.working().records().is_sorted_by_key(|record| (record.id, record.number)));

    let mut other = Editor::default();
    for line in running.export(true) {
        other.import_line(&line.to_string()).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
    let known = running.records().filter(|record| record.place().is_some());
    assert!(other.working().records().eq(known), "an export pasted back is another");
}

/// Whether all that differs, if anything does, is of another firmware.
fn unknown_only(editor: &Editor) -> bool {
    let known = |settings: &Settings| -> Vec<(u16, u8, String)> {
        let records = settings.records().filter(|record| record.place().is_some());
        records.map(|record| (record.id, record.number, record.text.to_owned())).collect()
    };
    editor.is_changed() && known(editor.running()) == known(editor.working())
}

const PAGE: usize = 256;

/// Any content of the flash, then any sequence of commits, power cuts, reboots and rotten bits. What was committed is loaded;
/// after a power cut, that or what was there before.
pub fn flash(input: &[u8]) {
    let mut input = Input::new(input);
    let pages = 4 + usize::from(input.u8() & 7);
    let mut nor = Nor::<PAGE> { bytes: vec![0xFF; pages * PAGE], operations_left: usize::MAX };
    nor.spoil(&mut input);
    while let Some(operation) = input.operation() {
        let possible = match operation & 7 {
            0..=3 => commit(&mut nor, &mut input, usize::MAX),
            4..=6 => {
                let operations = usize::from(input.u16()) % 400;
                commit(&mut nor, &mut input, operations)
            }
            _ => {
                nor.spoil(&mut input);
                // Whatever it is, it is found without a panic, and twice the same.
                vec![load(&mut nor)]
            }
        };
        let found = load(&mut nor);
        assert!(possible.contains(&found), "found {found:?}, not one of {possible:?}");
    }
}

/// Boots, and commits something. The power fails within the operation of that number. Answers what the flash may hold then.
fn commit(nor: &mut Nor<PAGE>, input: &mut Input<'_>, operations: usize) -> Vec<Settings> {
    let before = load(nor);
    let mut settings = Settings::new();
    for n in 0..input.u8() & 7 {
        let text = String::from_utf8_lossy(input.octets());
        // Keys of another firmware, so that any text may stand in them.
        let _ = settings.restore(Record { id: 0x8000 + u16::from(n), number: n, text: &text });
    }
    nor.operations_left = operations;
    let stored = block_on(open(nor).store(&settings));
    let is_cut = nor.operations_left == 0;
    nor.operations_left = usize::MAX;
    // What does not fit is refused, and nothing is lost by it.
    match stored {
        Ok(()) => vec![settings],
        Err(_) if is_cut => vec![before, settings],
        Err(_) => vec![before],
    }
}

fn open(nor: &mut Nor<PAGE>) -> FlashSettings<&mut Nor<PAGE>> {
    let length = nor.bytes.len() as u32;
    FlashSettings::new(nor, 0..length).expect("whole pages, four at least")
}

fn load(nor: &mut Nor<PAGE>) -> Settings {
    let before = nor.bytes.clone();
    let settings = block_on(load_settings(&mut open(nor), &mut |_| {}));
    assert!(nor.bytes == before, "looking writes");
    settings
}
