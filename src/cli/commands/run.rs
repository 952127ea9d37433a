//! `run`.

mod short;

use rcompose_engine_adapter::{Attach, ContainerName, Exec, Scope};
use rcompose_planner::{self as planner, Run, Up};
use rcompose_spec::Loaded;

use super::exec::environment;
use super::up::{Brought, bring_images, image_options, options};
use crate::args::{RunArgs, UpArgs};
use crate::bridge::{Controls, carry};
use crate::failure::Failure;
use crate::output;
use crate::rounds::{IMAGES, Rounds};
use crate::session::{Live, Session, Want};
use crate::signals::Interrupts;

/// Runs `run` and returns the status of the container.
pub(crate) async fn run(session: &Session, args: RunArgs) -> Result<u8, Failure> {
    let service = args.words.first().cloned().unwrap_or_default();
    if args.service_ports && !args.publish.is_empty() {
        return Err(Failure::usage("--service-ports and --publish contradict each other", "leave one of them out"));
    }
    let loaded = session.load(&Want::services(std::slice::from_ref(&service), !args.no_deps))?;
    let live = session.engine(Some(&loaded.project.name)).await?;
    let lock = session.lock(&live, &loaded.project.name).await?;
    let display = if args.quiet {
        crate::render::Display::Quiet
    } else {
        session.display(args.quiet_pull, args.quiet_build)?
    };
    let mut rounds = Rounds::new(session, &live, &loaded.origins, display);
    let world = session.world(&loaded, Some(&live))?;
    let up = as_up(&service, &args);
    let wanted = wanted(session, &loaded, &service, &args, options(session, &loaded.project, &up))?;
    let options = image_options(&up);
    let Brought { plan: images, observed, next } = bring_images(session, &live, &mut rounds, &loaded, &world, &options, |observed| {
        planner::run(&loaded.project, observed, &world, &wanted)
    })
    .await?;
    let mut container = next.as_ref().map_or_else(|| ContainerName::from(""), |next| next.container.clone());
    let plan = rounds
        .settle(args.yes, next.map(|next| next.prepare), |keep| {
            let mut wanted = wanted.clone();
            wanted.up.keep.clone_from(keep);
            let found = planner::run(&loaded.project, &observed, &world, &wanted)?;
            container = found.container;
            Ok(found.prepare)
        })
        .await?;
    if session.globals.dry_run {
        rounds.print(&[(IMAGES, &images), (session.verb, &plan)])?;
        output::line(&format!("  then start container {container}"))?;
        return Ok(0);
    }
    rounds.execute(&plan).await?;
    drop(lock);
    if wanted.exec.detach {
        live.engines.engine.start_container(&container).await?;
        let found = live.observe(&Scope::container(container.clone())).await?;
        output::line(found.containers.get(&container).map_or(container.as_str(), |it| &it.id))?;
        return Ok(0);
    }
    let done = foreground(&live, &container, &wanted, &mut rounds.interrupts).await;
    if args.rm {
        live.engines.engine.remove_container(&container, true).await?;
    }
    done
}

/// Starts the container, joined to this terminal, and returns its status.
async fn foreground(live: &Live, container: &ContainerName, wanted: &Run, interrupts: &mut Interrupts) -> Result<u8, Failure> {
    let (engine, streams) = (&live.engines.engine, &live.engines.streams);
    let joined = streams.attach(container, Attach { stdin: wanted.interactive, logs: false }).await?;
    engine.start_container(container).await?;
    let controls = Controls {
        resize: |size| streams.resize(container, size),
        interrupt: |signal| engine.kill_container(container, signal),
        detach: None,
    };
    carry(joined, wanted.interactive, wanted.exec.tty, controls, interrupts).await?;
    let status = engine.wait_container(container).await?;
    Ok(u8::try_from(status).unwrap_or(1))
}

/// What `run` shares with `up`: images, and what the service depends on.
fn as_up(service: &str, args: &RunArgs) -> UpArgs {
    UpArgs {
        services: vec![service.to_owned()],
        build: args.build,
        pull: args.pull,
        quiet_pull: args.quiet_pull,
        quiet_build: args.quiet_build,
        no_deps: args.no_deps,
        remove_orphans: args.remove_orphans,
        yes: args.yes,
        ..UpArgs::default()
    }
}

/// Translates the flags for the planner.
fn wanted(session: &Session, loaded: &Loaded, service: &str, args: &RunArgs, up: Up) -> Result<Run, Failure> {
    let short = short::read(session, loaded, args)?;
    let entrypoint = args.entrypoint.as_deref().map(split).transpose()?;
    let mut variables = short.environment;
    variables.extend(environment(session, &args.env));
    let tty = args.tty && !args.no_tty && !args.detach && session.caller.stdin_tty && session.caller.stdout_tty;
    Ok(Run {
        service: service.to_owned(),
        slug: slug()?,
        up,
        name: args.name.clone(),
        exec: Exec {
            command: args.words.iter().skip(1).cloned().collect(),
            environment: variables,
            user: args.user.clone(),
            working_dir: args.workdir.clone(),
            privileged: false,
            tty,
            stdin: args.interactive,
            detach: args.detach,
        },
        entrypoint,
        interactive: args.interactive && !args.detach,
        remove: args.rm,
        service_ports: args.service_ports,
        publish: short.ports,
        mounts: short.mounts,
        labels: args.label.iter().map(|(key, value)| (key.clone(), value.clone().unwrap_or_default())).collect(),
        use_aliases: args.use_aliases,
        cap_add: args.cap_add.clone(),
        cap_drop: args.cap_drop.clone(),
    })
}

/// Splits a line into words as a shell does.
fn split(line: &str) -> Result<Vec<String>, Failure> {
    shlex::split(line).ok_or_else(|| Failure::usage(format!("the quotes of `{line}` are not closed"), "close them"))
}

/// Draws the random part of the container's name: 12 hexadecimal digits, as docker compose does.
fn slug() -> Result<String, Failure> {
    let mut bytes = [0; 6];
    getrandom::fill(&mut bytes).map_err(|error| Failure::io("no random numbers", std::io::Error::other(error)))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
