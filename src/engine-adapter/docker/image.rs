//! Images: pull, push, remove. Building is in [`crate::image_build`].

use bollard::models::ImageInspect;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use rcompose_engine_adapter::{EngineError, ErrorKind, ImageId, ImageProgress, ImageReference, PullSpec, Result};
use serde::Deserialize;

use crate::auth;
use crate::docker::Docker;
use crate::error::{said, while_trying};
use crate::produce::{Out, produce};
use crate::reference::{image_path, registry, split};
use crate::transport::{Api, Call};

pub(crate) use crate::image_build::build;

/// One line of the engine's answer to a pull, push or build.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Message {
    pub(crate) id: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) stream: Option<String>,
    progress_detail: Option<Detail>,
    error: Option<String>,
    error_detail: Option<ErrorDetail>,
    pub(crate) aux: Option<serde_json::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    current: Option<u64>,
    total: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorDetail {
    message: Option<String>,
}

impl Message {
    /// Returns the error that the message is, if it is one.
    pub(crate) fn failed(&self) -> Option<EngineError> {
        let detail = self.error_detail.as_ref().and_then(|detail| detail.message.as_ref());
        detail.or(self.error.as_ref()).map(|message| said(message))
    }

    /// Returns the progress that the message tells.
    pub(crate) fn progress(self) -> Option<ImageProgress> {
        let status = self.status?;
        let detail = self.progress_detail.unwrap_or_default();
        // The first message of a pull carries the tag in place of a layer.
        let is_whole = status.starts_with("Pulling from") || status.starts_with("The push refers to");
        Some(match self.id.filter(|_| !is_whole) {
            Some(id) => ImageProgress::Layer { id, status, current: detail.current, total: detail.total },
            None => ImageProgress::Status(status),
        })
    }
}

pub(crate) fn pull(docker: &Docker, spec: &PullSpec) -> BoxStream<'static, Result<ImageProgress>> {
    let (docker, spec) = (docker.clone(), spec.clone());
    produce(move |out| async move {
        let PullSpec { image, platform } = &spec;
        let what = format!("cannot pull {image}");
        let (name, tag) = split(image.as_str());
        let mut call = Call::post("/images/create").query("fromImage", name).query("tag", tag).patient();
        if let Some(platform) = platform {
            call = call.query("platform", platform);
        }
        transfer(&docker, image, call, out).await.map_err(|error| while_trying(&what, refused(error)))
    })
}

/// An engine says 404 for an image that its registry lacks, in words that name the image.
fn refused(error: EngineError) -> EngineError {
    let is_absent = error.kind == ErrorKind::NotFound;
    EngineError { kind: if is_absent { ErrorKind::ImageMissing } else { error.kind }, ..error }
}

pub(crate) fn push(docker: &Docker, image: &ImageReference) -> BoxStream<'static, Result<ImageProgress>> {
    let (docker, image) = (docker.clone(), image.clone());
    produce(move |out| async move {
        let what = format!("cannot push {image}");
        let (name, tag) = split(image.as_str());
        if tag.contains(':') {
            return Err(EngineError::new(ErrorKind::Invalid, format!("{what}: a reference with a digest names no tag to push to")));
        }
        let call = Call::post(image_path(&name.into(), "/push")).query("tag", tag).patient();
        transfer(&docker, &image, call, out).await.map_err(|error| while_trying(&what, error))
    })
}

/// Sends a pull or push with the registry's credentials and passes on what the engine tells.
async fn transfer(docker: &Docker, image: &ImageReference, call: Call, mut out: Out<ImageProgress>) -> Result<()> {
    let credentials = auth::header(docker.config.as_ref(), registry(image.as_str())).await?;
    let mut messages = docker.api.values::<Message>(call.header("x-registry-auth", credentials));
    while let Some(message) = messages.try_next().await? {
        if let Some(error) = message.failed() {
            return Err(error);
        }
        if let Some(progress) = message.progress() {
            out.send(progress).await;
        }
    }
    out.send(ImageProgress::Done(id(&docker.api, image).await?)).await;
    Ok(())
}

/// Returns the id of an image that is there.
pub(crate) async fn id(api: &Api, image: &ImageReference) -> Result<ImageId> {
    let found: ImageInspect = api.json(Call::get(image_path(image, "/json"))).await?;
    let id = found.id.ok_or_else(|| EngineError::new(ErrorKind::Other, format!("image {image} has no id")))?;
    Ok(ImageId::new(id))
}

pub(crate) async fn remove(api: &Api, image: &ImageReference) -> Result<()> {
    match api.unit(Call::delete(image_path(image, "")).patient()).await {
        Err(error) if error.is_not_found() || error.kind == ErrorKind::ImageMissing => Ok(()),
        result => result.map_err(|error| while_trying(&format!("cannot remove image {image}"), error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        serde_json::from_str(text).expect("a message")
    }

    #[test]
    fn messages_are_read() {
        let layer = message(r#"{"status":"Downloading","progressDetail":{"current":1,"total":2},"progress":"[=> ]","id":"ab12"}"#);
        let expected = ImageProgress::Layer { id: "ab12".into(), status: "Downloading".into(), current: Some(1), total: Some(2) };
        assert_eq!(layer.progress(), Some(expected));
        let whole = message(r#"{"status":"Pulling from library/web","id":"latest"}"#);
        assert_eq!(whole.progress(), Some(ImageProgress::Status("Pulling from library/web".into())));
        let failed = message(r#"{"errorDetail":{"message":"manifest unknown"},"error":"manifest unknown"}"#);
        assert_eq!(failed.failed().expect("an error").kind, ErrorKind::ImageMissing);
        assert!(message("{}").failed().is_none() && message("{}").progress().is_none());
    }
}
