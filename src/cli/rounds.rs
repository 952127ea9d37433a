//! The rounds of a verb: a plan is shown or done, with a display, and Ctrl-C is obeyed.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::Duration;

use rcompose_engine_adapter::{ErrorKind, Scope, VolumeName};
use rcompose_executor::{Cancel, Level, Options, Outcome};
use rcompose_planner::{Plan, PlanError, Risk};
use rcompose_spec::Origins;
use tokio::sync::mpsc::unbounded_channel;

use crate::ask;
use crate::failure::{Failure, RunFailure};
use crate::holder::Holders;
use crate::render::{self, Display};
use crate::session::{Live, Session};
use crate::signals::{Interrupts, exit_now};
use crate::{output, report};

/// Time between two frames of the live tree.
const FRAME: Duration = Duration::from_millis(100);

/// Does plans, one after the other, for one verb.
#[derive(Debug)]
pub(crate) struct Rounds<'a> {
    session: &'a Session,
    live: &'a Live,
    origins: Origins,
    one_at_a_time: bool,
    /// The display.
    pub(crate) display: Display,
    /// Requests to end.
    pub(crate) interrupts: Interrupts,
}

impl<'a> Rounds<'a> {
    /// Begins; from now on Ctrl-C is a request.
    pub(crate) fn new(session: &'a Session, live: &'a Live, origins: &Origins, display: Display) -> Self {
        Self {
            session,
            live,
            origins: origins.clone(),
            one_at_a_time: false,
            display,
            interrupts: Interrupts::listen(),
        }
    }

    /// Makes one engine call after the other, whatever the limit is.
    pub(crate) fn one_at_a_time(&mut self, on: bool) {
        self.one_at_a_time = on;
    }

    /// Does a plan to its end.
    pub(crate) async fn execute(&mut self, plan: &Plan) -> Result<(), Failure> {
        self.show_notices(plan);
        if plan.is_empty() {
            self.show_remarks();
            return Ok(());
        }
        let outcome = self.run(plan).await?;
        self.judge(plan, outcome).await
    }

    /// Shows what a user should know about a plan.
    pub(crate) fn show_notices(&mut self, plan: &Plan) {
        let text = report::notices(&plan.notices, &self.origins, &self.session.caller, self.session.err);
        if !text.is_empty() {
            self.display.say(text.trim_end());
        }
    }

