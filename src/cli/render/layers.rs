//! The display of an image on its way: a row for each layer with a bar and a rate, or a line for each change.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rcompose_image::{Digest, Event, LayerState};

use crate::args::Progress;
use crate::output;
use crate::style::{Paint, Tone};
use crate::table::size;

use super::tty::{HIDE_CURSOR, SHOW_CURSOR};

/// Columns of a bar.
const BAR: usize = 24;
/// The time over which a rate is measured.
const WINDOW: Duration = Duration::from_secs(3);

/// The display of an image on its way.
#[derive(Debug)]
pub(crate) struct Layers {
    form: Form,
    paint: Paint,
    rows: Vec<Row>,
    /// Bytes of an archive that were read.
    read: u64,
    began: Instant,
    moved: VecDeque<(Duration, u64)>,
    drawn: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Tty,
    Plain,
    Json,
    Quiet,
}

#[derive(Debug)]
struct Row {
    digest: Digest,
    of: u64,
    done: u64,
    resumed: u64,
    state: Option<LayerState>,
}

impl Layers {
    /// Chooses the form; `is_tty` tells whether progress goes to a terminal.
    pub(crate) fn new(progress: Progress, is_tty: bool, paint: Paint) -> Self {
        let form = match progress {
            Progress::Tty => Form::Tty,
            Progress::Auto if is_tty => Form::Tty,
            Progress::Auto | Progress::Plain => Form::Plain,
            Progress::Json => Form::Json,
            Progress::Quiet => Form::Quiet,
        };
        let display = Self { form, paint, rows: Vec::new(), read: 0, began: Instant::now(), moved: VecDeque::new(), drawn: 0 };
        if form == Form::Tty {
            output::err(HIDE_CURSOR);
        }
        display
    }

    /// Shows an event.
    pub(crate) fn event(&mut self, event: &Event) {
        match self.form {
            Form::Quiet => return,
            Form::Json => return output::err(&format!("{}\n", object(event))),
            Form::Tty | Form::Plain => {}
        }
        let before = self.take(event);
        match (self.form, before) {
            (Form::Plain, _) => {
                if let Some(line) = plain(event, before) {
                    output::err(&format!("{line}\n"));
                }
            }
            (Form::Tty, _) => {
                if let Some(sentence) = sentence(event) {
                    let clear = if self.drawn == 0 {
                        String::new()
                    } else {
                        format!("\x1b[{}A\x1b[0J", self.drawn)
                    };
                    self.drawn = 0;
                    output::err(&format!("{clear}{}\n", self.paint.paint(Tone::Warn, &sentence)));
                }
            }
            (Form::Json | Form::Quiet, _) => {}
        }
    }

    /// Takes an event in; tells whether a layer's word changed.
    fn take(&mut self, event: &Event) -> bool {
        match event {
            Event::Layers(layers) => {
                self.rows = layers
                    .iter()
                    .map(|(digest, of)| Row { digest: *digest, of: *of, done: 0, resumed: 0, state: None })
                    .collect();
                true
            }
            Event::Layer { digest, state } => {
                let mut changed = false;
                for row in self.rows.iter_mut().filter(|row| row.digest == *digest) {
                    changed |= row.state.as_ref().is_none_or(|before| word(before) != word(state));
                    match state {
                        LayerState::Downloading { done, of, resumed } => (row.done, row.of, row.resumed) = (*done, *of, *resumed),
                        LayerState::Uploading { done, of } => (row.done, row.of) = (*done, *of),
                        LayerState::Unpacking | LayerState::Done => row.done = row.of,
                        LayerState::Waiting | LayerState::Exists | LayerState::Mounted { .. } => {}
                    }
                    row.state = Some(state.clone());
                }
                changed
            }
            Event::Read { bytes } => {
                self.read += bytes;
                false
            }
            Event::Again { .. } | Event::Mirror { .. } | Event::LostAttribute { .. } | Event::OtherPlatform { .. } => true,
        }
    }

    /// Draws a frame; called several times a second.
    pub(crate) fn tick(&mut self) {
        if self.form == Form::Tty && (!self.rows.is_empty() || self.read > 0) {
            let now = self.began.elapsed();
            let (height, width) = console::Term::stderr().size();
            let lines = self.frame(now, usize::from(height), usize::from(width));
            let mut text = if self.drawn == 0 { String::new() } else { format!("\x1b[{}A", self.drawn) };
            for line in &lines {
                text.push_str(&format!("\x1b[2K{line}\n"));
            }
            text.push_str("\x1b[0J");
            output::err(&text);
            self.drawn = lines.len();
        }
    }

