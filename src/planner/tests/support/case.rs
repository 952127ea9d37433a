//! One case, read from its folder.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rcompose_planner::{
    Down, Input, Kill, PathKind, Plan, PlanError, Recreate, Remove, Select, Up, Wait, World, down, kill, restart, resume, rm, start, stop,
    up,
};
use rcompose_spec::model::Project;
use rcompose_spec::{Files, Kind, Sources};
use serde::Deserialize;

use super::earlier::{Since, observed};

/// What `case.yaml` says.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Request {
    /// `up` (default), `create`, `down`, `start`, `resume`, `stop`, `restart`, `kill`, `rm`.
    verb: String,
    services: Vec<String>,
    scale: BTreeMap<String, u32>,
    /// `never`, `force`; default: where it differs.
    recreate: String,
    remove_orphans: bool,
    adopt: bool,
    wait: bool,
    volumes: bool,
    no_deps: bool,
    strict: bool,
    /// Without the compose file, as `down -p NAME` has it.
    without_file: bool,
    /// Content of secrets now, and when the earlier `up` ran.
    secrets: BTreeMap<String, [String; 2]>,
    /// Local paths that are not there.
    missing: Vec<PathBuf>,
    #[serde(flatten)]
    since: Since,
}

/// A case.
#[derive(Debug)]
pub(crate) struct Case {
    request: Request,
    project: Project,
    before: Option<Project>,
}

struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        let metadata = fs::metadata(path).ok()?;
        Some(if metadata.is_dir() { Kind::Folder } else { Kind::File })
    }
}

impl Case {
    pub(crate) fn read(folder: &Path) -> Self {
        let text = fs::read_to_string(folder.join("case.yaml")).unwrap_or_default();
        let request = if text.trim().is_empty() {
            Request::default()
        } else {
            serde_yaml::from_str(&text).unwrap()
        };
        let before = folder.join("before.yaml");
        let project = load(folder, &folder.join("compose.yaml"));
        let before = if before.exists() { Some(load(folder, &before)) } else { None };
        Self { request, project, before }
    }

    pub(crate) fn plan(&self) -> Result<Plan, PlanError> {
        let request = &self.request;
        let earlier = self.world(1);
        let observed = observed(self.before.as_ref().unwrap_or(&self.project), &earlier, &request.since);
        let project = (!request.without_file).then_some(&self.project);
        let select = Select { services: request.services.clone(), no_deps: request.no_deps, ..Select::default() };
        match request.verb.as_str() {
            "" | "up" => up(&self.project, &observed, &self.world(0), &self.up(true)),
            "create" => up(&self.project, &observed, &self.world(0), &self.up(false)),
            "down" => {
                let options = Down {
                    services: request.services.clone(),
                    remove_orphans: request.remove_orphans,
                    volumes: request.volumes,
                    adopt: request.adopt,
                    ..Down::default()
                };
                down("p", project, &observed, &options)
            }
            "start" => start("p", project, &observed, &select),
            "resume" => {
                let meant = observed
                    .containers
                    .values()
                    .filter(|it| select.services.iter().any(|name| it.service() == Some(name)));
                Ok(resume("p", project, &observed, &meant.map(|it| it.name.clone()).collect()))
            }
            "stop" => stop("p", project, &observed, &select),
            "restart" => restart("p", project, &observed, &select),
            "kill" => kill("p", project, &observed, &Kill { services: select.services, signal: "SIGKILL".into(), remove_orphans: false }),
            "rm" => rm("p", project, &observed, &Remove { services: select.services, ..Remove::default() }),
            other => panic!("no verb `{other}`"),
        }
    }

    fn up(&self, start: bool) -> Up {
        let request = &self.request;
        Up {
            services: request.services.clone(),
            scale: request.scale.clone(),
            recreate: match request.recreate.as_str() {
                "never" => Recreate::Never,
                "force" => Recreate::Force,
                _ => Recreate::Diverged,
            },
            remove_orphans: request.remove_orphans,
            adopt: request.adopt,
            wait: request.wait.then(Wait::default),
            no_deps: request.no_deps,
            start,
            ..Up::default()
        }
    }

    fn world(&self, when: usize) -> World {
        let content = |(name, both): (&String, &[String; 2])| {
            (Input::Secret(name.clone()), rcompose_engine_adapter::Content::new(both[when].clone().into_bytes()))
        };
        World {
            version: "1".into(),
            contents: self.request.secrets.iter().map(content).collect(),
            inputs_key: Some([1; 32]),
            strict: when == 0 && self.request.strict,
            paths: self.request.missing.iter().map(|path| (path.clone(), PathKind::Missing)).collect(),
            ..World::default()
        }
    }
}

fn load(folder: &Path, file: &Path) -> Project {
    let sources = Sources {
        files: vec![file.to_owned()],
        working_dir: folder.to_owned(),
        project_name: Some("p".into()),
        ..Sources::default()
    };
    let loaded = rcompose_spec::load(&sources, &Disk).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    // A path of this machine would end up in plans.
    Project { working_dir: "/p".into(), files: vec!["/p/compose.yaml".into()], ..loaded.project }
}
