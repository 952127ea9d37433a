//! `system df -v`: one by one, in docker's tables.

use rcompose_engine_adapter::{Stock, StockContainer, StockImage, StockVolume};
use serde_json::{Value, json};

use super::{COLUMN, GAP};
use crate::table::{duration, ellipsis, size, table};

/// What docker shows where there is no name.
const NONE: &str = "<none>";
/// The longest command that is shown. Source: docker, `system df -v`.
const LONGEST: usize = 20;

pub(super) fn text(stock: &Stock, has_builder: bool) -> String {
    let mut text = section(
        "Images space usage",
        &["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"],
        stock.images.iter().flat_map(|it| image(stock, it)).collect(),
    );
    text.push_str(&section(
        "\nContainers space usage",
        &["CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES"],
        stock.containers.iter().map(container).collect(),
    ));
    text.push_str(&section(
        "\nLocal Volumes space usage",
        &["VOLUME NAME", "LINKS", "SIZE"],
        stock.volumes.iter().map(|it| volume(stock, it)).collect(),
    ));
    if has_builder {
        let total: u64 = stock.cache.iter().filter(|it| !it.shared).map(|it| it.size).sum();
        text.push_str(&section(
            &format!("\nBuild cache usage: {}", size(total)),
            &["CACHE ID", "CACHE TYPE", "SIZE", "IN USE", "SHARED"],
            stock
                .cache
                .iter()
                .map(|it| vec![short(&it.id), it.kind.clone(), size(it.size), it.in_use.to_string(), it.shared.to_string()])
                .collect(),
        ));
    } else if !stock.leftovers.is_empty() {
        let rows = stock.leftovers.iter().map(|(what, bytes)| vec![what.clone(), size(*bytes)]);
        text.push_str(&section("\nLeftovers, which `system prune` removes", &["WHAT", "SIZE"], rows.collect()));
    }
    text
}

pub(super) fn object(stock: &Stock) -> Value {
    let images = stock.images.iter().map(|it| {
        json!({ "ID": it.id, "Names": it.names, "Created": it.created, "Size": it.size, "SharedSize": it.shared,
            "UniqueSize": it.size.saturating_sub(it.shared), "Containers": stock.of_image(&it.id).count(), "Labels": it.labels })
    });
    let containers = stock.containers.iter().map(|it| {
        json!({ "ID": it.id, "Names": it.name, "Image": it.image, "Command": it.command, "LocalVolumes": it.volumes.len(),
            "Size": it.size, "Created": it.created, "State": it.state.as_str(), "Status": it.status, "Labels": it.labels })
    });
    let volumes = stock.volumes.iter().map(|it| {
        json!({ "Name": it.name, "Links": stock.of_volume(&it.name).count(), "Size": it.size, "Anonymous": it.anonymous,
            "Labels": it.labels })
    });
    let cache = stock
        .cache
        .iter()
        .map(|it| json!({ "ID": it.id, "CacheType": it.kind, "Size": it.size, "InUse": it.in_use, "Shared": it.shared }));
    let leftovers = stock.leftovers.iter().map(|(what, bytes)| json!({ "What": what, "Size": bytes }));
    json!({
        "Images": images.collect::<Vec<_>>(), "Containers": containers.collect::<Vec<_>>(),
        "Volumes": volumes.collect::<Vec<_>>(), "BuildCache": cache.collect::<Vec<_>>(),
        "Leftovers": leftovers.collect::<Vec<_>>(), "LayersSize": stock.layers,
    })
}

fn section(title: &str, head: &[&str], rows: Vec<Vec<String>>) -> String {
    let head = head.iter().map(|it| (*it).to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    format!("{title}\n\n{}", table(&lines, COLUMN, GAP))
}

/// A row for each name.
fn image(stock: &Stock, image: &StockImage) -> Vec<Vec<String>> {
    let row = |repository: &str, tag: &str| {
        vec![
            repository.to_owned(),
            tag.to_owned(),
            short(&image.id),
            ago(image.created),
            size(image.size),
            size(image.shared),
            size(image.size.saturating_sub(image.shared)),
            stock.of_image(&image.id).count().to_string(),
        ]
    };
    if image.names.is_empty() {
        return vec![row(NONE, NONE)];
    }
    let split = |name: &String| match name.rsplit_once(['@', ':']) {
        Some((repository, tag)) if !name.contains('@') && !tag.contains('/') => row(repository, tag),
        _ => row(name.split('@').next().unwrap_or(name), NONE),
    };
    image.names.iter().map(split).collect()
}

fn container(it: &StockContainer) -> Vec<String> {
    vec![
        short(&it.id),
        it.image.clone(),
        format!("\"{}\"", ellipsis(&it.command, LONGEST)),
        it.volumes.len().to_string(),
        size(it.size),
        ago(it.created),
        it.status.clone(),
        it.name.clone(),
    ]
}

fn volume(stock: &Stock, it: &StockVolume) -> Vec<String> {
    let links = stock.of_volume(&it.name).count();
    vec![it.name.to_string(), links.to_string(), it.size.map_or("N/A".into(), size)]
}

fn short(id: &str) -> String {
    id.strip_prefix("sha256:").unwrap_or(id).chars().take(12).collect()
}

fn ago(created: i64) -> String {
    match created {
        0 => "N/A".into(),
        at => format!("{} ago", duration(jiff::Timestamp::now().as_second() - at)),
    }
}