    fn frame(&mut self, now: Duration, height: usize, width: usize) -> Vec<String> {
        let moved: u64 = self.read + self.rows.iter().map(|row| row.done.saturating_sub(row.resumed)).sum::<u64>();
        self.moved.push_back((now, moved));
        while self.moved.len() > 2 && self.moved.front().is_some_and(|(at, _)| now.saturating_sub(*at) > WINDOW) {
            self.moved.pop_front();
        }
        if self.rows.is_empty() {
            return vec![self.paint.paint(Tone::Strong, format!("[+] {} read  {}", size(self.read), self.rate()).trim_end())];
        }
        let (all, done): (u64, u64) = (self.rows.iter().map(|row| row.of).sum(), self.rows.iter().map(|row| row.done).sum());
        let ended = self.rows.iter().filter(|row| row.is_done()).count();
        let head = format!("[+] {ended}/{} layers  {} / {}  {}", self.rows.len(), size(done), size(all), self.rate());
        let mut lines = vec![self.paint.paint(Tone::Strong, head.trim_end())];
        let space = height.saturating_sub(2).max(1);
        // Those that move say more than those that are done or wait.
        let mut shown: Vec<&Row> = self.rows.iter().collect();
        if shown.len() > space {
            shown.sort_by_key(|row| !row.is_moving());
            shown.truncate(space - 1);
        }
        let hidden = self.rows.len() - shown.len();
        lines.extend(shown.iter().map(|row| row.line(self.paint)));
        if hidden > 0 {
            lines.push(self.paint.paint(Tone::Dim, &format!("   … {hidden} more")));
        }
        lines
            .into_iter()
            .map(|line| console::truncate_str(&line, width.saturating_sub(1).max(1), "…").into_owned())
            .collect()
    }

    fn rate(&self) -> String {
        let (Some((from, before)), Some((to, after))) = (self.moved.front(), self.moved.back()) else {
            return String::new();
        };
        let time = to.saturating_sub(*from).as_millis();
        let bytes = u128::from(after.saturating_sub(*before));
        match (bytes * 1000).checked_div(time) {
            Some(rate) if rate > 0 => format!("{}/s", size(u64::try_from(rate).unwrap_or(u64::MAX))),
            _ => String::new(),
        }
    }

    /// Ends the display.
    pub(crate) fn finish(&mut self) {
        self.tick();
        if self.form == Form::Tty {
            output::err(SHOW_CURSOR);
            self.form = Form::Quiet;
        }
    }
}

impl Drop for Layers {
    /// Leaves no terminal without a cursor, however the work ended.
    fn drop(&mut self) {
        if self.form == Form::Tty {
            output::err(SHOW_CURSOR);
        }
    }
}

impl Row {
    fn is_moving(&self) -> bool {
        matches!(self.state, Some(LayerState::Downloading { .. } | LayerState::Uploading { .. } | LayerState::Unpacking))
    }

    fn is_done(&self) -> bool {
        matches!(self.state, Some(LayerState::Done | LayerState::Exists | LayerState::Mounted { .. }))
    }

    fn line(&self, paint: Paint) -> String {
        let state = self.state.as_ref().unwrap_or(&LayerState::Waiting);
        let (sign, tone) = match state {
            LayerState::Done | LayerState::Exists | LayerState::Mounted { .. } => ("✔", Tone::Good),
            LayerState::Waiting => ("·", Tone::Dim),
            LayerState::Downloading { .. } | LayerState::Uploading { .. } | LayerState::Unpacking => ("↓", Tone::Busy),
        };
        let sign = if matches!(state, LayerState::Uploading { .. }) { "↑" } else { sign };
        let mut line = format!(" {} {}  {}", paint.paint(tone, sign), self.digest.short(), paint.paint(tone, word(state)));
        if matches!(state, LayerState::Downloading { .. } | LayerState::Uploading { .. }) {
            let filled = usize::try_from(u128::from(self.done) * BAR as u128 / u128::from(self.of.max(1)))
                .unwrap_or(BAR)
                .min(BAR);
            let bar: String = (0..BAR).map(|at| if at < filled { '━' } else { '─' }).collect();
            line.push_str(&format!("  {bar}  {} / {}", size(self.done), size(self.of)));
        }
        line
    }
}

