//! Laws of planner, executor and engine together, on the in-memory engine: `up` twice is an empty plan, a crash anywhere
//! loses nothing, a deep graph ends under any limit.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use proptest::prelude::*;
use rcompose_engine_adapter::{Content, Engine, ImageConfig, Observed};
use rcompose_executor::{Cancel, Engines, Options, Outcome, run};
use rcompose_memory::{Memory, Script};
use rcompose_planner::{Action, Down, ImageOptions, Input, Plan, Reason, Up, World, down, images, scope, up};
use rcompose_spec::model::{Condition, Dependency, FileObject, Healthcheck, Mount, Network, Port, Project, Service, ServiceVolume, Volume};

const SERVER: &str = "example/server:1";
const JOB: &str = "example/job:1";

/// What a generated service is.
#[derive(Debug, Clone)]
struct Shape {
    job: bool,
    replicas: i64,
    needs: Vec<(usize, u8, bool)>,
    borrows: bool,
    networks: Vec<usize>,
    volume: Option<usize>,
    anonymous: bool,
    secret: bool,
    port: bool,
    healthcheck: bool,
}

fn shape(index: usize) -> impl Strategy<Value = Shape> {
    let needs = prop::collection::vec((0..index.max(1), 0u8..3, any::<bool>()), 0..3);
    let flags = (
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.15),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    (flags, 1i64..4, needs, prop::collection::vec(0usize..3, 0..3), prop::option::of(0usize..2)).prop_map(
        move |((job, borrows, anonymous, secret, port, healthcheck), replicas, needs, networks, volume)| Shape {
            job,
            replicas: if job { 1 } else { replicas },
            needs: if index == 0 { Vec::new() } else { needs },
            borrows: borrows && index > 0 && !job,
            networks,
            volume,
            anonymous,
            secret,
            port,
            healthcheck: healthcheck && !job,
        },
    )
}

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    (1usize..8).prop_flat_map(|count| (0..count).map(shape).collect::<Vec<_>>())
}

fn name(index: usize) -> String {
    format!("s{index}")
}

fn project(shapes: &[Shape]) -> Project {
    // Networks and volumes differ between projects of different sizes, so that they are made anew too.
    let options = BTreeMap::from([("size".to_owned(), shapes.len().to_string())]);
    let network = |index: usize| {
        (
            format!("n{index}"),
            Network { name: format!("p_n{index}"), driver_opts: options.clone(), ..Network::default() },
        )
    };
    let volume =
        |index: usize| (format!("v{index}"), Volume { name: format!("p_v{index}"), driver_opts: options.clone(), ..Volume::default() });
    Project {
        name: "p".into(),
        working_dir: "/p".into(),
        files: vec!["/p/compose.yaml".into()],
        services: shapes
            .iter()
            .enumerate()
            .map(|(index, shape)| (name(index), Box::new(service(index, shape, shapes))))
            .collect(),
        networks: (0..3)
            .map(network)
            .chain([("default".into(), Network { name: "p_default".into(), ..Network::default() })])
            .collect(),
        volumes: (0..2).map(volume).collect(),
        secrets: BTreeMap::from([("pw".into(), FileObject { name: "p_pw".into(), environment: "PW".into(), ..FileObject::default() })]),
        ..Project::default()
    }
}

fn service(index: usize, shape: &Shape, shapes: &[Shape]) -> Service {
    let mut service = Service {
        name: name(index),
        image: if shape.job { JOB.into() } else { SERVER.into() },
        scale: Some(shape.replicas),
        environment: BTreeMap::from([("INDEX".into(), Some(index.to_string()))]),
        ..Service::default()
    };
    for &(to, condition, restart) in &shape.needs {
        let condition = match (condition, &shapes[to]) {
            (0, it) if it.healthcheck => Condition::Healthy,
            (1, it) if it.job => Condition::Completed,
            _ => Condition::Started,
        };
        service.depends_on.insert(name(to), Dependency { condition, restart, required: true });
    }
    // A job's network stack is gone when it ends, so nobody can borrow it.
    let lender = (0..index).rev().find(|&it| !shapes[it].job).filter(|_| shape.borrows);
    if let Some(lender) = lender {
        service.network_mode = format!("service:{}", name(lender));
        service
            .depends_on
            .insert(name(lender), Dependency { condition: Condition::Started, restart: true, required: true });
    } else {
        service.networks = shape.networks.iter().map(|it| (format!("n{it}"), None)).collect();
        if service.networks.is_empty() {
            service.networks.insert("default".into(), None);
        }
        // What links must be made after, and stops before, what it links to.
        if let Some(&(to, ..)) = shape.needs.first().filter(|_| shape.secret) {
            service.links.push(name(to));
            if let Some(dependency) = service.depends_on.get_mut(&name(to)) {
                dependency.restart = true;
            }
        }
        if shape.port {
            let first = 4000 + 10 * index;
            let published = format!("{first}-{}", first + 9);
            service
                .ports
                .push(Port { target: 80, published, protocol: "tcp".into(), mode: "ingress".into(), ..Port::default() });
        }
    }
    if let Some(volume) = shape.volume {
        service
            .volumes
            .push(ServiceVolume { source: format!("v{volume}"), target: "/data".into(), ..ServiceVolume::default() });
    }
    if shape.anonymous {
        service.volumes.push(ServiceVolume { target: "/cache".into(), ..ServiceVolume::default() });
    }
    if shape.secret {
        service.secrets.push(Mount { source: "pw".into(), ..Mount::default() });
    }
    if shape.healthcheck {
        service.healthcheck = Some(Box::new(Healthcheck { test: vec!["CMD".into(), "true".into()], ..Healthcheck::default() }));
    }
    service
}

