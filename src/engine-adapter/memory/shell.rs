//! A tiny set of commands, so that a test says what runs in the same words on every engine.
//!
//! Known are `true`, `false`, `:`, `echo`, `sleep N[smhd]|infinity`, `exit [N]`, `cat [FILE…]`,
//! `seq N`, `pwd`, `id -u`, `printenv NAME`, `stat -c FORMAT FILE` (`%u %g %a`), `test -e FILE`, `trap '' TERM`, `exec COMMAND`, and `sh -c TEXT`
//! with `;`, newlines, `&&`, `||`, quotes, `>&2`, `$NAME` and `${NAME}`. `cat` without a file echoes standard input where it is
//! the last command. What the program will put out is known at its start: nothing here waits.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::script::{Ends, Script};
use crate::tree::{Node, Tree};

/// What a process will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) lines: Vec<Printed>,
    pub(crate) end: End,
    pub(crate) ignores_signals: bool,
}

/// A line, and when it is put out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Printed {
    /// Since the start.
    pub(crate) after: Duration,
    pub(crate) stderr: bool,
    pub(crate) text: String,
}

/// When a process ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Never,
    After(Duration, i64),
    /// It echoes standard input, and ends with it.
    AtEof,
}

/// What a program sees.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings<'a> {
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) tree: Option<&'a Tree>,
    pub(crate) user: String,
    pub(crate) working_dir: String,
}

impl Program {
    /// Runs until it is stopped.
    pub(crate) fn idle() -> Self {
        Self { lines: Vec::new(), end: End::Never, ignores_signals: false }
    }

    pub(crate) fn scripted(script: &Script) -> Self {
        let lines = script
            .output
            .iter()
            .map(|text| Printed { after: Duration::ZERO, stderr: false, text: text.clone() })
            .collect();
        let end = match script.ends {
            Ends::Never => End::Never,
            Ends::After { time, code } => End::After(time, code),
        };
        Self { lines, end, ignores_signals: script.ignores_signals }
    }

    /// What a program does that is not there.
    pub(crate) fn missing(name: &str) -> Self {
        let text = format!("{name}: not found");
        Self {
            lines: vec![Printed { after: Duration::ZERO, stderr: true, text }],
            end: End::After(Duration::ZERO, 127),
            ignores_signals: false,
        }
    }
}

/// Works out what a command will do; `None` where the command is not known, or is none at all.
pub(crate) fn interpret(command: &[String], around: &Surroundings<'_>) -> Option<Program> {
    if command.is_empty() {
        return None;
    }
    let mut machine = Machine::new(around);
    match machine.command(command) {
        Flow::Unknown => None,
        Flow::Status(_) | Flow::Exit(_) | Flow::Forever | Flow::Echo => Some(machine.finish()),
    }
}

enum Flow {
    Status(i64),
    Exit(i64),
    Forever,
    Echo,
    Unknown,
}

struct Machine<'a> {
    around: &'a Surroundings<'a>,
    now: Duration,
    lines: Vec<Printed>,
    end: End,
    ignores_signals: bool,
}

impl<'a> Machine<'a> {
    fn new(around: &'a Surroundings<'a>) -> Self {
        Self {
            around,
            now: Duration::ZERO,
            lines: Vec::new(),
            end: End::After(Duration::ZERO, 0),
            ignores_signals: false,
        }
    }

    fn finish(self) -> Program {
        Program { lines: self.lines, end: self.end, ignores_signals: self.ignores_signals }
    }

    /// Runs one command and notes where the program stands after it.
    fn command(&mut self, words: &[String]) -> Flow {
        let flow = self.builtin(words);
        self.end = match flow {
            Flow::Status(code) | Flow::Exit(code) => End::After(self.now, code),
            Flow::Forever => End::Never,
            Flow::Echo => End::AtEof,
            Flow::Unknown => self.end,
        };
        flow
    }

