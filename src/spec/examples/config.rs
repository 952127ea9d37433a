//! Prints a project as `config` does; for checking this room before the command line has the verb.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a development tool")]

use std::io;
use std::path::{Path, PathBuf};

use rcompose_spec::render::{self, RenderOptions};
use rcompose_spec::{Files, Given, Kind, Loaded, Selection, SpecErrors, discover, hash, load, select};
use sha2::{Digest, Sha256};

struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        let meta = std::fs::metadata(path).ok()?;
        Some(if meta.is_dir() { Kind::Folder } else { Kind::File })
    }
}

#[derive(Default)]
struct Args {
    given: Given,
    json: bool,
    quiet: bool,
    hash: bool,
    list: Option<String>,
    services: Vec<String>,
}

fn args() -> Args {
    let mut args = Args::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag.to_owned(), Some(value.to_owned())),
            _ => (word, None),
        };
        let mut value = || value.clone().or_else(|| words.next()).unwrap_or_default();
        match flag.as_str() {
            "-f" | "--file" => args.given.files.push(PathBuf::from(value())),
            "-p" | "--project-name" => args.given.project_name = Some(value()),
            "--profile" => args.given.profiles.push(value()),
            "--env-file" => args.given.env_files.push(PathBuf::from(value())),
            "--project-directory" => args.given.project_directory = Some(PathBuf::from(value())),
            "--format" => args.json = value() == "json",
            "--hash" => {
                value();
                args.hash = true;
            }
            "--quiet" | "-q" => args.quiet = true,
            "--no-interpolate" => args.given.options.no_interpolate = true,
            "--no-normalize" => args.given.options.no_normalize = true,
            "--no-path-resolution" => args.given.options.no_path_resolution = true,
            "--no-env-resolution" => args.given.options.no_env_resolution = true,
            "--no-consistency" => args.given.options.no_consistency = true,
            "config" => {}
            list if list.starts_with("--") => args.list = Some(list.to_owned()),
            service => args.services.push(service.to_owned()),
        }
    }
    args
}

fn run(args: &Args) -> Result<Loaded, SpecErrors> {
    let cwd = std::env::current_dir().unwrap_or_default();
    let mut given = args.given.clone();
    // As docker compose does, so that a missing file of variables is no obstacle here.
    given.options.no_env_resolution |= args.hash;
    if args.list.as_deref() == Some("--variables") {
        given.options.no_interpolate = true;
    }
    let found = discover(&given, &cwd, &std::env::vars().collect(), &Disk)?;
    let mut loaded = load(&found.sources, &Disk)?;
    loaded.warnings.splice(0..0, found.warnings);
    let selection = Selection { services: args.services.clone(), dependencies: true };
    select(loaded, &selection, &Disk)
}

fn main() {
    let args = args();
    let loaded = match run(&args) {
        Ok(loaded) => loaded,
        Err(errors) => {
            eprintln!("{errors}");
            std::process::exit(1);
        }
    };
    for warning in &loaded.warnings {
        eprintln!("warning: {}", warning.message);
    }
    if args.quiet {
        return;
    }
    let options = RenderOptions { no_interpolate: args.given.options.no_interpolate };
    if args.hash {
        for (name, service) in &loaded.project.services {
            let digest = Sha256::digest(hash::service(service, hash::Dialect::V2));
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            println!("{name} {hex}");
        }
        return;
    }
    print!(
        "{}",
        match args.list.as_deref() {
            Some("--services") => render::services(&loaded),
            Some("--volumes") => render::volumes(&loaded),
            Some("--networks") => render::networks(&loaded),
            Some("--images") => render::images(&loaded),
            Some("--profiles") => render::profiles(&loaded),
            Some("--models") => render::models(&loaded),
            Some("--environment") => render::environment(&loaded),
            Some("--variables") => render::variables(&loaded),
            _ if args.json => render::json(&loaded, &options),
            _ => render::yaml(&loaded, &options),
        }
    );
}
