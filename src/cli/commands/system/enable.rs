//! `system enable` and `disable`: a project that comes up with the machine.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcompose_engine_adapter::{Projects, Restart, Scope, labels};
use rcompose_spec::check_project_name;

use super::unit::{HEAD, Unit};
use crate::args::{SystemDisableArgs, SystemEnableArgs};
use crate::failure::Failure;
use crate::output;
use crate::session::{Chosen, Session, Want, native};

/// Where units of the machine's administrator are. Source: systemd.unit(5).
const UNITS: &str = "/etc/systemd/system";
/// There where systemd is the first process. Source: sd_booted(3).
const BOOTED: &str = "/run/systemd/system";
/// Variables that say where state, keys and credentials are.
const KEPT: [&str; 4] = ["RCOMPOSE_ROOT", "HOME", "XDG_STATE_HOME", "DOCKER_CONFIG"];

/// Runs `system enable`.
pub(super) async fn run(session: &Session, args: SystemEnableArgs) -> Result<u8, Failure> {
    let described = match &args.project {
        Some(project) => Described::Named(project.clone()),
        None => Described::here(session)?,
    };
    check_project_name(described.project())?;
    let chosen = session.choose(Some(described.project())).await?;
    if chosen.live.engines.engine.name() != "native" {
        return Err(Failure::refused_with(
            format!("project {} is on docker, which brings containers up with the machine itself", described.project()),
            "give its services `restart: always` or `unless-stopped`, and enable docker's own service: `systemctl enable docker`",
        ));
    }
    let unit = unit(session, &chosen, described).await?;
    let text = unit.text()?;
    if args.print || session.globals.dry_run {
        output::out(&text)?;
        return Ok(0);
    }
    booted(&unit)?;
    let name = Unit::name(&unit.project);
    let path = Path::new(UNITS).join(&name);
    is_ours(&path)?;
    write(&path, &text)?;
    systemctl(&["daemon-reload"])?;
    // Started now, so that it is there to stop the project in order.
    systemctl(&["enable", "--now", &name])?;
    output::line(&format!("Project {} comes up with the machine: {}", unit.project, path.display()))?;
    session.say("Variables of this shell are not kept: what the files need of them belongs into `.env`.");
    warn(session, &chosen, &unit.project).await?;
    Ok(0)
}

/// Says so where nothing would come up.
async fn warn(session: &Session, chosen: &Chosen, project: &str) -> Result<(), Failure> {
    let observed = chosen.live.observe(&Scope::project(project)).await?;
    let policies = observed.containers.values().filter_map(|it| it.spec.as_ref()).map(|it| it.restart);
    if !policies.clone().any(|it| matches!(it, Restart::Always | Restart::UnlessStopped)) {
        session.say(if observed.containers.is_empty() {
            "It has no container yet: `rcompose up -d` makes them."
        } else {
            "None of its containers says so itself: give its services `restart: always` or `unless-stopped`, then `rcompose up -d`."
        });
    }
    Ok(())
}

/// Runs `system disable`.
pub(super) async fn disable(session: &Session, args: SystemDisableArgs) -> Result<u8, Failure> {
    let project = match args.project {
        Some(project) => project,
        None => session.named()?.name().to_owned(),
    };
    check_project_name(&project)?;
    let name = Unit::name(&project);
    let path = Path::new(UNITS).join(&name);
    if !is_ours(&path)? {
        output::line(&format!("Project {project} does not come up with the machine"))?;
        return Ok(0);
    }
    let is_booted = Path::new(BOOTED).is_dir();
    if is_booted {
        systemctl(&["disable", &name])?;
    }
    fs::remove_file(&path).map_err(|error| Failure::io(format!("cannot remove {}", path.display()), error))?;
    if is_booted {
        systemctl(&["daemon-reload"])?;
    }
    output::line(&format!("Project {project} does not come up with the machine any more; what runs goes on"))?;
    Ok(0)
}

/// How a project is known.
enum Described {
    /// By the files that are here.
    Files {
        project: String,
        folder: PathBuf,
        files: Vec<PathBuf>,
        env_files: Vec<PathBuf>,
        profiles: Vec<String>,
    },
    /// By its name: its containers know the rest.
    Named(String),
}

impl Described {
    fn here(session: &Session) -> Result<Self, Failure> {
        let (discovered, loaded) = match session.load_quietly(&Want::all()) {
            Ok(found) => found,
            // A name that a flag gives may stand without files.
            Err(error) => return session.given_name().map(Self::Named).ok_or(error),
        };
        let sources = discovered.sources;
        if sources.files.iter().any(|it| it.as_os_str() == "-") {
            return Err(Failure::usage("a unit reads no standard input", "write the compose file to disk, and name it with -f"));
        }
        Ok(Self::Files {
            project: loaded.project.name,
            files: sources.files.iter().map(|it| session.caller.absolute(it)).collect(),
            folder: sources.working_dir,
            env_files: session.env_files(),
            profiles: sources.profiles,
        })
    }

    fn project(&self) -> &str {
        match self {
            Self::Files { project, .. } | Self::Named(project) => project,
        }
    }
}

