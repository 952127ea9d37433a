//! `config`.

mod diagnostics;
#[cfg(target_os = "linux")]
mod digests;
mod trace;
mod why;

use std::fmt::Write as _;

use rcompose_engine_adapter::ConfigHash;
use rcompose_spec::hash::{self, Dialect};
use rcompose_spec::render::{self, RenderOptions};
use rcompose_spec::{Discovered, LoadOptions, Loaded, Span};

use crate::args::{ConfigArgs, ConfigFormat};
use crate::caller::Caller;
use crate::failure::Failure;
use crate::session::{Session, Want};
use crate::{output, report};

/// Runs `config`.
pub(crate) async fn run(session: &Session, args: &ConfigArgs) -> Result<u8, Failure> {
    let options = LoadOptions {
        no_interpolate: args.no_interpolate || args.variables,
        no_normalize: args.no_normalize,
        no_path_resolution: args.no_path_resolution,
        // docker compose reads no env file for `--hash`.
        no_env_resolution: args.no_env_resolution || args.hash.is_some(),
        no_consistency: args.no_consistency,
        trace: args.why.is_some() || args.trace.is_some(),
        ..LoadOptions::default()
    };
    let want = Want::services(&args.services, true).with(options);
    let json = args.format == Some(ConfigFormat::Json);
    let (discovered, loaded) = match session.load_quietly(&want) {
        Ok(found) => found,
        Err(failure) if json => return diagnostics::failed(session, &failure, args.diagnostics),
        Err(failure) => return Err(failure),
    };
    if json && args.diagnostics {
        return diagnostics::passed(session, &loaded.warnings);
    }
    output::err(&report::warnings(&loaded.warnings, &session.caller, session.err));
    if args.why.is_some() || args.trace.is_some() {
        return origins(session, args, &discovered, &loaded);
    }
    session.say_without_effect(&loaded)?;
    let loaded = match (args.resolve_image_digests, args.lock_image_digests) {
        (false, false) => loaded,
        #[cfg(target_os = "linux")]
        (_, lock) => digests::pinned(session, loaded, lock).await?,
        #[cfg(not(target_os = "linux"))]
        (true, _) | (_, true) => return Err(Failure::NotInThisVersion("digests of images in `config`, outside Linux,".into())),
    };
    let text = if args.quiet || args.diagnostics {
        String::new()
    } else {
        text(args, &loaded)?
    };
    // The process ends here: it gives all its memory back at once, while a large project takes itself apart value by value.
    std::mem::forget(loaded);
    match &args.output {
        Some(path) => {
            let path = session.caller.absolute(path);
            std::fs::write(&path, text).map_err(|error| Failure::io(format!("cannot write {}", path.display()), error))?;
        }
        None => output::out(&text)?,
    }
    Ok(0)
}

/// Answers `--why` and `--trace`.
fn origins(session: &Session, args: &ConfigArgs, discovered: &Discovered, loaded: &Loaded) -> Result<u8, Failure> {
    let caller = &session.caller;
    let json = args.format == Some(ConfigFormat::Json);
    let pretty = |value: &serde_json::Value| format!("{value:#}\n");
    if let Some(path) = &args.trace {
        let found = rcompose_spec::elements(loaded, path).map_err(|unknown| trace::unknown(path, &unknown))?;
        let text = if json {
            pretty(&trace::json(path, &found, caller))
        } else {
            trace::text(&found, caller, session.out)
        };
        return output::out(&text).map(|()| 0);
    }
    let name = args.why.as_deref().unwrap_or_default();
    let why = rcompose_spec::why(name, &caller.env, discovered, loaded);
    if why.claims.is_empty() && why.uses.is_empty() && why.services.is_empty() {
        let hint = match &why.similar {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`rcompose config --variables` lists those that the files use".to_owned(),
        };
        return Err(Failure::refused_with(format!("`{name}` is not set, and no file uses it"), hint));
    }
    output::out(&if json {
        pretty(&why::json(&why, caller))
    } else {
        why::text(&why, caller, session.out)
    })?;
    Ok(0)
}

/// A place as people read it.
fn place(span: &Span, caller: &Caller) -> String {
    format!("{}:{}:{}", caller.shown(span.path()), span.line(), span.column())
}

/// A place as programs read it; the path is absolute.
fn place_json(span: &Span, caller: &Caller) -> serde_json::Value {
    serde_json::json!({ "file": caller.absolute(span.path()).display().to_string(), "line": span.line(), "column": span.column() })
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
        let hash = ConfigHash { preimage: hash::service((**service).clone(), Dialect::V5), ..ConfigHash::default() };
        let _ = writeln!(text, "{name} {}", hash.digest(|_| None).unwrap_or_default());
    }
    Ok(text)
}