    fn builtin(&mut self, words: &[String]) -> Flow {
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        let stderr = matches!(words.last(), Some(&(">&2" | "1>&2")));
        if stderr {
            words.pop();
        }
        let Some((name, arguments)) = words.split_first() else {
            return Flow::Status(0);
        };
        match (name.rsplit('/').next().unwrap_or(name), arguments) {
            ("true" | ":", _) => Flow::Status(0),
            ("false", _) => Flow::Status(1),
            ("echo", words) => self.print(stderr, words.join(" ")),
            ("exit", []) => Flow::Exit(0),
            ("exit", [code]) => Flow::Exit(code.parse::<i64>().map_or(2, |code| code & 0xff)),
            ("sleep", [time]) => self.sleep(time),
            ("cat", []) => Flow::Echo,
            ("cat", files) => self.cat(files),
            ("seq", [last]) => self.seq(last),
            ("pwd", []) => self.print(stderr, if self.around.working_dir.is_empty() { "/" } else { &self.around.working_dir }.to_owned()),
            ("id", ["-u"]) => self.print(stderr, self.user_id()),
            ("printenv", [name]) => match self.around.environment.get(*name) {
                Some(value) => self.print(stderr, value.clone()),
                None => Flow::Status(1),
            },
            ("stat", ["-c", format, file]) => self.stat(format, file),
            ("test", ["-e", file]) => Flow::Status(i64::from(self.file(file).is_none())),
            ("trap", ["", _]) => {
                self.ignores_signals = true;
                Flow::Status(0)
            }
            ("exec", rest) if !rest.is_empty() => self.replaced(rest),
            ("sh" | "ash" | "bash", ["-c", text, ..]) => self.shell(text),
            _ => Flow::Unknown,
        }
    }

    fn replaced(&mut self, words: &[&str]) -> Flow {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        match self.builtin(&words) {
            Flow::Status(code) => Flow::Exit(code),
            flow @ (Flow::Exit(_) | Flow::Forever | Flow::Echo | Flow::Unknown) => flow,
        }
    }

    fn print(&mut self, stderr: bool, text: String) -> Flow {
        self.lines
            .extend(text.split('\n').map(|line| Printed { after: self.now, stderr, text: line.to_owned() }));
        Flow::Status(0)
    }

    fn complain(&mut self, text: String) -> Flow {
        self.print(true, text);
        Flow::Status(1)
    }

    fn sleep(&mut self, time: &str) -> Flow {
        if matches!(time, "infinity" | "inf") {
            return Flow::Forever;
        }
        let (number, unit) = match time.find(|it: char| it.is_ascii_alphabetic()) {
            Some(at) => time.split_at(at),
            None => (time, "s"),
        };
        let factor = match unit {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return self.complain(format!("sleep: invalid number '{time}'")),
        };
        match number.parse::<f64>().map(|number| Duration::try_from_secs_f64(number * factor)) {
            Ok(Ok(time)) => {
                self.now = self.now.saturating_add(time);
                Flow::Status(0)
            }
            Ok(Err(_)) | Err(_) => self.complain(format!("sleep: invalid number '{time}'")),
        }
    }

    fn cat(&mut self, files: &[&str]) -> Flow {
        let mut last = Flow::Status(0);
        for file in files {
            match self.file(file).and_then(Node::content).map(|content| String::from_utf8_lossy(content).into_owned()) {
                Some(content) => {
                    self.print(false, content.strip_suffix('\n').unwrap_or(&content).to_owned());
                }
                None => last = self.complain(format!("cat: can't open '{file}': No such file or directory")),
            }
        }
        last
    }

    fn seq(&mut self, last: &str) -> Flow {
        // A test that wants more lines than this wants something else.
        match last.parse::<u32>() {
            Ok(last) if last <= 100_000 => {
                (1..=last).for_each(|number| {
                    self.print(false, number.to_string());
                });
                Flow::Status(0)
            }
            Ok(_) | Err(_) => self.complain(format!("seq: invalid number '{last}'")),
        }
    }

    fn stat(&mut self, format: &str, file: &str) -> Flow {
        match self.file(file).map(|file| (file.uid, file.gid, file.mode)) {
            Some((uid, gid, mode)) => {
                let text = format.replace("%u", &uid.to_string()).replace("%g", &gid.to_string());
                self.print(false, text.replace("%a", &format!("{:o}", mode & 0o7777)))
            }
            None => self.complain(format!("stat: can't stat '{file}': No such file or directory")),
        }
    }

