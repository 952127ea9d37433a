//! `up`, `create`, `plan` and what `run` shares with them: images first, then networks, volumes and containers.

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::time::Duration;

use rcompose_engine_adapter::{ContainerName, ContainerState, Observed, PullPolicy};
use rcompose_planner::{self as planner, Build, ImageOptions, Plan, PlanError, Recreate, Up, Wait, World};
use rcompose_spec::Loaded;
use rcompose_spec::model::Project;

use crate::args::{PlanArgs, PlanFormat, Progress, PullWhen, UpArgs, grace};
use crate::attach::{Attached, Shutdown};
use crate::failure::Failure;
use crate::rounds::{IMAGES, Rounds, print_plans};
use crate::session::{Live, Session, Want};

/// Runs `up` or `create`.
pub(crate) async fn run(session: &Session, args: UpArgs) -> Result<u8, Failure> {
    check(session, &args)?;
    // The process ends with this verb, and to take apart what it knows of hundreds of services would take it longer than to end.
    let loaded = ManuallyDrop::new(session.load(&Want::services(&args.services, !args.no_deps))?);
    known(&loaded.project, &args)?;
    let live = session.engine(Some(&loaded.project.name)).await?;
    let lock = session.lock(&live, &loaded.project.name).await?;
    let display = session.display(args.quiet_pull, args.quiet_build)?;
    let mut rounds = Rounds::new(session, &live, &loaded.origins, display);
    let world = session.world(&loaded, Some(&live))?;
    let attached = stays_attached(&args);
    // Before anything starts, so that no line and no end is missed.
    let follow = if attached && !session.globals.dry_run {
        Some(Attached::new(session, &live, &loaded, &args))
    } else {
        None
    };

    let images = image_options(&args);
    let options = options(session, &loaded.project, &args);
    let Brought { plan: image_plan, observed, next } = bring_images(session, &live, &mut rounds, &loaded, &world, &images, |observed| {
        planner::up(&loaded.project, observed, &world, &options)
    })
    .await?;
    let observed = ManuallyDrop::new(observed);
    let plan = rounds
        .settle(args.yes, next, |keep| {
            planner::up(&loaded.project, &observed, &world, &Up { keep: keep.clone(), ..options.clone() })
        })
        .await?;
    if session.globals.dry_run {
        rounds.print(&[(IMAGES, &image_plan), (session.verb, &plan)])?;
        return Ok(0);
    }
    if !args.no_start {
        let runs = |it: &&ContainerName| observed.containers.get(*it).is_some_and(|it| it.state == ContainerState::Running);
        rounds.display.stay(&plan, plan.unchanged.iter().filter(runs));
    }
    rounds.execute(&plan).await?;
    drop(lock);
    match follow {
        Some(follow) => follow.until_end(&mut rounds.interrupts, Shutdown { grace: grace(args.timeout) }).await,
        None => Ok(0),
    }
}

/// Runs `plan`: 0 where there is nothing to do, 2 where there is.
pub(crate) async fn plan(session: &Session, args: PlanArgs) -> Result<u8, Failure> {
    check(session, &args.up)?;
    let loaded = session.load(&Want::services(&args.up.services, !args.up.no_deps))?;
    let live = session.engine(Some(&loaded.project.name)).await?;
    let world = session.world(&loaded, Some(&live))?;
    let observed = live.observe(&planner::scope(&loaded.project, &world)).await?;
    let failed = |error| Failure::plan(error, &loaded.origins);
    let images = planner::images(&loaded.project, &observed, &world, &image_options(&args.up));
    let plan = planner::up(&loaded.project, &observed, &world, &options(session, &loaded.project, &args.up));
    let both = both(images, plan);
    session.say_checks(&loaded, &both);
    let (images, plan) = both.map_err(failed)?;
    let json = args.json || args.format == Some(PlanFormat::Json) || session.globals.progress == Some(Progress::Json);
    print_plans(session, &loaded.origins, &[(IMAGES, &images), ("up", &plan)], json)?;
    Ok(if images.is_empty() && plan.is_empty() { 0 } else { 2 })
}

/// Joins what stands against two rounds.
fn both<A, B>(one: Result<A, PlanError>, other: Result<B, PlanError>) -> Result<(A, B), PlanError> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        (Err(mut error), Err(other)) => {
            let more: Vec<_> = other.problems.into_iter().filter(|problem| !error.problems.contains(problem)).collect();
            error.problems.extend(more);
            Err(error)
        }
    }
}

/// What is known once images are there.
pub(crate) struct Brought<T> {
    /// The round that brought them.
    pub(crate) plan: Plan,
    /// What is there then.
    pub(crate) observed: Observed,
    /// What comes next, where bringing images changed nothing about it.
    pub(crate) next: Option<T>,
}

/// Does the round that brings images, once it is known that nothing stands against the `next`.
pub(crate) async fn bring_images<T>(
    session: &Session,
    live: &Live,
    rounds: &mut Rounds<'_>,
    loaded: &Loaded,
    world: &World,
    options: &ImageOptions,
    next: impl FnOnce(&Observed) -> Result<T, PlanError>,
) -> Result<Brought<T>, Failure> {
    let scope = planner::scope(&loaded.project, world);
    let observed = live.observe(&scope).await?;
    let plan = planner::images(&loaded.project, &observed, world, options);
    // What stands against the next round is said before anything is pulled.
    let both = both(plan, next(&observed));
    session.say_checks(loaded, &both);
    let (plan, next) = both.map_err(|error| Failure::plan(error, &loaded.origins))?;
    if session.globals.dry_run || plan.is_empty() {
        if !session.globals.dry_run {
            rounds.show_notices(&plan);
        }
        return Ok(Brought { plan, observed, next: Some(next) });
    }
    rounds.execute(&plan).await?;
    let observed = live.observe(&scope).await?;
    Ok(Brought { plan, observed, next: None })
}

