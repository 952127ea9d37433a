//! What the planner may not find out by itself: content of configs and secrets, local paths, the time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rcompose_engine_adapter::Content;
use rcompose_planner::{Input, PathKind, World};
use rcompose_spec::Loaded;
use rcompose_spec::model::{FileObject, Project};

use super::{Live, Session, context, key, proxy};
use crate::failure::Failure;

impl Session {
    /// Collects what a plan for this project hangs on. `live` is absent for verbs that need no engine.
    pub(crate) fn world(&self, loaded: &Loaded, live: Option<&Live>) -> Result<World, Failure> {
        let project = &loaded.project;
        let local = live.is_none_or(|live| live.local);
        let proxies = context::docker_config(&self.caller)?.proxies;
        Ok(World {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            environment_files: self.environment_files(),
            contents: contents(project),
            // A dry run has it too: without it every content would look changed.
            inputs_key: key::inputs_key(&self.caller.state_folder()),
            env_file_keys: env_file_keys(loaded),
            now: jiff::Timestamp::now().as_second(),
            compatibility: self.compatibility(),
            strict: self.globals.strict,
            paths: if local { paths(project) } else { BTreeMap::new() },
            proxy_environment: proxy::environment(&proxies, live.map_or("", |live| live.address.as_str())),
        })
    }

    /// Returns the files given by `--env-file`, absolute.
    fn environment_files(&self) -> Vec<String> {
        self.env_files().iter().map(|path| path.display().to_string()).collect()
    }
}

fn contents(project: &Project) -> BTreeMap<Input, Content> {
    let configs = project.configs.iter().map(|(key, object)| (Input::Config(key.clone()), content(project, object)));
    let secrets = project.secrets.iter().map(|(key, object)| (Input::Secret(key.clone()), content(project, object)));
    let profiles = project.services.values().flat_map(|service| &service.security_opt).filter_map(|option| {
        let path = seccomp_path(option)?;
        Some((Input::SecurityProfile(path.to_owned()), std::fs::read(project.working_dir.join(path)).ok()))
    });
    configs
        .chain(secrets)
        .chain(profiles)
        .filter_map(|(key, bytes)| Some((key, Content::new(bytes?))))
        .collect()
}

fn content(project: &Project, object: &FileObject) -> Option<Vec<u8>> {
    if object.external {
        None
    } else if !object.file.is_empty() {
        std::fs::read(project.working_dir.join(&object.file)).ok()
    } else if !object.environment.is_empty() {
        project.environment.get(&object.environment).map(|value| value.clone().into_bytes())
    } else {
        Some(object.content.clone().into_bytes())
    }
}

/// Returns the path of a seccomp profile, where an option names one: `seccomp=PATH` or `seccomp:PATH`.
fn seccomp_path(option: &str) -> Option<&str> {
    let value = option.strip_prefix("seccomp")?.strip_prefix(['=', ':'])?;
    let word = matches!(value, "unconfined" | "builtin") || value.starts_with('{');
    (!word).then_some(value)
}

fn paths(project: &Project) -> BTreeMap<PathBuf, PathKind> {
    let kind = |path: &Path| match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => PathKind::Folder,
        Ok(_) => PathKind::File,
        // What cannot be looked at counts as there: the engine may have more rights.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => PathKind::Missing,
        Err(_) => PathKind::File,
    };
    rcompose_planner::paths(project).into_iter().map(|path| (path.clone(), kind(&path))).collect()
}

/// Finds the variables that came from a service's env files: those that no compose file sets.
fn env_file_keys(loaded: &Loaded) -> BTreeMap<String, BTreeSet<String>> {
    let mut keys = BTreeMap::new();
    // A resolved service has its env files no more; what they gave it has no place in a compose file.
    for (name, service) in &loaded.project.services {
        let prefix = format!("services.{name}.environment");
        let written: BTreeSet<String> = loaded
            .origins
            .below(&prefix)
            .into_iter()
            .filter_map(|(path, _)| Some(path.strip_prefix(&prefix)?.strip_prefix('.')?.to_owned()))
            .collect();
        let from_file: BTreeSet<String> = service.environment.keys().filter(|key| !written.contains(*key)).cloned().collect();
        if !from_file.is_empty() {
            keys.insert(name.clone(), from_file);
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use std::io;

    use rcompose_spec::{Files, Kind, Sources, load};

    use super::*;

    /// A folder with one env file.
    #[derive(Debug)]
    struct Shop;

    impl Files for Shop {
        fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
            if path == Path::new("/shop/web.env") {
                Ok(b"FROM_FILE=1\nBOTH=1\n".to_vec())
            } else {
                Err(io::ErrorKind::NotFound.into())
            }
        }

        fn kind(&self, path: &Path) -> Option<Kind> {
            (path == Path::new("/shop/web.env")).then_some(Kind::File)
        }
    }

    #[test]
    fn variables_of_env_files_are_known_as_such() {
        let document =
            b"services: {web: {image: a, env_file: web.env, environment: [BOTH=2, OWN=3]}, db: {image: a, environment: {OWN: 4}}}";
        let sources = Sources {
            files: vec!["-".into()],
            working_dir: "/shop".into(),
            stdin: Some(document.to_vec()),
            ..Sources::default()
        };
        let loaded = load(&sources, &Shop).unwrap();
        let keys = env_file_keys(&loaded);
        assert_eq!(keys, BTreeMap::from([("web".to_owned(), BTreeSet::from(["FROM_FILE".to_owned()]))]));
    }

    #[test]
    fn only_a_path_is_a_profile() {
        assert_eq!(seccomp_path("seccomp=./p.json"), Some("./p.json"));
        assert_eq!(seccomp_path("seccomp:p.json"), Some("p.json"));
        for option in ["seccomp=unconfined", "seccomp={}", "seccompx=1", "no-new-privileges:true"] {
            assert_eq!(seccomp_path(option), None, "{option}");
        }
    }
}
