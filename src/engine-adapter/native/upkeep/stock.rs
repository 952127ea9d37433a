//! Everything that is written down, with the room it takes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rcompose_engine_adapter::{MountKind, Result, Stock, StockContainer, StockImage, StockNetwork, StockVolume, is_made_up};
use rcompose_image::{Image, tree_size};

use super::leftovers;
use crate::engine::Native;
use crate::found::Found;
use crate::{container, error, network, observe, sentence};

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

pub(super) fn stock(native: &Native, sizes: bool) -> Result<Stock> {
    let places = &native.places;
    let containers = native.found()?;
    container::sweep(native)?;
    let all = native.images.images().map_err(error::image)?;
    let layers = if sizes { native.images.room().map_err(error::image)?.images } else { 0 };
    let networks = places.all_networks()?.into_iter().map(|it| StockNetwork {
        own: it.spec.name.as_str() == network::DEFAULT,
        name: it.spec.name,
        labels: it.labels,
        created: seconds(it.created),
    });
    let mut volumes = Vec::new();
    for (name, document) in places.all_volumes()? {
        // What lies elsewhere takes no room here, and is not removed with the volume.
        let here = sizes && document.driver_opts.is_empty();
        let size = here.then(|| tree_size(&places.volume(name.as_str()).join("_data")));
        volumes.push(StockVolume { anonymous: is_made_up(&name, &document.labels), name, labels: document.labels, size });
    }
    Ok(Stock {
        images: images(&all),
        layers,
        containers: containers.iter().map(|it| look(native, it, sizes)).collect(),
        networks: networks.collect(),
        volumes,
        cache: Vec::new(),
        leftovers: leftovers::all(native, sizes)?,
    })
}

fn seconds(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds / SECOND).unwrap_or(i64::MAX)
}

fn images(all: &[Image]) -> Vec<StockImage> {
    let mut uses: BTreeMap<String, u32> = BTreeMap::new();
    for layer in all.iter().flat_map(|it| &it.record.layers) {
        *uses.entry(layer.diff_id.to_string()).or_default() += 1;
    }
    let one = |image: &Image| {
        let shared = image.record.layers.iter().filter(|it| uses.get(&it.diff_id.to_string()).is_some_and(|it| *it > 1));
        let created: Option<Timestamp> = image.config.created.as_ref().and_then(|it| it.parse().ok());
        StockImage {
            id: image.id.to_string(),
            names: image.names.iter().map(|it| it.familiar()).collect(),
            labels: image.config.config.labels.clone(),
            created: created.map_or(0, Timestamp::as_second),
            size: image.size(),
            shared: shared.map(|it| it.size).sum(),
        }
    };
    all.iter().map(one).collect()
}

fn look(native: &Native, Found { container, standing, .. }: &Found, sizes: bool) -> StockContainer {
    let mounted = container.spec.mounts.iter().filter_map(|it| match &it.kind {
        MountKind::Image { image, .. } => native.images.find_id(image.as_str()).ok(),
        _ => None,
    });
    StockContainer {
        id: container.id.clone(),
        name: container.name.to_string(),
        image: container.spec.image.to_string(),
        image_id: container.image_id.to_string(),
        mounted: mounted.map(|it| it.to_string()).collect(),
        state: standing.state,
        status: sentence::say(standing),
        command: observe::command(container).join(" "),
        labels: container.labels.clone(),
        created: seconds(container.created),
        size: if sizes {
            tree_size(&native.places.container(&container.id).upper())
        } else {
            0
        },
        networks: container.attachments().iter().map(|it| it.network.clone()).collect(),
        volumes: container.volumes.iter().map(|it| it.volume.clone()).collect(),
    }
}
