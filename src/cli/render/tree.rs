//! The live tree as data: one row for each container, network, volume and image, and the lines of a frame.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rcompose_engine_adapter::ImageProgress;
use rcompose_executor::{Event, EventKind, Progress, SkipCause};
use rcompose_planner::{Plan, StepId, Subject};

use crate::style::{Paint, Tone};

/// Lines of a build that are shown while it runs: enough to see that it moves.
const TAIL: usize = 4;
/// Frames of the spinner.
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// The rows of a run.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    rows: Vec<Row>,
    steps: BTreeMap<StepId, Part>,
}

/// What a step is for the tree.
#[derive(Debug)]
struct Part {
    row: usize,
    busy: &'static str,
    done: &'static str,
    because: String,
    optional: bool,
}

#[derive(Debug)]
struct Row {
    subject: Subject,
    status: Status,
    word: String,
    because: String,
    started: Option<Duration>,
    ended: Option<Duration>,
    left: usize,
    layers: BTreeMap<String, (u64, u64)>,
    tail: VecDeque<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Failed,
    Warned,
    Busy,
    Skipped,
    Done,
    Waiting,
}

/// The room a frame has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Columns.
    pub(crate) width: usize,
    /// Lines.
    pub(crate) height: usize,
}

impl Tree {
    /// Makes the rows of a plan, in its order.
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut tree = Self::default();
        let mut by_subject: BTreeMap<Subject, usize> = BTreeMap::new();
        for step in &plan.steps {
            let subject = step.action.subject();
            let row = *by_subject.entry(subject.clone()).or_insert_with(|| {
                tree.rows.push(Row::new(subject));
                tree.rows.len() - 1
            });
            tree.rows[row].left += 1;
            let (busy, done) = step.action.words();
            tree.steps
                .insert(step.id, Part { row, busy, done, because: step.because.to_string(), optional: step.optional });
        }
        tree
    }

    /// Takes in an event.
    pub(crate) fn event(&mut self, event: &Event) {
        let Some(part) = self.steps.get(&event.step) else { return };
        let Some(row) = self.rows.get_mut(part.row) else { return };
        match &event.kind {
            EventKind::Started => row.start(part, event.at),
            EventKind::Progress(progress) => row.progress(progress),
            EventKind::Done => row.end(Status::Done, part.done, event.at),
            EventKind::Failed(_) if part.optional => row.end(Status::Warned, "Warning", event.at),
            EventKind::Failed(_) => row.end(Status::Failed, "Error", event.at),
            EventKind::Skipped(cause) => match cause {
                SkipCause::Dropped => row.end(Status::Failed, "Interrupted", event.at),
                SkipCause::Failed(_) | SkipCause::Cancelled | SkipCause::Unordered => row.end(Status::Skipped, "Skipped", event.at),
            },
        }
    }

    /// Returns the lines of a frame. The last frame shows every row; earlier ones no more than there is room for.
    pub(crate) fn frame(&self, verb: &str, now: Duration, room: Room, last: bool, paint: Paint) -> Vec<String> {
        let ended = self.rows.iter().filter(|row| row.left == 0).count();
        let mut lines = vec![paint.paint(Tone::Strong, &format!("[+] {verb} {ended}/{}", self.rows.len()))];
        let name_width = self.rows.iter().map(|row| console::measure_text_width(&row.title())).max().unwrap_or(0);
        let space = room.height.saturating_sub(2).max(1);
        let shown = if last || self.rows.len() <= space {
            (0..self.rows.len()).collect()
        } else {
            self.most_telling(space.saturating_sub(1))
        };
        for index in &shown {
            lines.push(self.rows[*index].line(name_width, now, paint));
        }
        if shown.len() < self.rows.len() {
            lines.push(paint.paint(Tone::Dim, &format!("   … {} more", self.rows.len() - shown.len())));
        }
        if !last {
            for row in self.rows.iter().filter(|row| row.status == Status::Busy) {
                let spare = (space + 1).saturating_sub(lines.len());
                lines.extend(row.tail.iter().take(spare).map(|text| paint.paint(Tone::Dim, &format!("     {text}"))));
            }
        }
        lines
            .into_iter()
            .map(|line| console::truncate_str(&line, room.width.saturating_sub(1).max(1), "…").into_owned())
            .collect()
    }

    /// Returns the rows that say most, in the order of the plan: failed and busy ones before those that are done or wait.
    fn most_telling(&self, space: usize) -> Vec<usize> {
        let mut indices: Vec<usize> = (0..self.rows.len()).collect();
        indices.sort_by_key(|index| {
            let row = &self.rows[*index];
            // Of those that are done the latest.
            (row.status, row.ended.map(std::cmp::Reverse))
        });
        indices.truncate(space);
        indices.sort_unstable();
        indices
    }
}

