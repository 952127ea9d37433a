//! Images, as far as no registry is needed.

use rcompose_engine_adapter::{ImageReference, Scope};

use super::{Case, Site, Verdict, case, ensure};

pub(super) fn cases() -> Vec<Case> {
    case![images_are_observed_by_reference, removing_no_image_is_success]
}

fn absent(site: &Site) -> ImageReference {
    format!("{}/not-there:1", site.project).into()
}

async fn images_are_observed_by_reference(site: &Site) -> Verdict {
    let scope = Scope { images: [site.image.clone(), absent(site)].into(), ..Scope::default() };
    let seen = site.engine.observe(&scope).await?.images;
    ensure!(seen.keys().eq([&site.image]), "it shows {:?}", seen.keys());
    let id = seen[&site.image].id.as_str();
    ensure!(id.strip_prefix("sha256:").is_some_and(|digits| digits.len() == 64), "its id is {id}");
    Ok(())
}

async fn removing_no_image_is_success(site: &Site) -> Verdict {
    site.images.remove_image(&absent(site)).await?;
    Ok(())
}
