//! `up` in the foreground, on the in-memory engine and a clock that nobody waits for.

use std::sync::Arc;
use std::time::Duration;

use rcompose_engine_adapter::{Engine, Observed, Scope, Stop};
use rcompose_executor::{Cancel, Engines, Options};
use rcompose_memory::{Memory, Script};
use rcompose_planner::{self as planner, Up, World};
use rcompose_spec::{Loaded, Sources, load};
use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::args::{Globals, Progress};
use crate::caller::Caller;
use crate::session::Disk;

/// A web application that runs, and a job.
struct Stage {
    memory: Arc<Memory>,
    session: Session,
    live: Live,
    loaded: Loaded,
}

impl Stage {
    fn new(job: Script) -> Self {
        let memory = Arc::new(Memory::new());
        memory.add_image("web:1", rcompose_engine_adapter::ImageConfig::default());
        memory.add_image("job:1", rcompose_engine_adapter::ImageConfig::default());
        memory.script_image("web:1", Script::runs().saying(&["hello"]));
        memory.script_image("job:1", job);
        let document = r#"{"name": "shop", "services": {"web": {"image": "web:1"}, "job": {"image": "job:1"}}}"#;
        let sources = Sources {
            files: vec!["-".into()],
            working_dir: "/shop".into(),
            stdin: Some(document.as_bytes().to_vec()),
            ..Sources::default()
        };
        let globals = Globals { progress: Some(Progress::Quiet), ..Globals::default() };
        let engines = Engines { engine: memory.clone(), images: memory.clone(), streams: memory.clone() };
        Self {
            live: Live { engines, local: false, address: "memory".into() },
            session: Session::new(Caller { folder: "/shop".into(), ..Caller::default() }, globals, "up"),
            loaded: load(&sources, &Disk).unwrap(),
            memory,
        }
    }

    async fn observe(&self) -> Observed {
        self.memory.observe(&Scope::project("shop")).await.unwrap()
    }

    /// Brings the project up, attached from before the start, as the verb does.
    async fn attached(&self, args: &UpArgs) -> Attached<'_> {
        let mut attached = Attached::new(&self.session, &self.live, &self.loaded, args);
        attached.began = 0;
        let world = World::default();
        let scope = planner::scope(&self.loaded.project, &world);
        let plan = planner::up(&self.loaded.project, &self.memory.observe(&scope).await.unwrap(), &world, &Up::default()).unwrap();
        let (sender, _events) = unbounded_channel();
        let outcome = rcompose_executor::run(&plan, &self.live.engines, &Options::default(), &Cancel::new(), sender).await;
        assert!(outcome.is_success(), "{outcome:?}");
        attached
    }

    async fn until_end(&self, args: &UpArgs) -> Result<u8, Failure> {
        let attached = self.attached(args).await;
        let shutdown = Shutdown { grace: Some(Duration::from_secs(1)) };
        let mut interrupts = Interrupts::listen();
        let end = attached.until_end(&mut interrupts, shutdown);
        // On the engine's clock; a hang is a failure, not a wait.
        tokio::time::timeout(Duration::from_secs(600), end).await.expect("it ends")
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_end_stops_all_and_gives_the_status() {
    let stage = Stage::new(Script::exits_after(Duration::from_secs(5), 3).saying(&["working"]));
    let status = stage.until_end(&UpArgs { abort_on_container_exit: true, ..UpArgs::default() }).await;
    assert_eq!(status.unwrap(), 3);
    let observed = stage.observe().await;
    assert!(observed.containers.values().all(|it| !it.state.is_up()), "{observed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_good_end_is_no_failure() {
    let stage = Stage::new(Script::exits_after(Duration::from_secs(5), 0));
    let args = UpArgs { abort_on_container_failure: true, services: vec!["job".into()], ..UpArgs::default() };
    assert_eq!(stage.until_end(&args).await.unwrap(), 0);
    let web = &stage.observe().await.containers[&"shop-web-1".into()];
    assert!(web.state.is_up(), "what is not watched goes on");
}

#[tokio::test(start_paused = true)]
async fn down_from_another_terminal_ends_it() {
    let stage = Stage::new(Script::runs());
    let other = stage.memory.clone();
    let down = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        for name in ["shop-web-1", "shop-job-1"] {
            other.stop_container(&name.into(), &Stop::default()).await.unwrap();
            other.remove_container(&name.into(), false).await.unwrap();
        }
    });
    assert_eq!(stage.until_end(&UpArgs::default()).await.unwrap(), 0);
    down.await.unwrap();
    assert!(stage.observe().await.containers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_restart_from_another_terminal_is_no_end() {
    let stage = Stage::new(Script::exits(0));
    let other = stage.memory.clone();
    let restarts = tokio::spawn(async move {
        let web = "shop-web-1".into();
        tokio::time::sleep(Duration::from_secs(3)).await;
        other.stop_container(&web, &Stop::default()).await.unwrap();
        other.start_container(&web).await.unwrap();
        tokio::time::sleep(Duration::from_secs(20)).await;
        other.stop_container(&web, &Stop::default()).await.unwrap();
    });
    let began = tokio::time::Instant::now();
    assert_eq!(stage.until_end(&UpArgs::default()).await.unwrap(), 0);
    assert!(began.elapsed() >= Duration::from_secs(23), "it ended at the first stop");
    restarts.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_death_told_before_the_lists_show_it_counts() {
    let stage = Stage::new(Script::runs());
    let args = UpArgs { abort_on_container_exit: true, ..UpArgs::default() };
    let mut attached = stage.attached(&args).await;
    // The engine tells of the death while its lists still say that the job runs, and tells it once.
    let (told, events) = unbounded_channel();
    let job = &stage.observe().await.containers[&"shop-job-1".into()];
    let died = EngineEvent {
        subject: EventSubject::Container("shop-job-1".into()),
        action: EventAction::Died { code: 137 },
        id: job.id.clone(),
        labels: job.labels.clone(),
        details: BTreeMap::new(),
        time: 1,
    };
    told.send(Ok(died)).unwrap();
    attached.events = events;
    let other = stage.memory.clone();
    let later = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        other.kill_container(&"shop-job-1".into(), "SIGKILL").await.unwrap();
    });
    let mut interrupts = Interrupts::listen();
    let end = attached.until_end(&mut interrupts, Shutdown { grace: Some(Duration::from_secs(1)) });
    let status = tokio::time::timeout(Duration::from_secs(600), end).await.expect("it ends");
    assert_eq!(status.unwrap(), 137);
    later.await.unwrap();
    drop(told);
}