fn word(state: &LayerState) -> &'static str {
    match state {
        LayerState::Waiting => "Waiting",
        LayerState::Exists => "Already exists",
        LayerState::Downloading { .. } => "Downloading",
        LayerState::Unpacking => "Extracting",
        LayerState::Done => "Complete",
        LayerState::Uploading { .. } => "Pushing",
        LayerState::Mounted { .. } => "Mounted",
    }
}

fn plain(event: &Event, changed: bool) -> Option<String> {
    match event {
        Event::Layer { digest, state } if changed => Some(match state {
            LayerState::Mounted { from } => format!("{}: Mounted from {from}", digest.short()),
            LayerState::Downloading { resumed, .. } if *resumed > 0 => {
                format!("{}: Downloading, {} are there from before", digest.short(), size(*resumed))
            }
            state => format!("{}: {}", digest.short(), word(state)),
        }),
        other => sentence(other),
    }
}

fn sentence(event: &Event) -> Option<String> {
    match event {
        Event::Again { registry, why, wait } => Some(format!("{registry}: {why}; asking again in {:.1} s", wait.as_secs_f64())),
        Event::Mirror { address, why } => Some(format!("mirror {address} is of no use: {why}")),
        Event::OtherPlatform { wanted, found } => Some(format!("the image is for {found}, not for {wanted}: it will hardly run here")),
        Event::LostAttribute { name, file } => Some(format!("the file system of the store does not take `{name}`, which {file} has")),
        _ => None,
    }
}

/// Writes an event as an object of the stream that `--progress json` is.
fn object(event: &Event) -> serde_json::Value {
    use serde_json::json;
    match event {
        Event::Layers(layers) => {
            let layers: Vec<_> = layers.iter().map(|(digest, size)| json!({ "digest": digest.to_string(), "size": size })).collect();
            json!({ "form": 1, "event": "layers", "layers": layers })
        }
        Event::Layer { digest, state } => {
            let (done, of) = match state {
                LayerState::Downloading { done, of, .. } | LayerState::Uploading { done, of } => (Some(*done), Some(*of)),
                _ => (None, None),
            };
            json!({ "form": 1, "event": "layer", "digest": digest.to_string(), "state": word(state), "done": done, "of": of })
        }
        Event::Read { bytes } => json!({ "form": 1, "event": "read", "bytes": bytes }),
        other => json!({ "form": 1, "event": "message", "text": sentence(other).unwrap_or_default() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(text: &str) -> Digest {
        text.parse().expect("a digest")
    }

    #[test]
    fn rows_have_bars_and_the_whole_a_rate() {
        let a = layer(&format!("sha256:{}", "a".repeat(64)));
        let b = layer(&format!("sha256:{}", "b".repeat(64)));
        let mut display = Layers {
            form: Form::Plain,
            paint: Paint::default(),
            rows: Vec::new(),
            read: 0,
            began: Instant::now(),
            moved: VecDeque::new(),
            drawn: 0,
        };
        display.take(&Event::Layers(vec![(a, 1000), (b, 4000)]));
        display.frame(Duration::ZERO, 24, 80);
        assert!(display.take(&Event::Layer { digest: a, state: LayerState::Exists }));
        assert!(display.take(&Event::Layer { digest: b, state: LayerState::Downloading { done: 2000, of: 4000, resumed: 0 } }));
        assert!(!display.take(&Event::Layer { digest: b, state: LayerState::Downloading { done: 2000, of: 4000, resumed: 0 } }));
        let lines = display.frame(Duration::from_secs(2), 24, 80);
        assert_eq!(
            lines,
            [
                "[+] 1/2 layers  2kB / 5kB  1kB/s",
                " ✔ aaaaaaaaaaaa  Already exists",
                " ↓ bbbbbbbbbbbb  Downloading  ━━━━━━━━━━━━────────────  2kB / 4kB"
            ]
        );
        assert_eq!(display.frame(Duration::from_secs(2), 3, 80).len(), 2, "no more than there is room for");
        let mut reading = Layers { rows: Vec::new(), moved: VecDeque::new(), ..display };
        reading.frame(Duration::ZERO, 24, 80);
        assert!(!reading.take(&Event::Read { bytes: 3000 }));
        assert_eq!(reading.frame(Duration::from_secs(1), 24, 80), ["[+] 3kB read  3kB/s"]);
        assert_eq!(plain(&Event::Layer { digest: a, state: LayerState::Done }, true).as_deref(), Some("aaaaaaaaaaaa: Complete"));
        assert_eq!(plain(&Event::Layer { digest: a, state: LayerState::Done }, false), None);
    }
}