async fn unit(session: &Session, chosen: &Chosen, described: Described) -> Result<Unit, Failure> {
    let described = match described {
        Described::Named(project) => by_containers(chosen, project, session.globals.profile.clone()).await?,
        files @ Described::Files { .. } => files,
    };
    let Described::Files { project, folder, files, env_files, profiles } = described else {
        return Err(Failure::refused("a project without files has no unit"));
    };
    let mut words: Vec<String> = ["--engine", "native", "-p", &project].map(str::to_owned).to_vec();
    words.extend(["--project-directory".to_owned(), text(&folder)?]);
    let lists = [("-f", &files), ("--env-file", &env_files)];
    for (flag, path) in lists.iter().flat_map(|(flag, list)| list.iter().map(move |path| (*flag, path))) {
        words.extend([flag.to_owned(), text(path)?]);
    }
    if session.compatibility() {
        words.push("--compatibility".to_owned());
    }
    for profile in profiles {
        words.extend(["--profile".to_owned(), profile]);
    }
    let program = std::env::current_exe().map_err(|error| Failure::io("cannot find out where this program is", error))?;
    let kept = |key: &str| {
        let value = match key {
            "RCOMPOSE_ROOT" => session.caller.var(key).map(|_| native::root(&session.caller).display().to_string()),
            _ => session.caller.var(key).map(str::to_owned),
        };
        Some((key.to_owned(), value?))
    };
    let folders = files.iter().chain(&env_files).filter_map(|it| it.parent());
    let root = native::root(&session.caller);
    let paths: BTreeSet<&Path> = folders.chain([root.as_path(), folder.as_path()]).collect();
    Ok(Unit {
        paths: paths.into_iter().map(text).collect::<Result<_, _>>()?,
        project,
        program: text(&program)?,
        words,
        environment: KEPT.into_iter().filter_map(kept).collect(),
    })
}

/// Reads from its containers which files a project was made from.
async fn by_containers(chosen: &Chosen, project: String, profiles: Vec<String>) -> Result<Described, Failure> {
    let scope = Scope { projects: Projects::One(project.clone()), ..Scope::default() };
    let observed = chosen.live.observe(&scope).await?;
    let label = |key: &str| {
        observed
            .containers
            .values()
            .find_map(|it| it.label(key).filter(|it| !it.is_empty()).map(str::to_owned))
    };
    let (Some(folder), Some(files)) = (label(labels::WORKING_DIR), label(labels::CONFIG_FILES)) else {
        return Err(Failure::refused_with(
            format!("project {project} has no container that says which files it was made from"),
            "run this in the folder of its compose file, or name that with -f",
        ));
    };
    let list = |text: &str| text.split(',').filter(|it| !it.is_empty()).map(PathBuf::from).collect();
    Ok(Described::Files {
        project,
        folder: PathBuf::from(folder),
        files: list(&files),
        env_files: label(labels::ENVIRONMENT_FILE).map(|it| list(&it)).unwrap_or_default(),
        profiles,
    })
}

fn text(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::refused_with(format!("{} is not UTF-8, which a systemd unit must be", path.display()), "rename it"))
}

fn booted(unit: &Unit) -> Result<(), Failure> {
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::refused_with("units of the machine are written by root", "run it with sudo"));
    }
    if Path::new(BOOTED).is_dir() {
        return Ok(());
    }
    let words = unit.words.iter().map(String::as_str).chain(["system", "start"]);
    let variables: Vec<String> = unit.environment.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let line = variables.iter().map(String::as_str).chain([unit.program.as_str()]).chain(words);
    // `text` has refused what a shell could not be told either.
    let line = shlex::try_join(std::iter::once("env").chain(line)).unwrap_or_default();
    Err(Failure::refused_with(
        "systemd is not the first process of this machine, so a unit would do nothing",
        format!("let whatever starts the machine run `{line}`, and the same with `stop` before its end; `--print` shows the unit"),
    ))
}

/// Tells whether a unit of ours is there; somebody else's is refused.
fn is_ours(path: &Path) -> Result<bool, Failure> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Failure::io(format!("cannot read {}", path.display()), error)),
        Ok(text) if text.starts_with(HEAD) => Ok(true),
        Ok(_) => Err(Failure::refused_with(
            format!("{} was written by somebody else, and stays as it is", path.display()),
            "move it away",
        )),
    }
}

/// Writes a unit whole or not at all. Paths and values are nobody else's business.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let written = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    });
    written.map_err(|error| {
        let _gone = fs::remove_file(&draft);
        Failure::io(format!("cannot write {}", path.display()), error)
    })
}

fn systemctl(words: &[&str]) -> Result<(), Failure> {
    let what = format!("systemctl {}", words.join(" "));
    let done = Command::new("systemctl").args(words).output();
    let done = done.map_err(|error| Failure::io(format!("cannot run `{what}`"), error))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(Failure::refused_with(
        format!("`{what}` failed: {}", said.trim()),
        "`journalctl -u rcompose-PROJECT` shows what the unit said",
    ))
}
