//! `image pull` and `image push`.

use rcompose_image::{Client, PullOptions, Reference};

use super::place::{display, registries, store, watched};
use crate::args::{ImagePullArgs, ImagePushArgs};
use crate::failure::Failure;
use crate::output;
use crate::session::Session;

/// Runs `image pull`.
pub(super) async fn pull(session: &Session, args: ImagePullArgs) -> Result<u8, Failure> {
    let name: Reference = args.name.parse::<Reference>()?.tagged();
    let mut options = PullOptions { parallel: args.registry.layers.into(), ..PullOptions::default() };
    if let Some(platform) = &args.platform {
        options.platform = platform.parse()?;
    }
    let (store, client) = (store(session)?, Client::new(registries(session, Some(&args.registry))?));
    let wanted = name.clone();
    let pulled = watched(display(session, args.quiet)?, move |watch| store.pull(&client, &wanted, &options, &watch)).await?;
    if !args.quiet {
        let status = if pulled.is_new { "Downloaded newer image" } else { "Image is up to date" };
        output::out(&format!("Digest: {}\nStatus: {status} for {}\n", pulled.digest, name.familiar()))?;
    }
    output::line(&name.to_string())?;
    Ok(0)
}

/// Runs `image push`.
pub(super) async fn push(session: &Session, args: ImagePushArgs) -> Result<u8, Failure> {
    let name: Reference = args.name.parse::<Reference>()?.tagged();
    let (store, client) = (store(session)?, Client::new(registries(session, Some(&args.registry))?));
    let (wanted, layers) = (name.clone(), usize::from(args.registry.layers));
    let pushed = watched(display(session, args.quiet)?, move |watch| store.push(&client, &wanted, layers, &watch)).await?;
    if args.quiet {
        output::line(&name.to_string())?;
    } else {
        output::line(&format!("{}: digest: {} size: {}", name.tag().unwrap_or_default(), pushed.digest, pushed.size))?;
    }
    Ok(0)
}
