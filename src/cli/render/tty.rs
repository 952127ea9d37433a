//! Draws the live tree on a terminal.

use std::time::Instant;

use rcompose_executor::Event;
use rcompose_planner::Plan;

use super::tree::{Room, Tree};
use super::{Look, write};

/// Hides the cursor, which would jump about. Source: DEC private mode 25.
pub(crate) const HIDE_CURSOR: &str = "\x1b[?25l";
/// Shows it again.
pub(crate) const SHOW_CURSOR: &str = "\x1b[?25h";

/// Draws the live tree.
#[derive(Debug)]
pub(crate) struct Tty {
    verb: &'static str,
    look: Look,
    tree: Tree,
    began: Instant,
    /// Lines of the last frame, which the next one replaces.
    drawn: usize,
    active: bool,
}

impl Tty {
    pub(crate) fn new(verb: &'static str, look: Look) -> Self {
        Self { verb, look, tree: Tree::default(), began: Instant::now(), drawn: 0, active: false }
    }

    pub(crate) fn begin(&mut self, plan: &Plan) {
        self.tree = Tree::new(plan);
        self.began = Instant::now();
        self.drawn = 0;
        self.active = !plan.is_empty();
        if self.active {
            write(&self.look, HIDE_CURSOR);
            self.draw();
        }
    }

    pub(crate) fn event(&mut self, event: &Event) {
        self.tree.event(event);
    }

    pub(crate) fn draw(&mut self) {
        if self.active {
            self.frame(false);
        }
    }

    pub(crate) fn finish(&mut self) {
        if self.active {
            self.frame(true);
            write(&self.look, SHOW_CURSOR);
            self.active = false;
            self.drawn = 0;
        }
    }

    pub(crate) fn say(&mut self, sentence: &str) {
        // The tree is drawn anew below the sentence.
        let clear = self.erase();
        write(&self.look, &format!("{clear}{sentence}\n"));
        self.drawn = 0;
        self.draw();
    }

    fn erase(&self) -> String {
        if self.drawn == 0 {
            String::new()
        } else {
            format!("\x1b[{}A\x1b[0J", self.drawn)
        }
    }

    fn frame(&mut self, last: bool) {
        let term = if self.look.on_stdout {
            console::Term::stdout()
        } else {
            console::Term::stderr()
        };
        let (rows, columns) = term.size();
        let room = Room { width: usize::from(columns), height: usize::from(rows) };
        let lines = self.tree.frame(self.verb, self.began.elapsed(), room, last, self.look.paint);
        let mut text = if self.drawn == 0 { String::new() } else { format!("\x1b[{}A", self.drawn) };
        for line in &lines {
            text.push_str(&format!("\x1b[2K{line}\n"));
        }
        text.push_str("\x1b[0J");
        write(&self.look, &text);
        self.drawn = lines.len();
    }
}

impl Drop for Tty {
    /// Leaves no terminal without a cursor, however the run ended.
    fn drop(&mut self) {
        if self.active {
            write(&self.look, SHOW_CURSOR);
        }
    }
}