impl Row {
    fn new(subject: Subject) -> Self {
        Self {
            subject,
            status: Status::Waiting,
            word: String::new(),
            because: String::new(),
            started: None,
            ended: None,
            left: 0,
            layers: BTreeMap::new(),
            tail: VecDeque::new(),
        }
    }

    fn title(&self) -> String {
        format!("{} {}", self.subject.kind, self.subject.name)
    }

    fn start(&mut self, part: &Part, at: Duration) {
        self.status = self.status.min(Status::Busy);
        part.busy.clone_into(&mut self.word);
        self.because.clone_from(&part.because);
        self.started.get_or_insert(at);
        self.ended = None;
    }

    fn end(&mut self, status: Status, word: &str, at: Duration) {
        self.left = self.left.saturating_sub(1);
        self.tail.clear();
        self.layers.clear();
        let failed = matches!(self.status, Status::Failed | Status::Warned);
        if failed {
            return;
        }
        let skipped_after_work = status == Status::Skipped && self.started.is_some();
        if !skipped_after_work {
            word.clone_into(&mut self.word);
        }
        self.status = match status {
            Status::Done if self.left > 0 => Status::Waiting,
            other => other,
        };
        if self.started.is_some() {
            self.ended = Some(at);
        }
    }

    fn progress(&mut self, progress: &Progress) {
        match progress {
            Progress::Image(ImageProgress::Layer { id, status, current, total }) => {
                let ended = matches!(status.as_str(), "Pull complete" | "Already exists" | "Download complete");
                let (had, of) = self.layers.get(id).copied().unwrap_or((0, 0));
                let of = total.unwrap_or(of);
                // While it is extracted the engine counts anew; what was fetched stays fetched.
                let now = if ended { of } else { current.unwrap_or(had).max(had).min(of) };
                self.layers.insert(id.clone(), (now, of));
            }
            Progress::Image(ImageProgress::Status(text) | ImageProgress::Output(text)) => self.push_tail(text),
            Progress::Output { line, .. } => self.push_tail(line),
            Progress::Image(ImageProgress::Done(_)) => {}
            Progress::Waiting { state, health } => {
                let health = health.map_or(String::new(), |health| format!(", {}", health.as_str()));
                self.word = format!("Waiting ({}{health})", state.as_str());
            }
        }
    }

    fn push_tail(&mut self, text: &str) {
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(console::strip_ansi_codes(text).replace('\t', " "));
    }

