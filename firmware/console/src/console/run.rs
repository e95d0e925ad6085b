//! What each command does.

use core::fmt;

use gatelet_router::{MAX_WANS, WanId};
use gatelet_settings::{CommitError, EditError, Editor as Settings, Effects, PathError, find};
use smoltcp::time::Instant;

use super::{Confirm, Console, Listing, Mode, Step, Wanted};
use crate::command::{Command, Topic};
use crate::grammar::nearest_path;
use crate::request::{Report, Text};
use crate::width::Printable;

impl Console {
    pub(super) fn run(&mut self, now: Instant, command: Command<'_>, settings: &mut Settings) {
        match command {
            Command::Show(topic, which) => self.show(topic, which),
            Command::Set { path, typed } => {
                if let Err(error) = settings.set(path, typed) {
                    self.tell_edit_error(path, &error);
                }
                self.follow_and_prompt(settings);
            }
            Command::Unset { path } => {
                match settings.unset(path) {
                    Ok(0) => self.say(format_args!(
                        "{path}: {}",
                        self.pick("the default holds already", "已是默认值")
                    )),
                    Ok(_) => {}
                    Err(error) => self.tell_edit_error(path, &error),
                }
                self.follow_and_prompt(settings);
            }
            Command::Commit { confirmed } => {
                let was_trial = settings.trial_until().is_some();
                let done = match confirmed {
                    None => settings.commit(),
                    Some(minutes) => settings.commit_confirmed(now, minutes),
                };
                self.tell_commit(done, confirmed, was_trial, settings);
            }
            Command::Revert => {
                settings.revert();
                self.follow_and_prompt(settings);
            }
            Command::Diff => self.list(Listing::Diff),
            Command::Export { secrets } => self.list(Listing::Export { secrets }),
            Command::Import => match settings.begin_import() {
                Ok(()) => {
                    let how = self.pick(
                        "Paste the lines; `end` or Ctrl-D ends, Ctrl-C gives up.",
                        "请粘贴设置文本;以 end 或 Ctrl-D 结束,Ctrl-C 放弃。",
                    );
                    self.output.put(format_args!("{how}\n"));
                    self.mode = Mode::Import;
                    self.draw();
                }
                Err(error) => self.say_and_prompt(format_args!("{error}")),
            },
            Command::Dial { wan, force } => self.want(Wanted::Dial { wan: WanId(wan), force }),
            Command::HangUp { wan } => self.want(Wanted::HangUp { wan: WanId(wan) }),
            Command::Probe => self.stream(Wanted::Probe, ""),
            Command::Ping { host, count } => self.stream(Wanted::Ping { count }, host),
            Command::Traceroute { host } => self.stream(Wanted::Traceroute, host),
            Command::Resolve { name } => self.stream(Wanted::Resolve, name),
            Command::Capture { port, filter, count } => {
                self.stream(Wanted::Capture { port, filter, count }, "");
                self.begin_capture();
            }
            Command::Log(level) => {
                self.live = level;
                self.prompt();
            }
            Command::Reboot => self.ask_to_confirm(Confirm::Reboot),
            Command::FactoryReset => self.ask_to_confirm(Confirm::FactoryReset),
            Command::SetUp if settings.is_changed() => {
                self.say_and_prompt(format_args!("{}", gatelet_settings::Uncommitted));
            }
            Command::SetUp => self.begin_set_up(),
            Command::Terminal { columns, rows } => {
                self.tells_size = false;
                self.set_size(columns, rows);
                self.prompt();
            }
            Command::Help(None) => self.list(Listing::Commands),
            Command::Help(Some(name)) => self.list_about(Listing::Command, name),
            Command::Exit => self.want(Wanted::Exit),
        }
    }

    fn show(&mut self, topic: Topic, which: Option<&str>) {
        let report = match topic {
            Topic::Wan => {
                let id = which.and_then(|which| which.parse().ok()).unwrap_or(0);
                if usize::from(id) >= MAX_WANS {
                    return self.say_and_prompt(format_args!("there is no WAN {id}"));
                }
                Report::Wan(WanId(id))
            }
            Topic::Lan => Report::Lan,
            Topic::Leases => Report::Leases,
            Topic::Flows => Report::Flows,
            Topic::Nat => Report::Nat,
            Topic::Tunnel => Report::Tunnel,
            Topic::Connectivity => Report::Connectivity,
            Topic::Dns => Report::Dns,
            Topic::Counters => Report::Counters,
            Topic::Memory => Report::Memory,
            Topic::Log => return self.list(Listing::Log),
            Topic::Version => return self.list(Listing::Version),
            Topic::Settings => return self.list_about(Listing::Settings, which.unwrap_or_default()),
        };
        self.list(Listing::Report(report));
    }

    /// Begins to print a text.
    pub(super) fn list(&mut self, what: Listing) {
        self.printed = 0;
        self.mode = Mode::Listing { what, at: 0, step: Step::Ready };
    }

