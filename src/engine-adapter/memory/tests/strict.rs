//! Where the engine in memory is stricter than real ones, and what goes wrong on purpose.

use std::net::IpAddr;
use std::time::Duration;

use futures::StreamExt;
use rcompose_engine_adapter::{
    Attachment, BuildContext, BuildSpec, Check, ConfigHash, ContainerSpec, ContainerState, Dockerfile, Engine, ErrorKind, Feature, Hole,
    ImageConfig, ImageProgress, Images, Mount, MountKind, NetworkMode, PortSpec, Protocol, PullSpec, Restart, Scope, Streams, labels,
};
use rcompose_memory::{CallKind, Memory, Pace, Probes, Script, attachment, container, network, volume};

fn engine() -> Memory {
    let memory = Memory::new();
    memory.add_image("app", ImageConfig::default());
    memory
}

fn app(name: &str) -> ContainerSpec {
    ContainerSpec { network: NetworkMode::None, ..container(name, "app") }
}

fn attached(name: &str, attachments: Vec<Attachment>) -> ContainerSpec {
    ContainerSpec { network: NetworkMode::Networks { attachments }, ..app(name) }
}

fn published(name: &str, range: (u16, u16)) -> ContainerSpec {
    let port = PortSpec { target: 80, protocol: Protocol::Tcp, host_ip: None, published: Some(range) };
    ContainerSpec { ports: vec![port], ..app(name) }
}

async fn kind_of_create(memory: &Memory, spec: &ContainerSpec) -> Option<ErrorKind> {
    let before = memory.snapshot();
    let kind = memory.create_container(spec).await.err().map(|error| error.kind);
    assert!(kind.is_none() || memory.snapshot() == before, "a create that failed left something");
    kind
}

#[tokio::test(start_paused = true)]
async fn what_a_container_needs_has_to_be_there() {
    let memory = engine();
    let volume_mount = |name: &str| Mount {
        target: "/data".into(),
        kind: MountKind::Volume { name: name.into(), nocopy: false, subpath: None, labels: Default::default() },
        read_only: false,
    };
    let anonymous = Mount {
        target: "/cache".into(),
        kind: MountKind::Anonymous { carry: None, nocopy: false, labels: Default::default() },
        read_only: false,
    };
    let hole = Hole { marker: "@".into(), container: "never".into() };
    let hash = ConfigHash { preimage: "@".into(), dialects: Vec::new(), holes: vec![hole] };
    let cases = [
        (ContainerSpec { image: "other".into(), ..app("web") }, ErrorKind::ImageMissing),
        (attached("web", vec![attachment("nowhere")]), ErrorKind::NotFound),
        (ContainerSpec { mounts: vec![anonymous, volume_mount("nothing")], ..app("web") }, ErrorKind::NotFound),
        (ContainerSpec { volumes_from: vec!["never:ro".into()], ..app("web") }, ErrorKind::NotFound),
        (ContainerSpec { links: vec!["never:db".into()], ..app("web") }, ErrorKind::NotFound),
        (
            ContainerSpec { network: NetworkMode::Container { container: "never".into() }, ..app("web") },
            ErrorKind::NotFound,
        ),
        (ContainerSpec { config_hash: Some(hash), ..app("web") }, ErrorKind::NotFound),
        (app("a"), ErrorKind::Invalid),
        (app("-web"), ErrorKind::Invalid),
        (ContainerSpec { mounts: vec![volume_mount("v1"), volume_mount("v1")], ..app("web") }, ErrorKind::Invalid),
        (published("web", (90, 80)), ErrorKind::Invalid),
        (ContainerSpec { isolation: Some("hyperv".into()), ..app("web") }, ErrorKind::Unsupported),
    ];
    for (spec, kind) in cases {
        assert_eq!(kind_of_create(&memory, &spec).await, Some(kind), "{spec:?}");
    }
    assert_eq!(kind_of_create(&memory, &app("web")).await, None);
}