/// Refuses flags that contradict each other, and those that are not in this version.
fn check(session: &Session, args: &UpArgs) -> Result<(), Failure> {
    if args.watch {
        return Err(Failure::NotInThisVersion("`--watch`".into()));
    }
    if args.menu {
        return Err(Failure::NotInThisVersion("`--menu`".into()));
    }
    let conflict =
        |one: &str, other: &str| Err(Failure::usage(format!("{one} and {other} contradict each other"), "leave one of them out"));
    if args.build && args.no_build {
        return conflict("--build", "--no-build");
    }
    if args.force_recreate && args.no_recreate {
        return conflict("--force-recreate", "--no-recreate");
    }
    if args.renew_anon_volumes && args.no_recreate {
        return conflict("--renew-anon-volumes", "--no-recreate");
    }
    if args.always_recreate_deps && args.no_recreate {
        return conflict("--always-recreate-deps", "--no-recreate");
    }
    if args.attach_dependencies && !args.attach.is_empty() {
        return conflict("--attach", "--attach-dependencies");
    }
    let stops = args.abort_on_container_exit || args.abort_on_container_failure || args.exit_code_from.is_some();
    if args.abort_on_container_exit && args.abort_on_container_failure {
        return conflict("--abort-on-container-exit", "--abort-on-container-failure");
    }
    let shows = args.attach_dependencies || !args.attach.is_empty();
    for (background, flag) in [(args.detach, "--detach"), (args.wait, "--wait"), (args.no_start, "--no-start")] {
        if background && stops {
            return conflict(flag, "--abort-on-container-exit, --abort-on-container-failure and --exit-code-from");
        }
        if background && shows {
            return conflict(flag, "--attach and --attach-dependencies");
        }
    }
    if args.no_start && args.wait {
        return conflict("--no-start", "--wait");
    }
    if args.wait_timeout.is_some() && !args.wait {
        return Err(Failure::usage("--wait-timeout has an effect with --wait only", "add --wait"));
    }
    if session.caller.says("COMPOSE_MENU") && stays_attached(args) && session.can_ask() {
        session.say("COMPOSE_MENU: the menu is not in this version");
    }
    Ok(())
}

/// Refuses services named by flags that no file knows.
fn known(project: &Project, args: &UpArgs) -> Result<(), Failure> {
    let named = args
        .attach
        .iter()
        .chain(&args.no_attach)
        .chain(&args.exit_code_from)
        .chain(args.scale.iter().map(|(name, _)| name));
    if project.services.is_empty() {
        let hint = if project.disabled.is_empty() {
            "the file has no services"
        } else {
            "every service belongs to a profile: enable one with `--profile`, or name a service"
        };
        return Err(Failure::refused_with("no service selected".to_owned(), hint));
    }
    for service in named {
        if !project.services.contains_key(service) && !project.disabled.contains_key(service) {
            return Err(Failure::refused_with(format!("no such service: {service}"), "`rcompose config --services` lists them"));
        }
    }
    match &args.exit_code_from {
        Some(service) if !project.services.contains_key(service) => Err(Failure::usage(
            format!("service {service} is not part of this `up`"),
            "name it, or leave --exit-code-from out",
        )),
        _ => Ok(()),
    }
}

fn stays_attached(args: &UpArgs) -> bool {
    !(args.detach || args.wait || args.no_start)
}

/// Translates the flags for the round that brings images.
pub(crate) fn image_options(args: &UpArgs) -> ImageOptions {
    ImageOptions {
        services: Vec::new(),
        pull: args.pull.and_then(pull_policy),
        build: match (args.build || args.pull == Some(PullWhen::Build), args.no_build) {
            (true, _) => Build::Always,
            (false, true) => Build::Never,
            (false, false) => Build::Missing,
        },
        scale: scales(args),
        ..ImageOptions::default()
    }
}

/// Translates `--pull`; `policy` is what each service says.
pub(crate) fn pull_policy(when: PullWhen) -> Option<PullPolicy> {
    match when {
        PullWhen::Always => Some(PullPolicy::Always),
        PullWhen::Missing => Some(PullPolicy::Missing),
        PullWhen::Never => Some(PullPolicy::Never),
        PullWhen::Build => Some(PullPolicy::Build),
        PullWhen::Policy => None,
    }
}

fn scales(args: &UpArgs) -> BTreeMap<String, u32> {
    args.scale.iter().cloned().collect()
}

/// Translates the flags for the planner.
pub(crate) fn options(session: &Session, project: &Project, args: &UpArgs) -> Up {
    let recreate = if args.no_recreate {
        Recreate::Never
    } else if args.force_recreate || args.renew_anon_volumes {
        Recreate::Force
    } else {
        Recreate::Diverged
    };
    let limit = args.wait_timeout.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
    Up {
        services: args.services.clone(),
        recreate,
        recreate_dependencies: if args.always_recreate_deps {
            Recreate::Force
        } else if args.no_recreate {
            Recreate::Never
        } else {
            Recreate::Diverged
        },
        no_deps: args.no_deps,
        renew_anonymous_volumes: args.renew_anon_volumes,
        remove_orphans: args.remove_orphans || (session.verb != "scale" && session.says(Some(project), "COMPOSE_REMOVE_ORPHANS")),
        ignore_orphans: session.says(Some(project), "COMPOSE_IGNORE_ORPHANS"),
        scale: scales(args),
        start: !args.no_start,
        wait: args.wait.then(|| Wait { limit: limit.map(Duration::from_secs) }),
        timeout: grace(args.timeout),
        adopt: args.adopt,
        ..Up::default()
    }
}