    fn list_about(&mut self, what: Listing, subject: &str) {
        let Ok(subject) = subject.try_into() else {
            return self.say_and_prompt(format_args!("too long"));
        };
        self.subject = subject;
        self.list(what);
    }

    fn want(&mut self, wanted: Wanted) {
        self.request = Some(wanted);
        self.prompt();
    }

    fn stream(&mut self, wanted: Wanted, subject: &str) {
        let Ok(subject) = subject.try_into() else {
            return self.say_and_prompt(format_args!("too long"));
        };
        self.subject = subject;
        self.request = Some(wanted);
        self.mode = Mode::Stream { is_capture: matches!(wanted, Wanted::Capture { .. }) };
    }

    fn ask_to_confirm(&mut self, confirm: Confirm) {
        let question = match confirm {
            Confirm::Reboot => {
                self.pick("Start anew? The line goes down meanwhile.", "确定重启?期间线路会断开。")
            }
            Confirm::FactoryReset => self.pick(
                "Forget all settings, leases and the record of dials, and start anew?",
                "确定清除全部设置、租约与拨号记录并重启?",
            ),
        };
        self.output.put(format_args!("{question} (y/n) "));
        self.mode = Mode::Confirm(confirm);
    }

    fn tell_edit_error(&mut self, path: &str, error: &EditError) {
        let meant = match error {
            EditError::Path(PathError::Unknown) => nearest_path(path),
            _ => None,
        };
        match meant {
            Some(meant) => self.say(format_args!("{path}: {error}. Did you mean {meant}?")),
            None => self.say(format_args!("{path}: {error}")),
        }
        if let (EditError::Quote(_), Ok(place)) = (error, find(path)) {
            self.say(format_args!("for example {}", place.key.example));
        }
    }

    fn tell_commit(
        &mut self,
        done: Result<Effects, CommitError>,
        confirmed: Option<u8>,
        was_trial: bool,
        settings: &Settings,
    ) {
        match done {
            Err(CommitError::Conflict(_)) => {
                let why =
                    self.pick("Nothing is committed, because this does not go together:", "未提交,存在冲突:");
                self.output.put(format_args!("{why}\n"));
                return self.list(Listing::Conflicts);
            }
            Err(error) => self.say(format_args!("{error}")),
            Ok(effects) => {
                self.tell_effects(effects);
                if let Some(minutes) = confirmed {
                    let how = self.pick(
                        "min to confirm by another `commit`, or all is as before.",
                        "分钟内再次 commit 确认,否则自动恢复。",
                    );
                    self.say(format_args!("{minutes} {how}"));
                } else if was_trial {
                    self.say(format_args!("{}", self.pick("Confirmed.", "已确认。")));
                }
            }
        }
        self.follow_and_prompt(settings);
    }

    pub(super) fn tell_effects(&mut self, effects: Effects) {
        if effects.redial {
            self.say(format_args!(
                "{}",
                self.pick("In force. The line begins anew.", "已生效,线路将重新连接。")
            ));
        } else if effects.live {
            self.say(format_args!("{}", self.pick("In force.", "已生效。")));
        }
        if effects.restart {
            self.say(format_args!(
                "{}",
                self.pick("Some of it is felt after a reboot only.", "部分修改在重启后生效。")
            ));
        }
    }

    pub(super) fn import_line(&mut self, line: &str, settings: &mut Settings) {
        if line.trim() == "end" {
            return self.end_import(settings);
        }
        if let Err(error) = settings.import_line(line) {
            self.say(format_args!("{error}"));
        }
        self.draw();
    }

    pub(super) fn end_import(&mut self, settings: &mut Settings) {
        match settings.end_import() {
            Ok(()) => {
                let how = self.pick(
                    "Taken. `diff` shows it, `commit` puts it in force.",
                    "已导入。diff 查看,commit 生效。",
                );
                self.say(format_args!("{how}"));
            }
            Err(wrong) => {
                let how = self.pick("lines are wrong: nothing is taken.", "行有误:未导入任何内容。");
                self.say(format_args!("{wrong} {how}"));
            }
        }
        self.mode = Mode::Prompt;
        self.follow_and_prompt(settings);
    }

    pub(super) fn follow_and_prompt(&mut self, settings: &Settings) {
        self.follow(settings);
        self.prompt();
    }

    /// Prints a line, without what could steer the terminal.
    pub(super) fn say(&mut self, text: fmt::Arguments<'_>) {
        let mut line = Text::new();
        // What is too long is cut.
        let _ = fmt::Write::write_fmt(&mut Printable(&mut line), text);
        self.put_wrapped(&line);
    }

    fn say_and_prompt(&mut self, text: fmt::Arguments<'_>) {
        self.say(text);
        self.prompt();
    }
}
