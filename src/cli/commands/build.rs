//! `build`.

use std::collections::BTreeMap;

use futures::StreamExt;
use rcompose_engine_adapter::ImageProgress;
use rcompose_planner::{self as planner, Action, Build, BuildOptions, ImageOptions, Plan};

use crate::args::BuildArgs;
use crate::failure::Failure;
use crate::rounds::{IMAGES, Rounds};
use crate::session::{Live, Session, Want};

/// Runs `build`.
pub(crate) async fn run(session: &Session, args: &BuildArgs) -> Result<u8, Failure> {
    check(args)?;
    for (given, flag) in [(args.compress, "--compress"), (args.no_rm || !args.force_rm, "--no-rm")] {
        if given {
            // As with docker compose, which takes them for the sake of old scripts.
            session.say(&format!("{flag} has no effect"));
        }
    }
    let loaded = session.load(&Want::services(&args.services, args.with_dependencies))?;
    let live = session.engine(Some(&loaded.project.name)).await?;
    let lock = session.lock(&live, &loaded.project.name).await?;
    let mut rounds = Rounds::new(session, &live, &loaded.origins, session.display(args.quiet, args.quiet)?);
    let world = session.world(&loaded, Some(&live))?;
    let observed = live.observe(&planner::scope(&loaded.project, &world)).await?;
    let services: Vec<String> = loaded.project.services.values().filter(|it| it.build.is_some()).map(|it| it.name.clone()).collect();
    if services.is_empty() {
        session.say("No services to build");
        return Ok(0);
    }
    let options = ImageOptions {
        services,
        build: Build::Always,
        build_options: build_options(session, args)?,
        ..ImageOptions::default()
    };
    let plan = planner::images(&loaded.project, &observed, &world, &options).map_err(|error| Failure::plan(error, &loaded.origins))?;
    if session.globals.dry_run {
        rounds.print(&[(IMAGES, &plan)])?;
        return Ok(0);
    }
    rounds.one_at_a_time(!args.parallel);
    rounds.execute(&plan).await?;
    drop(lock);
    if args.push {
        push(session, &live, &plan).await?;
    }
    Ok(0)
}

/// Refuses by name what the engine's own builder cannot do.
fn check(args: &BuildArgs) -> Result<(), Failure> {
    let refused = [
        (args.builder.as_deref().is_some_and(|name| name != "default"), "`--builder`"),
        (args.check, "`--check`"),
        (args.print, "`--print`"),
    ];
    match refused.into_iter().find(|(given, _)| *given) {
        Some((_, flag)) => Err(Failure::NotInThisVersion(format!("{flag} of build (images are built by the engine's own builder)"))),
        None => Ok(()),
    }
}

fn build_options(session: &Session, args: &BuildArgs) -> Result<BuildOptions, Failure> {
    let mut values = BTreeMap::new();
    for (key, value) in &args.build_arg {
        // Without a value it is taken from here, and left out where it is not set.
        if let Some(value) = value.clone().or_else(|| session.caller.env.get(key).cloned()) {
            values.insert(key.clone(), value);
        }
    }
    let memory = args.memory.as_deref().map(bytes).transpose()?;
    Ok(BuildOptions {
        args: values,
        no_cache: args.no_cache,
        pull: args.pull,
        memory,
        ssh: args.ssh.clone(),
        provenance: args.provenance.clone(),
        sbom: args.sbom.clone(),
    })
}

/// Reads a size such as `512m`; units are binary, as docker's are.
fn bytes(text: &str) -> Result<i64, Failure> {
    let lower = text.trim().to_ascii_lowercase();
    let number = lower.trim_end_matches('b').trim_end_matches('i');
    let (number, power) = match number.strip_suffix(['k', 'm', 'g', 't']) {
        Some(rest) if number.ends_with('k') => (rest, 1),
        Some(rest) if number.ends_with('m') => (rest, 2),
        Some(rest) if number.ends_with('g') => (rest, 3),
        Some(rest) => (rest, 4),
        None => (number, 0),
    };
    let size = number
        .trim()
        .parse::<f64>()
        .ok()
        .map(|number| number * 1024_f64.powi(power))
        .filter(|size| (0.0..9.0e18).contains(size));
    #[expect(clippy::cast_possible_truncation, reason = "bounded just above")]
    size.map(|size| size as i64)
        .ok_or_else(|| Failure::usage(format!("`{text}` is no size"), "write for example 512m or 2g"))
}

/// Pushes every tag that was built, one after the other.
async fn push(session: &Session, live: &Live, plan: &Plan) -> Result<(), Failure> {
    for step in &plan.steps {
        let Action::BuildImage(spec) = &step.action else { continue };
        for tag in &spec.tags {
            session.say(&format!(" Image {tag}  Pushing"));
            let mut progress = live.engines.images.push(tag);
            while let Some(piece) = progress.next().await {
                if let ImageProgress::Status(status) = piece? {
                    tracing::debug!(%tag, status, "push");
                }
            }
            session.say(&format!(" Image {tag}  Pushed"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary() {
        for (text, size) in [("512", 512), ("512m", 536_870_912), ("1.5GiB", 1_610_612_736), ("2kb", 2048)] {
            assert_eq!(bytes(text).unwrap(), size, "{text}");
        }
        assert!(bytes("x").is_err() && bytes("").is_err() && bytes("-1m").is_err());
    }
}