    fn line(&self, name_width: usize, now: Duration, paint: Paint) -> String {
        let title = console::pad_str(&self.title(), name_width, console::Alignment::Left, None).into_owned();
        let (sign, tone) = match self.status {
            Status::Failed => ("✘", Tone::Bad),
            Status::Warned => ("!", Tone::Warn),
            Status::Busy => (SPINNER[usize::try_from(now.as_millis() / 100).unwrap_or(0) % SPINNER.len()], Tone::Busy),
            Status::Skipped => ("-", Tone::Dim),
            Status::Done => ("✔", Tone::Good),
            Status::Waiting => ("·", Tone::Dim),
        };
        let mut line = format!(" {} {title}  {}", paint.paint(tone, sign), paint.paint(tone, &self.word));
        if let Some(started) = self.started {
            let seconds = self.ended.unwrap_or(now).saturating_sub(started).as_secs_f64();
            line.push_str(&paint.paint(Tone::Dim, &format!("  {seconds:.1}s")));
        }
        if self.status == Status::Busy && !self.layers.is_empty() {
            line.push_str(&format!("  {}", self.bar()));
        }
        if !self.because.is_empty() && self.status != Status::Done {
            line.push_str(&paint.paint(Tone::Dim, &format!("  {}", self.because)));
        }
        line
    }

