//! `image verify`.

use serde_json::json;

use super::place::{display, store, watched};
use crate::args::ImageVerifyArgs;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;

/// Runs `image verify`; damage makes the status 1.
pub(super) async fn run(session: &Session, args: &ImageVerifyArgs) -> Result<u8, Failure> {
    let store = store(session)?;
    let found = watched(display(session, true)?, move |watch| store.verify(&watch)).await?;
    if args.format == "json" {
        let damage: Vec<_> = found.damage.iter().map(|it| json!({ "what": it.what, "how": it.how })).collect();
        output::line(&json!({ "images": found.images, "blobs": found.blobs, "layers": found.layers, "damage": damage }).to_string())?;
    } else {
        for damage in &found.damage {
            output::line(&format!("damaged: {}: {}", damage.what, damage.how))?;
        }
        output::line(&format!(
            "{} images are whole, {} blobs hashed, {} layers compared file by file, {} damaged",
            found.images,
            found.blobs,
            found.layers,
            found.damage.len()
        ))?;
    }
    if found.damage.is_empty() {
        return Ok(0);
    }
    Err(Failure::refused_with(
        "the store is damaged",
        "remove the images named and pull or load them again; `rcompose image prune` removes what is left",
    ))
}
