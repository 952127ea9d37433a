//! `image inspect`.

use rcompose_image::Image;
use serde_json::{Value, json};

use super::place::store;
use crate::args::ImageInspectArgs;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;
use crate::template::Template;

/// Runs `image inspect`: those that are there are shown, and the first error is told.
pub(super) fn run(session: &Session, args: &ImageInspectArgs) -> Result<u8, Failure> {
    let store = store(session)?;
    let template = args.format.as_deref().filter(|it| *it != "json").map(Template::parse).transpose()?;
    let (mut objects, mut first) = (Vec::new(), None);
    for name in &args.images {
        match store.find(name) {
            Ok(image) => objects.push(object(&image)),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    match template {
        Some(template) => {
            for object in &objects {
                output::line(&template.fill(object)?)?;
            }
        }
        None => output::line(&serde_json::to_string_pretty(&objects).unwrap_or_default())?,
    }
    first.map_or(Ok(0), |error| Err(error.into()))
}

/// Returns what docker's `image inspect` shows. Source: docker API, `ImageInspect`.
fn object(image: &Image) -> Value {
    let config = &image.config;
    let defaults = serde_json::to_value(&config.config).unwrap_or_default();
    let layers: Vec<String> = config.rootfs.diff_ids.iter().map(ToString::to_string).collect();
    let mut object = json!({
        "Id": image.id.to_string(),
        "RepoTags": image.names.iter().map(|it| it.familiar()).collect::<Vec<_>>(),
        "RepoDigests": image.record.registries.iter().map(|it| it.familiar()).collect::<Vec<_>>(),
        "Parent": "",
        "Comment": config.comment,
        "Created": config.created,
        "DockerVersion": config.docker_version,
        "Author": config.author,
        "Config": whole(defaults),
        "Architecture": config.architecture,
        "Os": config.os,
        "Size": image.size(),
        "VirtualSize": image.size(),
        "GraphDriver": { "Name": "overlay", "Data": { "LowerDirs": image.layers } },
        "RootFS": { "Type": "layers", "Layers": layers },
        "Metadata": { "LastTagTime": image.record.added },
    });
    if let (Some(variant), Some(fields)) = (&config.variant, object.as_object_mut()) {
        fields.insert("Variant".into(), variant.clone().into());
    }
    object
}

/// Adds the fields that docker shows even where they are empty.
fn whole(mut defaults: Value) -> Value {
    if let Some(fields) = defaults.as_object_mut() {
        let empty = [
            ("User", json!("")),
            ("Env", Value::Null),
            ("Cmd", Value::Null),
            ("Entrypoint", Value::Null),
            ("WorkingDir", json!("")),
            ("Labels", Value::Null),
            ("Volumes", Value::Null),
            ("OnBuild", Value::Null),
        ];
        for (key, value) in empty {
            fields.entry(key).or_insert(value);
        }
    }
    defaults
}