    /// One sign for each layer, filled as far as it is there, and the bytes of all.
    fn bar(&self) -> String {
        const LEVELS: [char; 9] = ['⠀', '⡀', '⣀', '⣄', '⣤', '⣦', '⣶', '⣷', '⣿'];
        let signs: String = self
            .layers
            .values()
            .take(24)
            .map(|(now, of)| {
                let eighths = if *of == 0 {
                    0
                } else {
                    usize::try_from(now.saturating_mul(8) / of).unwrap_or(8).min(8)
                };
                LEVELS[eighths]
            })
            .collect();
        let now: u64 = self.layers.values().map(|(now, _)| now).sum();
        let of: u64 = self.layers.values().map(|(_, of)| of).sum();
        format!("[{signs}] {} / {}", crate::table::size(now), crate::table::size(of))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use rcompose_engine_adapter::{ContainerState, EngineError, EngineInfo, ErrorKind, HealthStatus, NetworkMode, PullSpec};
    use rcompose_planner::{Action, Condition, FieldChange, OnFailure, Reason, Risk, Shown, Step};

    use super::*;

    fn step(id: u32, action: Action, because: Reason, after: &[u32]) -> Step {
        let after: BTreeSet<StepId> = after.iter().map(|it| StepId(*it)).collect();
        Step { id: StepId(id), action, because, after, after_end: BTreeSet::new(), risk: None, optional: false }
    }

    fn container(name: &str, environment: &[(&str, &str)]) -> Box<rcompose_engine_adapter::ContainerSpec> {
        let mut spec = crate::render::tests::container(name);
        spec.network = NetworkMode::None;
        spec.process.environment = environment.iter().map(|(key, value)| ((*key).into(), Some((*value).into()))).collect();
        Box::new(spec)
    }

    /// A plan with a pull, a volume at risk, two containers and a wait.
    pub(crate) fn plan() -> Plan {
        let changed = Reason::Changed(vec![FieldChange {
            path: "environment.DEBUG".into(),
            from: Shown::Value("0".into()),
            to: Shown::Value("1".into()),
        }]);
        let mut steps = vec![
            step(1, Action::PullImage(PullSpec { image: "db:1".into(), platform: None }), Reason::Missing, &[]),
            step(2, Action::RemoveVolume { name: "shop_data".into() }, Reason::Replaced, &[]),
            step(
                3,
                Action::CreateContainer(container("shop-db-1", &[("DB_PASSWORD", "hunter2"), ("DEBUG", "1")])),
                changed,
                &[1, 2],
            ),
            step(4, Action::StartContainer { name: "shop-db-1".into() }, Reason::Missing, &[3]),
            step(
                5,
                Action::Await { name: "shop-db-1".into(), until: Condition::Healthy, limit: None },
                Reason::NeededBy("web".into()),
                &[4],
            ),
            step(6, Action::CreateContainer(container("shop-web-1", &[])), Reason::Missing, &[]),
            step(7, Action::StartContainer { name: "shop-web-1".into() }, Reason::Missing, &[5, 6]),
        ];
        steps[1].risk = Some(Risk::DataLoss("shop_data".into()));
        Plan {
            project: "shop".into(),
            engine: EngineInfo { name: "docker".into(), version: "20.10.24".into(), api: "1.41".into(), features: BTreeSet::new() },
            steps,
            on_failure: OnFailure::Stop,
            unchanged: vec!["shop-mail-1".into()],
            notices: Vec::new(),
        }
    }

    /// What happens to that plan: the database is healthy, the web application fails.
    pub(crate) fn story() -> Vec<Event> {
        let layer = |status: &str, current| {
            EventKind::Progress(Progress::Image(ImageProgress::Layer {
                id: "aa11".into(),
                status: status.into(),
                current,
                total: current.map(|_| 2_000_000),
            }))
        };
        let waiting = EventKind::Progress(Progress::Waiting { state: ContainerState::Running, health: Some(HealthStatus::Starting) });
        let error = Arc::new(EngineError::new(ErrorKind::PortTaken { port: 8080 }, "port 8080 is taken"));
        let kinds = [
            (1, EventKind::Started),
            (2, EventKind::Started),
            (1, layer("Downloading", Some(1_000_000))),
            (1, layer("Downloading", Some(1_500_000))),
            (2, EventKind::Done),
            (1, layer("Pull complete", None)),
            (1, EventKind::Done),
            (3, EventKind::Started),
            (6, EventKind::Started),
            (3, EventKind::Done),
            (6, EventKind::Done),
            (4, EventKind::Started),
            (4, EventKind::Done),
            (5, EventKind::Started),
            (5, waiting),
            (5, EventKind::Done),
            (7, EventKind::Started),
            (7, EventKind::Failed(error)),
        ];
        let event = |(seq, (step, kind)): (usize, (u32, EventKind))| Event {
            seq: seq as u64,
            at: Duration::from_millis(seq as u64 * 250),
            step: StepId(step),
            kind,
        };
        kinds.into_iter().enumerate().map(event).collect()
    }

    fn frame_after(events: usize, room: Room) -> String {
        let mut tree = Tree::new(&plan());
        let story = story();
        story.iter().take(events).for_each(|event| tree.event(event));
        let now = Duration::from_millis(events as u64 * 250);
        tree.frame("up", now, room, events >= story.len(), Paint::default()).join("\n")
    }

    #[test]
    fn a_frame_shows_layers_and_reasons() {
        insta::assert_snapshot!("pulling", frame_after(4, Room { width: 100, height: 24 }));
        insta::assert_snapshot!("waiting", frame_after(15, Room { width: 100, height: 24 }));
        insta::assert_snapshot!("failed", frame_after(18, Room { width: 100, height: 24 }));
    }

    #[test]
    fn a_frame_never_exceeds_its_room() {
        for width in [1, 2, 10, 40] {
            for height in [1, 2, 3, 4, 30] {
                let frame = frame_after(9, Room { width, height });
                let lines: Vec<&str> = frame.lines().collect();
                assert!(lines.len() <= height.max(3), "{width}x{height}: {frame}");
                assert!(lines.iter().all(|line| console::measure_text_width(line) <= width), "{width}x{height}: {frame}");
            }
        }
    }

    #[test]
    fn many_rows_collapse_to_the_busy_ones() {
        let mut plan = plan();
        plan.steps = (1..=50)
            .map(|id| step(id, Action::StartContainer { name: format!("c{id}").into() }, Reason::Missing, &[]))
            .collect();
        let mut tree = Tree::new(&plan);
        let busy = Event { seq: 0, at: Duration::ZERO, step: StepId(40), kind: EventKind::Started };
        tree.event(&busy);
        let frame = tree.frame("start", Duration::ZERO, Room { width: 80, height: 10 }, false, Paint::default());
        assert!(frame.len() <= 10 && frame.iter().any(|line| line.contains("c40")) && frame.iter().any(|line| line.contains("more")));
    }
}
