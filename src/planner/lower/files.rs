//! Secrets and configs: a bind where a file is enough, else a file put in with its owner and mode.

use rcompose_engine_adapter::{Content, Feature, FileMount, Mount, MountKind};
use rcompose_spec::model::{FileObject, Mount as Grant, Service, VolumeKind};

use super::Lowering;
use crate::{Input, Problem, ProblemKind};

/// Mode of a secret or config whose file gives none; source: the compose specification.
const DEFAULT_MODE: u32 = 0o444;

#[derive(Clone, Copy)]
enum Kind {
    Secret,
    Config,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Config => "config",
        }
    }

    fn input(self, key: &str) -> Input {
        match self {
            Self::Secret => Input::Secret(key.to_owned()),
            Self::Config => Input::Config(key.to_owned()),
        }
    }

    fn target(self, grant: &Grant) -> String {
        let name = if grant.target.is_empty() { &grant.source } else { &grant.target };
        match self {
            _ if name.starts_with('/') => name.clone(),
            Self::Secret => format!("/run/secrets/{name}"),
            Self::Config => format!("/{name}"),
        }
    }
}

pub(super) fn files(lowering: &mut Lowering<'_>, service: &Service) -> (Vec<FileMount>, Vec<Mount>) {
    let (mut files, mut binds) = (Vec::new(), Vec::new());
    let project = lowering.project;
    for (index, grant) in service.secrets.iter().enumerate() {
        let path = format!("services.{}.secrets[{index}]", service.name);
        lower_one(lowering, Kind::Secret, &path, grant, project.secrets.get(&grant.source), &mut files, &mut binds);
    }
    for (index, grant) in service.configs.iter().enumerate() {
        let path = format!("services.{}.configs[{index}]", service.name);
        lower_one(lowering, Kind::Config, &path, grant, project.configs.get(&grant.source), &mut files, &mut binds);
    }
    files.sort_by(|a, b| a.target.cmp(&b.target));
    if !lowering.observed.engine.has(Feature::FilesAnywhere) {
        check_places(lowering, service, &files);
    }
    (files, binds)
}

/// Where an engine writes files before the start, a read-only root or a tmpfs that comes later is in the way.
fn check_places(lowering: &mut Lowering<'_>, service: &Service, files: &[FileMount]) {
    let hint = "give its secrets and configs by `file:` without uid, gid and mode, so that they can be binds";
    let refuse = |path: String, message: String| Problem::new(ProblemKind::Unsupported, path, message).hint(hint);
    if service.read_only && !files.is_empty() {
        let message = "this engine puts no files into a read-only root file system".to_owned();
        lowering.problem(refuse(format!("services.{}.read_only", service.name), message));
    }
    let memory = service
        .volumes
        .iter()
        .filter(|volume| volume.kind == VolumeKind::Tmpfs)
        .map(|volume| volume.target.as_str());
    let short = service.tmpfs.iter().map(|entry| entry.split(':').next().unwrap_or_default());
    for target in memory.chain(short) {
        let below = format!("{}/", target.trim_end_matches('/'));
        if let Some(file) = files.iter().find(|file| file.target.starts_with(&below)) {
            let message = format!("{} would be hidden by the tmpfs at {target}", file.target);
            lowering.problem(refuse(format!("services.{}", service.name), message));
        }
    }
}

fn lower_one(
    lowering: &mut Lowering<'_>,
    kind: Kind,
    path: &str,
    grant: &Grant,
    object: Option<&FileObject>,
    files: &mut Vec<FileMount>,
    binds: &mut Vec<Mount>,
) {
    let Some(object) = object else {
        lowering.invalid(path.to_owned(), format!("{} `{}` is defined nowhere", kind.word(), grant.source));
        return;
    };
    // The table refuses it.
    if object.external {
        return;
    }
    let owned = !grant.uid.is_empty() || !grant.gid.is_empty() || grant.mode.is_some();
    let content = lowering.world.contents.get(&kind.input(&grant.source)).cloned();
    let Some(content) = content else {
        lowering.problem(missing(kind, path, grant, object));
        return;
    };
    if !object.file.is_empty() && !owned {
        let bind = MountKind::Bind {
            source: object.file.clone(),
            create_host_path: false,
            propagation: None,
            recursive: None,
            selinux: None,
        };
        binds.push(Mount { target: kind.target(grant), kind: bind, read_only: true });
        return;
    }
    files.extend(file(lowering, kind, path, grant, content));
}

fn file(lowering: &mut Lowering<'_>, kind: Kind, path: &str, grant: &Grant, content: Content) -> Option<FileMount> {
    let id = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u32>().ok() };
    let (uid, gid) = (id(&grant.uid), id(&grant.gid));
    let (Some(uid), Some(gid)) = (uid, gid) else {
        lowering.invalid(path.to_owned(), "uid and gid must be numbers".to_owned());
        return None;
    };
    let mode = grant.mode.map_or(DEFAULT_MODE, |mode| u32::try_from(mode.0).unwrap_or(DEFAULT_MODE));
    Some(FileMount { target: kind.target(grant), content, uid, gid, mode })
}

fn missing(kind: Kind, path: &str, grant: &Grant, object: &FileObject) -> Problem {
    let word = kind.word();
    let (message, hint) = if object.file.is_empty() {
        let variable = &object.environment;
        let message = format!("{word} `{}` comes from the variable {variable}, which is not set", grant.source);
        (message, format!("set {variable} in the environment or in .env"))
    } else {
        let message = format!("{word} `{}` comes from {}, which cannot be read", grant.source, object.file);
        (message, "make the file, or correct its path".to_owned())
    };
    Problem::new(ProblemKind::ContentMissing, path, message).hint(hint)
}
