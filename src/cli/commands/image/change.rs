//! `image tag`, `rm` and `prune`.

use rcompose_image::{ImageError, Reference, Removed};

use super::place::store;
use crate::args::{ImagePruneArgs, ImageRmArgs, ImageTagArgs};
use crate::ask::confirm;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;
use crate::signals::Interrupts;
use crate::table::size;

/// Runs `image tag`.
pub(super) fn tag(session: &Session, args: &ImageTagArgs) -> Result<u8, Failure> {
    let store = store(session)?;
    let name: Reference = args.name.parse::<Reference>()?.tagged();
    store.tag(&store.find_id(&args.image)?, &name)?;
    Ok(0)
}

/// Runs `image rm`: all are tried, and the first error is told.
pub(super) fn rm(session: &Session, args: &ImageRmArgs) -> Result<u8, Failure> {
    let store = store(session)?;
    let mut first = None;
    for image in &args.images {
        match store.remove(image, args.force) {
            Ok(removed) => output::out(&told(&removed))?,
            Err(ImageError::NoSuchImage { .. }) if args.force => {}
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    first.map_or(Ok(0), |error| Err(error.into()))
}

/// Runs `image prune`.
pub(super) async fn prune(session: &Session, args: &ImagePruneArgs) -> Result<u8, Failure> {
    let store = store(session)?;
    if !args.force {
        let which = if args.all {
            "all images that no container uses"
        } else {
            "all images without a name"
        };
        let question = format!("This removes {which}, and what broken-off work left. Go on?");
        if !confirm(session, &mut Interrupts::listen(), &question).await? {
            return if session.can_ask() {
                Ok(0)
            } else {
                Err(Failure::usage("nobody is there to answer", "write `--force`"))
            };
        }
    }
    let all = args.all;
    let pruned = tokio::task::spawn_blocking(move || store.prune(all)).await;
    let pruned = pruned.map_err(|error| Failure::io("the work ended in the middle", std::io::Error::other(error)))??;
    if !pruned.images.is_empty() {
        let list: String = pruned.images.iter().map(|it| told(it).to_lowercase()).collect();
        output::out(&format!("Deleted Images:\n{list}\n"))?;
    }
    output::line(&format!("Total reclaimed space: {}", size(pruned.bytes)))?;
    Ok(0)
}

/// Says what was removed, as docker does.
fn told(removed: &Removed) -> String {
    let names = removed.untagged.iter().map(|name| format!("Untagged: {}\n", name.familiar()));
    let image = removed.image.iter().map(|id| format!("Deleted: {id}\n"));
    let layers = removed.layers.iter().map(|id| format!("Deleted: {id}\n"));
    names.chain(image).chain(layers).collect()
}