fn world() -> World {
    World {
        version: "0".into(),
        contents: BTreeMap::from([(Input::Secret("pw".into()), Content::new(b"hunter2".to_vec()))]),
        inputs_key: Some([7; 32]),
        ..World::default()
    }
}

/// An engine with the images that generated projects use.
fn engine() -> Memory {
    let memory = Memory::new();
    for (image, script) in [(SERVER, Script::runs()), (JOB, Script::exits(0))] {
        memory.add_remote(image, ImageConfig::default());
        memory.script_image(image, script);
    }
    memory
}

fn engines(memory: &Memory) -> Engines {
    Engines {
        engine: Arc::new(memory.clone()),
        images: Arc::new(memory.clone()),
        streams: Arc::new(memory.clone()),
    }
}

async fn execute(memory: &Memory, plan: &Plan, options: &Options) -> Outcome {
    let (events, _) = tokio::sync::mpsc::unbounded_channel();
    run(plan, &engines(memory), options, &Cancel::new(), events).await
}

async fn observe(memory: &Memory, project: &Project) -> Observed {
    memory.observe(&scope(project, &world())).await.expect("the in-memory engine tells what is there")
}

/// Both rounds of `up`; `None` where the engine crashed on the way.
async fn bring_up(memory: &Memory, project: &Project, options: &Up) -> Option<(Plan, Outcome)> {
    let scope = scope(project, &world());
    let observed = memory.observe(&scope).await.ok()?;
    let round = images(project, &observed, &world(), &ImageOptions::default()).expect("images can be had");
    if !execute(memory, &round, &Options::default()).await.is_success() {
        return None;
    }
    let observed = memory.observe(&scope).await.ok()?;
    let plan = up(project, &observed, &world(), options).unwrap_or_else(|error| panic!("{error}"));
    let outcome = execute(memory, &plan, &Options::default()).await;
    Some((plan, outcome))
}

/// What is left to do, services that ended by themselves aside.
async fn left_to_do(memory: &Memory, project: &Project) -> Vec<String> {
    let observed = observe(memory, project).await;
    let plan = up(project, &observed, &world(), &Up::default()).unwrap_or_else(|error| panic!("{error}"));
    let runs_again = |reason: &Reason| matches!(reason, Reason::Ended(_));
    let left = plan
        .steps
        .iter()
        .filter(|step| !runs_again(&step.because) && !matches!(step.action, Action::Await { .. }));
    left.map(|step| format!("{:?} {}: {}", step.action.words().0, step.action.subject().name, step.because))
        .collect()
}

async fn take_down(memory: &Memory, project: &Project) {
    let observed = observe(memory, project).await;
    let plan = down(&project.name, Some(project), &observed, &Down { volumes: true, ..Down::default() }).expect("down has a plan");
    let outcome = execute(memory, &plan, &Options::default()).await;
    assert!(outcome.is_success(), "{outcome:?}");
    let observed = observe(memory, project).await;
    assert!(observed.containers.is_empty(), "{:?}", observed.containers.keys());
    assert!(observed.networks.is_empty(), "{:?}", observed.networks.keys());
    assert!(observed.volumes.is_empty(), "{:?}", observed.volumes.keys());
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

/// 500 generated projects; `just soak` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(500)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// `up` twice is an empty plan, jobs aside; and the same inputs give the same plan.
    #[test]
    fn up_twice_is_an_empty_plan(shapes in shapes()) {
        block_on(async {
            let (memory, project) = (engine(), project(&shapes));
            let (plan, outcome) = bring_up(&memory, &project, &Up::default()).await.expect("no crash was asked for");
            assert!(outcome.is_success(), "{outcome:?}\n{plan:#?}");
            assert_eq!(left_to_do(&memory, &project).await, Vec::<String>::new());
            let observed = observe(&memory, &project).await;
            let (one, other) = (up(&project, &observed, &world(), &Up::default()), up(&project, &observed, &world(), &Up::default()));
            assert_eq!(one, other);
            take_down(&memory, &project).await;
        });
    }

    /// Any change of any project converges: what is there is never in the way of what is wanted.
    #[test]
    fn any_project_follows_any_other(before in shapes(), after in shapes()) {
        block_on(async {
            let (memory, before, after) = (engine(), project(&before), project(&after));
            bring_up(&memory, &before, &Up::default()).await.expect("no crash was asked for");
            let options = Up { remove_orphans: true, ..Up::default() };
            let (plan, outcome) = bring_up(&memory, &after, &options).await.expect("no crash was asked for");
            assert!(outcome.is_success(), "{outcome:?}\n{plan:#?}");
            assert_eq!(left_to_do(&memory, &after).await, Vec::<String>::new());
            take_down(&memory, &after).await;
        });
    }
}

