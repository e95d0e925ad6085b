//! The questions of the first start: carrier, user name, password. Then the dial is watched.

use gatelet_proto::redial::{Language, Preset};
use gatelet_settings::{Editor as Settings, Quoted};

use crate::console::{Console, Mode};
use crate::nearest::nearest;
use crate::request::Text;

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    Carrier,
    User,
    Password,
}

impl Question {
    /// What stands before the answer.
    pub(crate) const fn prompt(self, language: Language) -> &'static str {
        match (self, language) {
            (Self::Carrier, Language::English) => "Carrier (1-6): ",
            (Self::Carrier, Language::Chinese) => "运营商 (1-6): ",
            (Self::User, Language::English) => "User name: ",
            (Self::User, Language::Chinese) => "账号: ",
            (Self::Password, Language::English) => "Password: ",
            (Self::Password, Language::Chinese) => "密码: ",
        }
    }

    /// Whether the answer is not to be seen.
    pub(crate) const fn is_hidden(self) -> bool {
        matches!(self, Self::Password)
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Carrier => "wan.carrier",
            Self::User => "wan.user",
            Self::Password => "wan.password",
        }
    }
}

/// What each preset is called, in the order of [`Preset::ALL`].
const CARRIERS: [&str; Preset::ALL.len()] = [
    "China Unicom   中国联通",
    "China Telecom  中国电信",
    "China Mobile   中国移动",
    "Bell Canada",
    "another one    其他",
    "own figures    自定义",
];

impl Console {
    /// Greets and asks the first question.
    pub(crate) fn begin_set_up(&mut self) {
        let greeting = self.pick(
            "Welcome. Three questions, and the line is dialed. Ctrl-C: not now; `setup` asks again.",
            "欢迎。回答三个问题后即开始拨号;Ctrl-C 跳过,以后可输入 setup。",
        );
        self.put(format_args!("\n"));
        self.put_wrapped(greeting);
        if self.language() == Language::English {
            self.put_wrapped("(中文:按 Ctrl-C,再输入 set system.language chinese、commit、setup)");
        }
        self.put(format_args!("\n"));
        for (number, (preset, name)) in (1..).zip(Preset::ALL.iter().zip(CARRIERS)) {
            self.put(format_args!("  {number}  {:<8} {name}\n", preset.name()));
        }
        self.ask(Question::Carrier);
    }

    /// Asks a question.
    pub(crate) fn ask(&mut self, question: Question) {
        self.enter_mode(Mode::SetUp(question));
        self.put(format_args!("{}", question.prompt(self.language())));
    }

    /// Takes an answer.
    pub(crate) fn answer_question(&mut self, question: Question, answer: &str, settings: &mut Settings) {
        let answer = match question {
            Question::Carrier => match preset(answer.trim()) {
                Some(preset) => preset.name(),
                None => return self.ask(question),
            },
            Question::User => answer.trim(),
            Question::Password => answer,
        };
        if answer.is_empty() {
            // Nobody is on line without a name; a password may be empty, but hardly is.
            return self.ask(question);
        }
        let mut typed = Text::new();
        // The line was shorter than a quoted value may be: if not, the settings refuse what is left of it.
        let _ = core::fmt::Write::write_fmt(&mut typed, format_args!("{}", Quoted(answer)));
        if let Err(error) = settings.set(question.path(), &typed) {
            self.put(format_args!("{error}\n"));
            return self.ask(question);
        }
        match question {
            Question::Carrier => self.ask(Question::User),
            Question::User => self.ask(Question::Password),
            Question::Password => self.finish_set_up(settings),
        }
    }

    fn finish_set_up(&mut self, settings: &mut Settings) {
        if let Err(error) = settings.commit() {
            self.put(format_args!("{error}\n"));
            return self.leave_set_up();
        }
        let next = self.pick(
            "Saved. The dial, step by step (Enter returns to the prompt):",
            "已保存。以下是拨号过程(回车返回命令行):",
        );
        self.put(format_args!("{next}\n"));
        self.enter_mode(Mode::Live);
    }
}

/// The preset that was typed: by its number, its name or nearly so. Nothing is any carrier.
fn preset(answer: &str) -> Option<Preset> {
    if answer.is_empty() {
        return Some(Preset::Generic);
    }
    let by_number = answer.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let name = nearest(answer, Preset::ALL.iter().map(|preset| preset.name()));
    by_number.and_then(|place| Preset::ALL.get(place)).copied().or_else(|| Preset::from_name(name?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carriers_by_number_and_name() {
        assert_eq!(preset("1"), Some(Preset::Unicom));
        assert_eq!(preset("6"), Some(Preset::Custom));
        assert_eq!(preset("7"), None);
        assert_eq!(preset("0"), None);
        assert_eq!(preset("telecom"), Some(Preset::Telecom));
        assert_eq!(preset("telcom"), Some(Preset::Telecom));
        assert_eq!(preset(""), Some(Preset::Generic));
        assert_eq!(preset("nobody"), None);
    }
}