    async fn run(&mut self, plan: &Plan) -> Result<Outcome, Failure> {
        let parallel = if self.one_at_a_time {
            Some(NonZeroUsize::MIN)
        } else {
            self.session.parallel()?
        };
        let options = Options { parallel };
        let cancel = Cancel::new();
        let (sender, mut events) = unbounded_channel();
        self.display.begin(plan);
        let run = rcompose_executor::run(plan, &self.live.engines, &options, &cancel, sender);
        tokio::pin!(run);
        let mut frames = tokio::time::interval(FRAME);
        let mut requests = 0;
        let outcome = loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => self.display.event(&event),
                outcome = &mut run => break outcome,
                _ = self.interrupts.next() => {
                    requests += 1;
                    self.wind_down(requests, &cancel);
                }
                _ = frames.tick() => self.display.tick(),
            }
        };
        while let Ok(event) = events.try_recv() {
            self.display.event(&event);
        }
        self.display.finish(&outcome);
        self.show_remarks();
        Ok(outcome)
    }

    /// Shows what the engine said beside its answers.
    fn show_remarks(&mut self) {
        for text in self.session.remarks(self.live) {
            self.display.say(&text);
        }
    }

    fn wind_down(&mut self, requests: u32, cancel: &Cancel) {
        match requests {
            1 => {
                cancel.raise(Level::StopNew);
                self.display.say("Stopping: running steps finish, nothing new starts (Ctrl-C again drops them)");
            }
            2 => cancel.raise(Level::Drop),
            _ => exit_now(),
        }
    }

    async fn judge(&mut self, plan: &Plan, outcome: Outcome) -> Result<(), Failure> {
        if outcome.is_success() {
            return Ok(());
        }
        let mut holders = Holders::default();
        let taken: BTreeSet<u16> = outcome
            .failed
            .iter()
            .filter_map(|(_, error)| if let ErrorKind::PortTaken { port } = error.kind { Some(port) } else { None })
            .collect();
        if !taken.is_empty() {
            let ports = self
                .live
                .observe(&Scope { ports: true, ..Scope::default() })
                .await
                .map(|it| it.ports)
                .unwrap_or_default();
            taken.iter().for_each(|port| holders.look_up(*port, &ports, self.live.local));
        }
        let failure = RunFailure { plan: plan.clone(), outcome, holders, origins: Box::new(self.origins.clone()) };
        Err(Failure::Run(Box::new(failure)))
    }

    /// Makes a plan whose risks are all accepted: what is refused is planned again with the volume kept. `first` is the plan that keeps
    /// none, where it is made already.
    pub(crate) async fn settle(
        &mut self,
        yes: bool,
        mut first: Option<Plan>,
        mut plan: impl FnMut(&BTreeSet<VolumeName>) -> Result<Plan, PlanError>,
    ) -> Result<Plan, Failure> {
        let mut keep = BTreeSet::new();
        let mut accepted = BTreeSet::new();
        loop {
            let found = match first.take() {
                Some(plan) => plan,
                None => plan(&keep).map_err(|error| Failure::plan(error, &self.origins))?,
            };
            let open: BTreeSet<VolumeName> = found
                .risks()
                .map(|(_, risk)| match risk {
                    Risk::DataLoss(volume) => volume.clone(),
                })
                .filter(|volume| !accepted.contains(volume))
                .collect();
            if open.is_empty() || yes || self.session.globals.dry_run {
                return Ok(found);
            }
            for volume in open {
                if self.accepts(&volume).await? {
                    accepted.insert(volume);
                } else if !keep.insert(volume.clone()) {
                    return Err(Failure::refused(format!("volume {volume} would lose its content, and nobody accepted that")));
                }
            }
        }
    }

    async fn accepts(&mut self, volume: &VolumeName) -> Result<bool, Failure> {
        let question =
            format!("Volume {volume} differs from the file. To change it, it is removed and made anew: its content is lost. Do it?");
        let yes = ask::confirm(self.session, &mut self.interrupts, &question).await?;
        if !yes && !self.session.can_ask() {
            self.display
                .say(&format!("nobody can be asked here whether volume {volume} may lose its content (-y accepts that)"));
        }
        Ok(yes)
    }

    /// Prints plans instead of doing them, for `--dry-run`.
    pub(crate) fn print(&self, plans: &[(&str, &Plan)]) -> Result<(), Failure> {
        print_plans(self.session, &self.origins, plans, self.session.progress()? == crate::args::Progress::Json)
    }
}

/// Prints plans as text or JSON. What hangs on an earlier one that is not done yet may change.
pub(crate) fn print_plans(session: &Session, origins: &Origins, plans: &[(&str, &Plan)], json: bool) -> Result<(), Failure> {
    if json {
        let rounds: Vec<serde_json::Value> = plans
            .iter()
            .map(|(round, plan)| serde_json::json!({ "round": round, "plan": render::redacted(plan) }))
            .collect();
        let changes = plans.iter().any(|(_, plan)| !plan.is_empty());
        return output::line(&serde_json::json!({ "form": 1, "changes": changes, "rounds": rounds }).to_string());
    }
    let mut may_change = false;
    for (round, plan) in plans {
        output::err(&report::notices(&plan.notices, origins, &session.caller, session.err));
        let engine = &plan.engine;
        let title = format!("{round}: project {} on {} {} (API {})", plan.project, engine.name, engine.version, engine.api);
        if plan.is_empty() && plans.len() > 1 && *round == IMAGES {
            continue;
        }
        output::out(&render::plan_text(plan, &title, may_change, session.out))?;
        output::line(&format!("  {}", render::plan_summary(plan)))?;
        may_change |= !plan.is_empty();
    }
    Ok(())
}

/// Name of the round that brings images.
pub(crate) const IMAGES: &str = "images";