/// A project with one of everything that has an order: dependencies, a borrowed network, volumes, replicas, a job.
fn sample(value: &str) -> Project {
    let shape = |needs: &[(usize, u8, bool)], borrows, job| Shape {
        job,
        replicas: if job { 1 } else { 2 },
        needs: needs.to_vec(),
        borrows,
        networks: vec![0, 1],
        volume: Some(0),
        anonymous: true,
        secret: true,
        port: !borrows,
        healthcheck: !job,
    };
    let shapes = [
        shape(&[], false, false),
        shape(&[(0, 0, true)], false, true),
        shape(&[(0, 0, true), (1, 1, false)], false, false),
        shape(&[], true, false),
    ];
    let mut project = project(&shapes);
    for service in project.services.values_mut() {
        service.environment.insert("VALUE".into(), Some(value.into()));
    }
    project
}

/// The process is killed after each mutating call in turn, while bringing up and while replacing everything.
#[test]
fn a_crash_at_any_step_loses_nothing() {
    block_on(async {
        for crash in 0.. {
            let (memory, old, new) = (engine(), sample("old"), sample("new"));
            bring_up(&memory, &old, &Up::default()).await.expect("no crash was asked for");
            let volumes = anonymous_volumes(&memory, &old).await;
            let doomed = memory.reconnect();
            doomed.crash_after(crash);
            let end = bring_up(&doomed, &new, &Up::default()).await;
            let (_, outcome) = bring_up(&memory.reconnect(), &new, &Up::default()).await.expect("a new client reaches the engine");
            assert!(outcome.is_success(), "after {crash} calls: {outcome:?}");
            assert_eq!(left_to_do(&memory, &new).await, Vec::<String>::new(), "after {crash} calls");
            assert_eq!(anonymous_volumes(&memory, &new).await, volumes, "after {crash} calls");
            take_down(&memory, &new).await;
            if end.is_some_and(|(_, outcome)| outcome.is_success()) {
                assert!(crash > 30, "the sample has more calls than {crash}");
                return;
            }
        }
    });
}

/// The process is killed after each mutating call of a first `up`, and of `down`.
#[test]
fn a_crash_while_coming_or_going_leaves_nothing_behind() {
    block_on(async {
        for crash in 0.. {
            let (memory, project) = (engine(), sample("only"));
            let doomed = memory.reconnect();
            doomed.crash_after(crash);
            let end = bring_up(&doomed, &project, &Up::default()).await;
            let complete = end.is_some_and(|(_, outcome)| outcome.is_success());
            bring_up(&memory, &project, &Up::default()).await.expect("a new client reaches the engine");
            assert_eq!(left_to_do(&memory, &project).await, Vec::<String>::new(), "after {crash} calls");
            let doomed = memory.reconnect();
            doomed.crash_after(crash);
            let observed = observe(&memory, &project).await;
            let plan = down(&project.name, Some(&project), &observed, &Down::default()).expect("down has a plan");
            execute(&doomed, &plan, &Options::default()).await;
            take_down(&memory, &project).await;
            if complete {
                return;
            }
        }
    });
}

async fn anonymous_volumes(memory: &Memory, project: &Project) -> Vec<(String, String)> {
    let observed = observe(memory, project).await;
    let mounts = observed.containers.values().flat_map(|container| {
        let volumes = container.mounts.iter().filter(|mount| mount.target == "/cache");
        volumes.filter_map(|mount| Some((container.name.to_string(), mount.volume.as_ref()?.to_string())))
    });
    mounts.collect()
}

/// 500 services, each depending on the one before and some further back, one call at a time.
#[test]
fn a_deep_graph_ends_with_one_call_at_a_time() {
    block_on(async {
        let shape = |index: usize| Shape {
            job: false,
            replicas: 1,
            needs: [1, 7, 50].iter().filter(|&&back| back <= index).map(|back| (index - back, 0, true)).collect(),
            borrows: false,
            networks: vec![0],
            volume: None,
            anonymous: false,
            secret: false,
            port: false,
            healthcheck: index.is_multiple_of(5),
        };
        let shapes: Vec<Shape> = (0..500).map(shape).collect();
        let (memory, project) = (engine(), project(&shapes));
        let one = Options { parallel: NonZeroUsize::new(1) };
        let observed = observe(&memory, &project).await;
        let round = images(&project, &observed, &world(), &ImageOptions::default()).expect("images can be had");
        assert!(execute(&memory, &round, &one).await.is_success());
        let plan = up(&project, &observe(&memory, &project).await, &world(), &Up::default()).expect("a plan");
        let outcome = execute(&memory, &plan, &one).await;
        assert!(outcome.is_success());
        assert_eq!(outcome.done.len(), plan.steps.len());
        assert_eq!(left_to_do(&memory, &project).await, Vec::<String>::new());
        take_down(&memory, &project).await;
    });
}
