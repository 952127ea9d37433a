//! Images: out of the store, from registries and to them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::BoxStream;
use rcompose_engine_adapter::{
    BuildSpec, Check, EngineError, ErrorKind, ImageConfig, ImageProgress, ImageReference, PullSpec, Result, Test,
};
use rcompose_image::{Client, Event, Healthcheck, Image, ImageError, LayerState, Platform, PullOptions, Reference, Watch};

use crate::engine::Native;
use crate::error;
use crate::thread::{self, Out};

/// Layers at the same time, as Docker has it.
const LAYERS: usize = 3;

/// Finds the image of a container to be made.
pub(crate) fn find(native: &Native, name: &ImageReference, platform: Option<&str>) -> Result<Image> {
    let image = native.images.find(name.as_str()).map_err(error::image)?;
    let wanted = platform
        .map(str::parse::<Platform>)
        .transpose()
        .map_err(error::image)?
        .unwrap_or_else(Platform::host);
    let found = image.config.platform();
    if wanted.distance(&found).is_none() {
        let hint = if platform.is_some() {
            "pull it for that platform"
        } else {
            "this machine cannot run it: pull it for this platform"
        };
        return Err(error::invalid(format!("image {name} is for {found}, not for {wanted}; {hint}")));
    }
    Ok(image)
}

/// Returns what an image says about its containers.
pub(crate) fn defaults(image: &Image) -> ImageConfig {
    let it = &image.config.config;
    let pair = |text: &String| match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (text.clone(), String::new()),
    };
    ImageConfig {
        entrypoint: it.entrypoint.clone().unwrap_or_default(),
        command: it.cmd.clone().unwrap_or_default(),
        environment: it.env.iter().map(pair).collect::<BTreeMap<_, _>>(),
        user: it.user.clone(),
        working_dir: it.working_dir.clone(),
        labels: it.labels.clone(),
        expose: it.exposed_ports.iter().cloned().collect(),
        volumes: it.volumes.iter().cloned().collect(),
        stop_signal: it.stop_signal.clone().filter(|it| !it.is_empty()),
        healthcheck: it.healthcheck.as_ref().map(check),
    }
}

fn check(found: &Healthcheck) -> Check {
    let time = |nanoseconds: i64| u64::try_from(nanoseconds).ok().filter(|it| *it > 0).map(Duration::from_nanos);
    let test = match found.test.split_first() {
        None => None,
        Some((first, _)) if first == "NONE" => Some(Test::None),
        Some((first, rest)) if first == "CMD-SHELL" => Some(Test::Shell(rest.join(" "))),
        Some((first, rest)) if first == "CMD" => Some(Test::Command(rest.to_vec())),
        Some(_) => Some(Test::Command(found.test.clone())),
    };
    Check {
        test,
        interval: time(found.interval),
        timeout: time(found.timeout),
        retries: u32::try_from(found.retries).ok().filter(|it| *it > 0),
        start_period: time(found.start_period),
        start_interval: time(found.start_interval),
    }
}

pub(crate) fn pull(native: &Native, spec: &PullSpec) -> BoxStream<'static, Result<ImageProgress>> {
    let (native, spec) = (native.clone(), spec.clone());
    thread::stream(move |out| {
        let name: Reference = spec.image.as_str().parse().map_err(error::image)?;
        let mut options = PullOptions { parallel: LAYERS, ..PullOptions::default() };
        if let Some(platform) = &spec.platform {
            options.platform = platform.parse().map_err(error::image)?;
        }
        let client = Client::new((native.registries)()?);
        let tell = |event| tell(out, &event);
        let pulled = native.images.pull(&client, &name, &options, &Watch::new(&tell, out.gone()));
        out.send(ImageProgress::Done(pulled.map_err(error::image)?.id.to_string().into()));
        Ok(())
    })
}

pub(crate) fn push(native: &Native, image: &ImageReference) -> BoxStream<'static, Result<ImageProgress>> {
    let (native, image) = (native.clone(), image.clone());
    thread::stream(move |out| {
        let name: Reference = image.as_str().parse().map_err(error::image)?;
        let client = Client::new((native.registries)()?);
        let tell = |event| tell(out, &event);
        let id = native.images.find_id(image.as_str()).map_err(error::image)?;
        native.images.push(&client, &name, LAYERS, &Watch::new(&tell, out.gone())).map_err(error::image)?;
        out.send(ImageProgress::Done(id.to_string().into()));
        Ok(())
    })
}

fn tell(out: &Out<ImageProgress>, event: &Event) {
    let layer = |id: String, status: &str, of: Option<(u64, u64)>| ImageProgress::Layer {
        id,
        status: status.to_owned(),
        current: of.map(|it| it.0),
        total: of.map(|it| it.1),
    };
    let said = match event {
        Event::Layers(layers) => {
            for (digest, _) in layers {
                out.send(layer(digest.short(), "Waiting", None));
            }
            return;
        }
        Event::Layer { digest, state } => match state {
            LayerState::Waiting => layer(digest.short(), "Waiting", None),
            LayerState::Exists => layer(digest.short(), "Already exists", None),
            LayerState::Downloading { done, of, .. } => layer(digest.short(), "Downloading", Some((*done, *of))),
            LayerState::Unpacking => layer(digest.short(), "Extracting", None),
            LayerState::Done => layer(digest.short(), "Pull complete", None),
            LayerState::Uploading { done, of } => layer(digest.short(), "Pushing", Some((*done, *of))),
            LayerState::Mounted { from } => layer(digest.short(), &format!("Mounted from {from}"), None),
        },
        Event::Read { .. } => return,
        Event::OtherPlatform { wanted, found } => ImageProgress::Status(format!("the image is for {found}, not for {wanted}")),
        Event::Again { registry, why, wait } => {
            ImageProgress::Status(format!("{registry}: {why}; asking again in {:.1} s", wait.as_secs_f64()))
        }
        Event::Mirror { address, why } => ImageProgress::Status(format!("mirror {address} is of no use: {why}")),
        Event::LostAttribute { name, file } => ImageProgress::Status(format!("the disk does not take the attribute {name} of {file}")),
    };
    out.send(said);
}

/// Refuses: building without an engine of another kind comes later.
pub(crate) fn build(spec: &BuildSpec) -> BoxStream<'static, Result<ImageProgress>> {
    let message = format!(
        "service {}: the native engine does not build images yet; build it with --engine docker, then `docker save IMAGE | rcompose image load`",
        spec.name
    );
    thread::stream(move |_: &Out<ImageProgress>| Err(EngineError::new(ErrorKind::Unsupported, message)))
}

/// Takes a name off an image, and the image away with its last name; absent is success.
pub(crate) fn remove(native: &Native, image: &ImageReference) -> Result<()> {
    match native.images.remove(image.as_str(), false) {
        Err(ImageError::NoSuchImage { .. }) => Ok(()),
        other => other.map(drop).map_err(error::image),
    }
}
