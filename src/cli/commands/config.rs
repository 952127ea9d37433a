//! `config`.

use std::fmt::Write as _;

use rcompose_engine_adapter::ConfigHash;
use rcompose_spec::hash::{self, Dialect};
use rcompose_spec::render::{self, RenderOptions};
use rcompose_spec::{LoadOptions, Loaded};

use crate::args::{ConfigArgs, ConfigFormat};
use crate::failure::Failure;
use crate::output;
use crate::session::{Session, Want};

/// Runs `config`.
pub(crate) fn run(session: &Session, args: &ConfigArgs) -> Result<u8, Failure> {
    let options = LoadOptions {
        no_interpolate: args.no_interpolate || args.variables,
        no_normalize: args.no_normalize,
        no_path_resolution: args.no_path_resolution,
        // docker compose reads no env file for `--hash`.
        no_env_resolution: args.no_env_resolution || args.hash.is_some(),
        no_consistency: args.no_consistency,
        compatibility: session.compatibility(),
    };
    let loaded = session.load(&Want::services(&args.services, true).with(options))?;
    session.say_without_effect(&loaded)?;
    if args.resolve_image_digests || args.lock_image_digests {
        // An engine tells no digest of an image that it has not pulled; that takes a registry client.
        return Err(Failure::NotInThisVersion("digests of images in `config`".into()));
    }
    let text = if args.quiet { String::new() } else { text(args, &loaded)? };
    match &args.output {
        Some(path) => {
            let path = session.caller.absolute(path);
            std::fs::write(&path, text).map_err(|error| Failure::io(format!("cannot write {}", path.display()), error))?;
        }
        None => output::out(&text)?,
    }
    Ok(0)
}

fn text(args: &ConfigArgs, loaded: &Loaded) -> Result<String, Failure> {
    let json = args.format == Some(ConfigFormat::Json);
    Ok(if args.services_only {
        render::services(loaded)
    } else if args.volumes {
        render::volumes(loaded)
    } else if args.networks {
        render::networks(loaded)
    } else if args.models {
        render::models(loaded)
    } else if args.images {
        render::images(loaded)
    } else if args.profiles {
        render::profiles(loaded)
    } else if args.environment {
        render::environment(loaded)
    } else if args.variables {
        render::variables(loaded)
    } else if let Some(services) = &args.hash {
        hashes(loaded, services)?
    } else {
        let options = RenderOptions { no_interpolate: args.no_interpolate };
        if json {
            render::json(loaded, &options)
        } else {
            render::yaml(loaded, &options)
        }
    })
}

/// Returns `service hash` lines of the services asked for, `*` being all.
fn hashes(loaded: &Loaded, asked: &str) -> Result<String, Failure> {
    let all: Vec<&str> = loaded.project.services.keys().map(String::as_str).collect();
    let names: Vec<&str> = if asked == "*" {
        all
    } else {
        asked.split(',').map(str::trim).filter(|it| !it.is_empty()).collect()
    };
    let mut text = String::new();
    for name in names {
        let Some(service) = loaded.project.services.get(name) else {
            return Err(Failure::refused_with(format!("no such service: {name}"), "`rcompose config --services` lists them"));
        };
        let hash = ConfigHash { preimage: hash::service(service, Dialect::V5), ..ConfigHash::default() };
        let _ = writeln!(text, "{name} {}", hash.digest(|_| None).unwrap_or_default());
    }
    Ok(text)
}