    fn file(&self, path: &str) -> Option<&'a Node> {
        self.around.tree?.follow(path)
    }

    fn user_id(&self) -> String {
        let user = self.around.user.split(':').next().unwrap_or_default();
        if matches!(user, "" | "root") { "0".to_owned() } else { user.to_owned() }
    }

    fn shell(&mut self, text: &str) -> Flow {
        let mut status = 0;
        let mut last = Flow::Status(0);
        for (link, words) in parse(text, &self.around.environment) {
            let skipped = match link {
                Link::Always => false,
                Link::And => status != 0,
                Link::Or => status == 0,
            };
            if skipped {
                continue;
            }
            last = self.builtin(&words);
            status = match &last {
                Flow::Status(code) => *code,
                // Standard input is at its end when no one is left to read what comes after.
                Flow::Echo => 0,
                Flow::Exit(_) | Flow::Forever => return last,
                Flow::Unknown => {
                    self.print(true, format!("sh: {}: not found", words.first().map_or("", String::as_str)));
                    127
                }
            };
        }
        match last {
            Flow::Echo => Flow::Echo,
            Flow::Status(_) | Flow::Exit(_) | Flow::Forever | Flow::Unknown => Flow::Status(status),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Always,
    And,
    Or,
}

/// Splits a line into commands and these into words.
fn parse(text: &str, environment: &BTreeMap<String, String>) -> Vec<(Link, Vec<String>)> {
    let mut parser = Parser { commands: Vec::new(), link: Link::Always, words: Vec::new(), word: None };
    let mut chars = text.chars().peekable();
    let mut quote = None;
    while let Some(char) = chars.next() {
        match (char, quote) {
            ('\'' | '"', None) => {
                quote = Some(char);
                parser.word.get_or_insert_default();
            }
            (_, Some(open)) if char == open => quote = None,
            ('$', None | Some('"')) => parser.word.get_or_insert_default().push_str(&variable(&mut chars, environment)),
            (_, Some(_)) => parser.push(char),
            (';' | '\n', None) => parser.end_command(Link::Always),
            ('&', None) if chars.next_if_eq(&'&').is_some() => parser.end_command(Link::And),
            ('|', None) if chars.next_if_eq(&'|').is_some() => parser.end_command(Link::Or),
            (' ' | '\t', None) => parser.end_word(),
            (_, None) => parser.push(char),
        }
    }
    parser.end_command(Link::Always);
    parser.commands
}

struct Parser {
    commands: Vec<(Link, Vec<String>)>,
    link: Link,
    words: Vec<String>,
    word: Option<String>,
}

impl Parser {
    fn push(&mut self, char: char) {
        self.word.get_or_insert_default().push(char);
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    fn end_command(&mut self, next: Link) {
        self.end_word();
        if !self.words.is_empty() {
            self.commands.push((self.link, std::mem::take(&mut self.words)));
        }
        self.link = next;
    }
}

fn variable(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, environment: &BTreeMap<String, String>) -> String {
    let braced = chars.next_if_eq(&'{').is_some();
    let mut name = String::new();
    while let Some(char) = chars.next_if(|it| it.is_ascii_alphanumeric() || *it == '_') {
        name.push(char);
    }
    if braced {
        chars.next_if_eq(&'}');
    }
    environment.get(&name).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &[&str]) -> Vec<String> {
        text.iter().map(|word| (*word).to_owned()).collect()
    }

    fn run(text: &str) -> Program {
        let environment = BTreeMap::from([("NAME".to_owned(), "a b".to_owned())]);
        let around = Surroundings { environment, ..Surroundings::default() };
        interpret(&words(&["/bin/sh", "-c", text]), &around).expect("sh is known")
    }

    fn printed(program: &Program) -> Vec<(u64, bool, &str)> {
        program.lines.iter().map(|line| (line.after.as_secs(), line.stderr, line.text.as_str())).collect()
    }

    #[test]
    fn commands_follow_one_another() {
        let program = run("echo hi; sleep 2\necho \"$NAME\" >&2; false || exit 7; echo never");
        assert_eq!(printed(&program), [(0, false, "hi"), (2, true, "a b")]);
        assert_eq!(program.end, End::After(Duration::from_secs(2), 7));
    }

    #[test]
    fn links_depend_on_the_status() {
        assert_eq!(printed(&run("true && echo a || echo b; false && echo c || echo d")), [(0, false, "a"), (0, false, "d")]);
        assert_eq!(run("nonsense").end, End::After(Duration::ZERO, 127));
    }

    #[test]
    fn programs_that_stay() {
        assert_eq!(run("trap '' TERM; sleep infinity"), Program { ignores_signals: true, ..Program::idle() });
        assert_eq!(run("cat").end, End::AtEof);
        assert_eq!(interpret(&words(&["postgres"]), &Surroundings::default()), None);
    }
}