#[tokio::test(start_paused = true)]
async fn features_can_be_taken_away() {
    let memory = engine();
    let check = Check { start_interval: Some(Duration::from_secs(1)), ..Check::default() };
    let spec = ContainerSpec { healthcheck: Some(check), ..app("web") };
    memory.set_features(Feature::ALL.iter().copied().filter(|feature| *feature != Feature::StartInterval));
    assert_eq!(kind_of_create(&memory, &spec).await, Some(ErrorKind::Unsupported));
    memory.set_features(Feature::ALL.iter().copied());
    assert_eq!(kind_of_create(&memory, &spec).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_port_has_one_holder_and_the_error_names_it() {
    let memory = engine();
    memory.occupy_port("127.0.0.1".parse::<IpAddr>().unwrap(), 8080, Protocol::Tcp, "nginx (pid 42)");
    for (name, range) in [("one", (8000, 8001)), ("two", (8000, 8001)), ("three", (8000, 8001)), ("four", (8080, 8080))] {
        memory.create_container(&published(name, range)).await.unwrap();
    }
    memory.start_container(&"one".into()).await.unwrap();
    memory.start_container(&"two".into()).await.unwrap();
    let error = memory.start_container(&"three".into()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::PortTaken { port: 8000 });
    assert!(error.message.ends_with("port 0.0.0.0:8000/tcp is taken by container one"), "{error}");
    let error = memory.start_container(&"four".into()).await.unwrap_err();
    assert!(error.message.ends_with("taken by nginx (pid 42)"), "{error}");
    let observed = memory.observe(&Scope { ports: true, ..Scope::default() }).await.unwrap();
    assert_eq!(observed.ports.iter().map(|it| it.port).collect::<Vec<_>>(), [8000, 8001]);
    memory.kill_container(&"one".into(), "SIGKILL").await.unwrap();
    memory.start_container(&"three".into()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_in_use_stays_even_by_a_container_that_does_not_run() {
    let memory = engine();
    memory.create_network(&network("net")).await.unwrap();
    memory.create_volume(&volume("vol")).await.unwrap();
    let kind = MountKind::Volume { name: "vol".into(), nocopy: false, subpath: None, labels: Default::default() };
    let mut spec = attached("web", vec![attachment("net")]);
    spec.mounts = vec![Mount { target: "/data".into(), kind, read_only: false }];
    memory.create_container(&spec).await.unwrap();
    assert_eq!(memory.remove_network(&"net".into()).await.unwrap_err().kind, ErrorKind::Conflict);
    assert_eq!(memory.remove_volume(&"vol".into()).await.unwrap_err().kind, ErrorKind::Conflict);
    assert_eq!(memory.remove_image(&"app:latest".into()).await.unwrap_err().kind, ErrorKind::Conflict);
    memory.remove_container(&"web".into(), true).await.unwrap();
    memory.remove_network(&"net".into()).await.unwrap();
    memory.remove_volume(&"vol".into()).await.unwrap();
    memory.remove_image(&"app".into()).await.unwrap();
    assert!(memory.snapshot().is_bare() && memory.snapshot().images.is_empty());
}

#[tokio::test(start_paused = true)]
async fn images_are_pulled_and_built_as_scripted() {
    let memory = Memory::new();
    memory.add_remote("db:1", ImageConfig::default());
    let pull = |image: &str| memory.pull(&PullSpec { image: image.into(), platform: None });
    let items: Vec<_> = pull("docker.io/library/db:1").collect().await;
    assert!(matches!(items.last(), Some(Ok(ImageProgress::Done(_)))), "{items:?}");
    let items: Vec<_> = pull("db:2").collect().await;
    assert_eq!(items.last().and_then(|it| it.as_ref().err()).map(|error| error.kind.clone()), Some(ErrorKind::ImageMissing));
    let old = memory.observe(&Scope { images: ["db:1".into()].into(), ..Scope::default() }).await.unwrap().images;
    memory.add_remote("db:1", ImageConfig { user: "db".into(), ..ImageConfig::default() });
    let _: Vec<_> = pull("db:1").collect().await;
    let new = memory.observe(&Scope { images: ["db:1".into()].into(), ..Scope::default() }).await.unwrap().images;
    assert_ne!(old[&"db:1".into()].id, new[&"db:1".into()].id, "a newer image has another id");
    memory.fail_build("web", "RUN failed");
    let items: Vec<_> = memory.build(&build("web")).collect().await;
    assert!(matches!(&items[..], [Ok(ImageProgress::Output(_)), Err(error)] if error.message == "RUN failed"), "{items:?}");
    let items: Vec<_> = memory.build(&build("api")).collect().await;
    assert!(matches!(items.last(), Some(Ok(ImageProgress::Done(_)))), "{items:?}");
    assert!(memory.snapshot().images.contains(&"p-api:latest".into()));
}

fn build(service: &str) -> BuildSpec {
    BuildSpec {
        name: service.into(),
        context: BuildContext::Folder("/src".into()),
        dockerfile: Dockerfile::Inline("FROM scratch".into()),
        tags: vec![format!("p-{service}").into()],
        args: Default::default(),
        target: None,
        labels: Default::default(),
        cache_from: Vec::new(),
        cache_to: Vec::new(),
        no_cache: false,
        no_cache_filter: Vec::new(),
        pull: false,
        network: None,
        extra_hosts: Vec::new(),
        shm_size: None,
        memory: None,
        ulimits: Default::default(),
        platforms: Vec::new(),
        isolation: None,
        additional_contexts: Default::default(),
        secrets: Default::default(),
        ssh: Vec::new(),
        entitlements: Vec::new(),
        privileged: false,
        provenance: None,
        sbom: None,
    }
}

#[tokio::test(start_paused = true)]
async fn scripts_count_starts_and_restarts_follow_the_policy() {
    let memory = engine();
    memory.script("web", [Script::exits(1), Script::exits_after(Duration::from_secs(1), 2), Script::runs()]);
    memory.create_container(&ContainerSpec { restart: Restart::Always, ..app("web") }).await.unwrap();
    memory.start_container(&"web".into()).await.unwrap();
    let state = async || memory.observe(&Scope::container("web".into())).await.unwrap().containers[&"web".into()].state;
    assert_eq!(state().await, ContainerState::Restarting);
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(state().await, ContainerState::Running, "the first restart comes after 100 ms");
    tokio::time::sleep(Duration::from_millis(1000)).await;
    assert_eq!(state().await, ContainerState::Restarting);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(state().await, ContainerState::Running);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(state().await, ContainerState::Running);
}

#[tokio::test(start_paused = true)]
async fn probes_say_what_was_scripted_in_the_time_of_the_check() {
    let memory = engine();
    memory.script("web", [Script::runs().probed(Probes::PassAfter(2))]);
    let test = Some(rcompose_engine_adapter::Test::Shell("curl -f localhost".into()));
    let check = Check { test, interval: Some(Duration::from_secs(10)), retries: Some(2), ..Check::default() };
    memory.create_container(&ContainerSpec { healthcheck: Some(check), ..app("web") }).await.unwrap();
    memory.start_container(&"web".into()).await.unwrap();
    for (seconds, expected) in [(5, "starting"), (10, "starting"), (10, "unhealthy"), (10, "healthy")] {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let seen = memory.observe(&Scope::container("web".into())).await.unwrap();
        let health = seen.containers[&"web".into()].health.map(rcompose_engine_adapter::HealthStatus::as_str);
        assert_eq!(health, Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_cuts_one_client_off_and_keeps_what_is_there() {
    let memory = engine();
    memory.crash_after(2);
    memory.create_volume(&volume("one")).await.unwrap();
    memory.observe(&Scope::default()).await.unwrap();
    let mut events = memory.events(&Scope { projects: rcompose_engine_adapter::Projects::All, ..Scope::default() });
    memory.create_volume(&volume("two")).await.unwrap();
    assert_eq!(memory.create_volume(&volume("three")).await.unwrap_err().kind, ErrorKind::Unreachable);
    assert_eq!(memory.observe(&Scope::default()).await.unwrap_err().kind, ErrorKind::Unreachable);
    assert_eq!(events.next().await.unwrap().unwrap_err().kind, ErrorKind::Unreachable);
    assert!(events.next().await.is_none());
    let next = memory.reconnect();
    assert_eq!(next.snapshot().volumes.keys().map(ToString::to_string).collect::<Vec<_>>(), ["one", "two"]);
    next.create_volume(&volume("three")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn calls_are_recorded_and_fail_on_request() {
    let memory = engine();
    memory.fail_nth(2, ErrorKind::Denied);
    memory.fail_when(|call| call.kind == CallKind::CreateNetwork && call.object == "bad", ErrorKind::Other);
    memory.create_network(&network("good")).await.unwrap();
    assert_eq!(memory.create_network(&network("other")).await.unwrap_err().kind, ErrorKind::Denied);
    assert_eq!(memory.create_network(&network("bad")).await.unwrap_err().message, "create_network bad failed on purpose");
    memory.observe(&Scope::default()).await.unwrap();
    let calls: Vec<String> = memory.calls().iter().map(ToString::to_string).collect();
    assert_eq!(calls, ["create_network good", "create_network other", "create_network bad", "observe "]);
    assert_eq!(memory.mutations().len(), 3);
    assert_eq!(memory.snapshot().networks.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_seed_gives_the_same_order_again() {
    let order = async |seed| {
        let memory = engine();
        memory.set_pace(Pace::Sleeps { seed, longest: Duration::from_millis(100) });
        let specs: Vec<_> = (0..20).map(|number| volume(format!("vol{number}"))).collect();
        let mut done = Vec::new();
        let mut calls: futures::stream::FuturesUnordered<_> = specs
            .iter()
            .map(|spec| async { memory.create_volume(spec).await.map(|()| spec.name.clone()).unwrap() })
            .collect();
        while let Some(name) = calls.next().await {
            done.push(name);
        }
        (done, memory.most_in_flight().mutating)
    };
    let (first, most) = order(1).await;
    assert_eq!(most, 20);
    assert_eq!(first, order(1).await.0);
    assert_ne!(first, order(2).await.0);
}

#[tokio::test(start_paused = true)]
async fn fixed_addresses_need_a_subnet_and_are_given_once() {
    let memory = engine();
    memory.create_network(&network("plain")).await.unwrap();
    let mut with_subnet = network("subnet");
    with_subnet.ipam_pools = vec![rcompose_engine_adapter::IpamPool { subnet: Some("10.9.8.0/24".into()), ..Default::default() }];
    memory.create_network(&with_subnet).await.unwrap();
    let fixed = |network: &str| Attachment { ipv4_address: Some("10.9.8.7".into()), ..attachment(network) };
    assert_eq!(kind_of_create(&memory, &attached("one", vec![fixed("plain")])).await, Some(ErrorKind::Invalid));
    assert_eq!(kind_of_create(&memory, &attached("one", vec![fixed("subnet")])).await, None);
    assert_eq!(kind_of_create(&memory, &attached("two", vec![fixed("subnet")])).await, Some(ErrorKind::Conflict));
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_recreated_keeps_its_anonymous_volume() {
    let memory = Memory::new();
    memory.add_image("db", ImageConfig { volumes: ["/var/lib/db".to_owned()].into(), ..ImageConfig::default() });
    memory.create_container(&container("p-db-1", "db")).await.unwrap();
    let read = memory.observe(&Scope { detail: true, ..Scope::container("p-db-1".into()) }).await.unwrap();
    let spec = read.containers[&"p-db-1".into()].spec.clone().unwrap();
    assert!(
        matches!(&spec.mounts[..], [Mount { kind: MountKind::Anonymous { carry: Some(_), .. }, .. }]),
        "{:?}",
        spec.mounts
    );
    memory.create_container(&ContainerSpec { name: "tmp".into(), ..*spec.clone() }).await.unwrap();
    memory.remove_container(&"p-db-1".into(), true).await.unwrap();
    assert_eq!(memory.snapshot().anonymous_volumes, 1, "a volume that another container carries on stays");
    memory.rename_container(&"tmp".into(), &"p-db-1".into()).await.unwrap();
    memory.remove_container(&"p-db-1".into(), true).await.unwrap();
    assert!(memory.snapshot().is_bare());
}

#[tokio::test(start_paused = true)]
async fn a_log_is_followed_over_a_restart_and_filtered_by_time() {
    let memory = engine();
    let ends = |line| Script::exits_after(Duration::from_secs(2), 1).saying(&[line]);
    memory.script("web", [ends("first"), ends("second")]);
    memory
        .create_container(&ContainerSpec { restart: Restart::OnFailure { attempts: 1 }, ..app("web") })
        .await
        .unwrap();
    memory.start_container(&"web".into()).await.unwrap();
    let follow = rcompose_engine_adapter::LogOptions { follow: true, ..Default::default() };
    let lines: Vec<_> = memory.logs(&"web".into(), &follow).map(|line| line.unwrap()).collect().await;
    assert_eq!(lines.iter().map(|it| it.line.as_ref()).collect::<Vec<_>>(), [&b"first"[..], b"second"]);
    // The engine boots on 2025-01-01; the second start comes 2.1 s after the first.
    assert!(lines[1].timestamp.starts_with("2025-01-01T00:00:02.1"), "{}", lines[1].timestamp);
    let since = rcompose_engine_adapter::LogOptions { since: Some((1_735_689_601, 0)), ..Default::default() };
    assert_eq!(memory.logs(&"web".into(), &since).count().await, 1);
}

#[tokio::test(start_paused = true)]
async fn labels_come_from_the_image_the_spec_and_the_engine() {
    let memory = Memory::new();
    let image = ImageConfig { labels: [("vendor".to_owned(), "x".to_owned())].into(), ..ImageConfig::default() };
    memory.add_image("app", image);
    let mut spec = app("web");
    spec.labels.insert(labels::PROJECT.into(), "p".into());
    memory.create_container(&spec).await.unwrap();
    let seen = memory.observe(&Scope::project("p")).await.unwrap();
    let all = &seen.containers[&"web".into()].labels;
    assert_eq!(all.keys().map(String::as_str).collect::<Vec<_>>(), [labels::IMAGE, labels::PROJECT, "vendor"]);
}
