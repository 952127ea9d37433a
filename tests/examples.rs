//! Every example loads without a warning, and has a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use rcompose_engine_adapter::{Content, EngineInfo, Feature, Observed};
use rcompose_planner::{Action, ImageOptions, Input, Up, World, images, up};
use rcompose_spec::model::Project;
use rcompose_spec::{Files, Kind, Sources};

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

/// An engine with nothing but the oldest features that examples may rely on.
fn nothing() -> Observed {
    let engine = EngineInfo {
        name: "docker".into(),
        version: "20.10.24".into(),
        api: "1.41".into(),
        features: BTreeSet::from([Feature::DeviceRequests]),
    };
    Observed { engine, ..Observed::default() }
}

fn world(project: &Project) -> World {
    let read = |path: &str| Content::new(fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}")));
    let secrets = project.secrets.iter().map(|(key, object)| (Input::Secret(key.clone()), read(&object.file)));
    let configs = project.configs.iter().map(|(key, object)| (Input::Config(key.clone()), read(&object.file)));
    World { contents: secrets.chain(configs).collect(), ..World::default() }
}

#[test]
fn every_example_loads_and_has_a_plan() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/compose");
    let entries = fs::read_dir(&folder).expect("the examples are there");
    let files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path().join("compose.yaml")))
        .filter(|file| file.exists())
        .collect();
    let names: BTreeSet<String> = files.iter().filter_map(|file| Some(file.parent()?.file_name()?.to_str()?.to_owned())).collect();
    let expected = ["device-and-bind", "hello-flask", "hello-world", "ingestion-pipeline", "replicas", "web-db-pgadmin"];
    assert_eq!(names, expected.into_iter().map(str::to_owned).collect());
    for file in files {
        let working_dir = file.parent().map(Path::to_owned).unwrap_or_default();
        let alone = Sources { files: vec![file.clone()], working_dir, env: BTreeMap::new(), ..Sources::default() };
        let for_docker = file.with_file_name("compose.docker.yaml");
        let needs_more = for_docker.exists();
        let sources = if needs_more {
            Sources { files: vec![file.clone(), for_docker], ..alone.clone() }
        } else {
            alone.clone()
        };
        let loaded = rcompose_spec::load(&sources, &Disk).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(loaded.warnings.is_empty(), "{}: {:?}", file.display(), loaded.warnings);
        let project = &loaded.project;
        let world = world(project);
        let round = images(project, &nothing(), &world, &ImageOptions::default()).expect("its images can be had");
        assert!(!round.is_empty());
        let plan = up(project, &nothing(), &world, &Up::default()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let starts = plan.steps.iter().filter(|step| matches!(step.action, Action::StartContainer { .. })).count();
        let wanted: i64 = project.services.values().map(|service| service.replicas()).sum();
        assert_eq!(i64::try_from(starts), Ok(wanted), "{}", file.display());
        if needs_more {
            let project = &rcompose_spec::load(&alone, &Disk).unwrap().project;
            let refused = up(project, &nothing(), &world, &Up::default()).unwrap_err();
            let refused = format!("{:?}", refused.problems);
            assert!(refused.contains("4000-4004:80"), "the range is suggested: {refused}");
            let mut native = nothing();
            native.engine.features.insert(Feature::SharedPort);
            up(project, &native, &world, &Up::default()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }
}
