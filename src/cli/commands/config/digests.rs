//! `config --resolve-image-digests` and `--lock-image-digests`: images pinned to what their registries have now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::try_join_all;
use rcompose_image::{Client, Digest, Reference, Watch};
use rcompose_spec::model::{Project, Service};
use rcompose_spec::{Loaded, Origins};

use crate::commands::image::registries;
use crate::failure::Failure;
use crate::session::Session;
use crate::signals::Interrupts;

/// Gives every image that has none its digest; with `images_only`, leaves nothing but the images: an override file.
pub(super) async fn pinned(session: &Session, loaded: Loaded, images_only: bool) -> Result<Loaded, Failure> {
    let mut loaded = loaded;
    pin(session, &mut loaded).await?;
    Ok(if images_only { without_the_rest(&loaded) } else { loaded })
}

/// Writes names as docker compose does: `docker.io/library/nginx:1.27@sha256:…`.
async fn pin(session: &Session, loaded: &mut Loaded) -> Result<(), Failure> {
    let mut wanted: BTreeMap<String, Reference> = BTreeMap::new();
    for service in loaded.project.services.values().filter(|service| !service.image.is_empty()) {
        wanted.insert(service.image.clone(), service.image.parse::<Reference>()?.tagged());
    }
    let client = Arc::new(Client::new(registries(session, None)?));
    let stop = Arc::new(AtomicBool::new(false));
    let names = wanted.values().filter(|name| name.digest().is_none()).cloned();
    let asked = names.map(|name| resolve(Arc::clone(&client), name, Arc::clone(&stop)));
    let mut interrupts = Interrupts::listen();
    let found = tokio::select! {
        found = try_join_all(asked) => found,
        _ = interrupts.next() => Err(Failure::Interrupted),
    };
    // Whatever still asks gives up.
    stop.store(true, Ordering::Relaxed);
    let digests: BTreeMap<Reference, Digest> = found?.into_iter().collect();
    for service in loaded.project.services.values_mut() {
        if let Some(name) = wanted.get(&service.image) {
            service.image = digests.get(name).map_or_else(|| name.to_string(), |digest| format!("{name}@{digest}"));
        }
    }
    Ok(())
}

async fn resolve(client: Arc<Client>, name: Reference, stop: Arc<AtomicBool>) -> Result<(Reference, Digest), Failure> {
    let work = move || {
        let silent = |_| {};
        let digest = client.digest(&name, &Watch::new(&silent, &stop))?;
        Ok((name, digest))
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::io("the work ended in the middle", std::io::Error::other(error)))?
}

fn without_the_rest(loaded: &Loaded) -> Loaded {
    let services = loaded.project.services.iter().map(|(name, service)| {
        let pinned = Service { name: service.name.clone(), image: service.image.clone(), ..Service::default() };
        (name.clone(), Box::new(pinned))
    });
    Loaded {
        project: Project { services: services.collect(), ..Project::default() },
        warnings: Vec::new(),
        origins: Origins::default(),
        trace: rcompose_spec::Trace::default(),
        options: loaded.options,
    }
}
