//! Images: names, pulls, builds, pushes.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use rcompose_engine_adapter::{
    BuildSpec, EngineError, ErrorKind, Feature, ImageConfig, ImageId, ImageProgress, ImageReference, Images, PullSpec, Result,
};

use crate::Memory;
use crate::call::CallKind;
use crate::state::Image;
use crate::validate;
use crate::world::{World, conflict, sha256_hex};

/// Returns the one spelling of a reference: without the default registry, with a tag.
pub(crate) fn normal(reference: &ImageReference) -> ImageReference {
    let text = reference.as_str();
    let text = text.strip_prefix("docker.io/").or_else(|| text.strip_prefix("index.docker.io/")).unwrap_or(text);
    let text = text.strip_prefix("library/").unwrap_or(text);
    let last = text.rsplit('/').next().unwrap_or(text);
    let complete = text.contains('@') || last.contains(':');
    ImageReference::from(if complete { text.to_owned() } else { format!("{text}:latest") })
}

impl World {
    /// Finds an image by reference or id.
    pub(crate) fn find_image(&self, reference: &ImageReference) -> Option<&Image> {
        let by_name = self.images.local.get(&normal(reference));
        by_name.or_else(|| self.images.local.values().find(|image| image.id.as_str() == reference.as_str()))
    }

    /// Gives a name to the image that has this content.
    pub(crate) fn tag(&mut self, reference: &ImageReference, config: ImageConfig, at: Duration) -> ImageId {
        let reference = normal(reference);
        let repository = reference.as_str().split([':', '@']).next().unwrap_or_default();
        let id = ImageId::from(format!("sha256:{}", sha256_hex(&format!("{repository} {config:?}"))));
        self.images.local.insert(reference, Image { id: id.clone(), tagged: at, config });
        self.touch();
        id
    }

    fn untag(&mut self, reference: &ImageReference) -> Result<()> {
        let Some(image) = self.find_image(reference) else { return Ok(()) };
        let id = image.id.clone();
        let names = self.images.local.values().filter(|image| image.id == id).count();
        let user = self.containers.iter().find(|(_, container)| container.image_id == id);
        if let Some((user, _)) = user.filter(|_| names == 1) {
            return Err(conflict(format!("image {reference} is in use by container {user}")));
        }
        let by_name = self.images.local.remove(&normal(reference));
        if by_name.is_none() {
            self.images.local.retain(|_, image| image.id != id);
        }
        self.touch();
        Ok(())
    }
}

#[async_trait]
impl Images for Memory {
    fn pull(&self, spec: &PullSpec) -> BoxStream<'static, Result<ImageProgress>> {
        let (memory, spec) = (self.clone(), spec.clone());
        report(async move { memory.pull_now(&spec).await })
    }

    fn build(&self, spec: &BuildSpec) -> BoxStream<'static, Result<ImageProgress>> {
        let (memory, spec) = (self.clone(), spec.clone());
        report(async move { memory.build_now(&spec).await })
    }

    fn push(&self, image: &ImageReference) -> BoxStream<'static, Result<ImageProgress>> {
        let (memory, image) = (self.clone(), image.clone());
        report(async move { memory.push_now(&image).await })
    }

    async fn remove_image(&self, image: &ImageReference) -> Result<()> {
        let _flight = self.enter(CallKind::RemoveImage, image).await?;
        self.world().untag(image)
    }
}

type Report = (Vec<ImageProgress>, Result<()>);

/// Turns what a call has to tell into a stream.
fn report(call: impl Future<Output = Report> + Send + 'static) -> BoxStream<'static, Result<ImageProgress>> {
    let items = stream::once(call).flat_map(|(progress, end)| {
        let items: Vec<_> = progress.into_iter().map(Ok).chain(end.err().map(Err)).collect();
        stream::iter(items)
    });
    items.boxed()
}

impl Memory {
    async fn pull_now(&self, spec: &PullSpec) -> Report {
        let _flight = match self.enter(CallKind::Pull, &spec.image).await {
            Ok(flight) => flight,
            Err(error) => return (Vec::new(), Err(error)),
        };
        let mut world = self.world();
        let now = world.now;
        let Some(config) = world.images.remote.get(&normal(&spec.image)).cloned() else {
            let message = format!("no image {} in the registry", spec.image);
            return (Vec::new(), Err(EngineError::new(ErrorKind::ImageMissing, message)));
        };
        let id = world.tag(&spec.image, config, now);
        let layer = |status: &str, current| ImageProgress::Layer {
            id: id.as_str().chars().skip("sha256:".len()).take(12).collect(),
            status: status.to_owned(),
            current: Some(current),
            total: Some(100),
        };
        (vec![layer("Downloading", 50), layer("Pull complete", 100), ImageProgress::Done(id.clone())], Ok(()))
    }

    async fn build_now(&self, spec: &BuildSpec) -> Report {
        let _flight = match self.enter(CallKind::Build, &spec.name).await {
            Ok(flight) => flight,
            Err(error) => return (Vec::new(), Err(error)),
        };
        let mut world = self.world();
        let now = world.now;
        let buildkit = !spec.secrets.is_empty() || !spec.additional_contexts.is_empty() || !spec.ssh.is_empty();
        if let Err(error) = if buildkit {
            validate::require(&world.info, Feature::BuildKit)
        } else {
            Ok(())
        } {
            return (Vec::new(), Err(error));
        }
        let output = vec![ImageProgress::Output(format!("building {}", spec.name))];
        if let Some(message) = world.images.failing_builds.get(&spec.name) {
            return (output, Err(EngineError::new(ErrorKind::Other, message.clone())));
        }
        let mut config = world.images.build_results.get(&spec.name).cloned().unwrap_or_default();
        config.labels.extend(spec.labels.clone());
        let ids: Vec<ImageId> = spec.tags.iter().map(|tag| world.tag(tag, config.clone(), now)).collect();
        match ids.into_iter().next() {
            Some(id) => (output.into_iter().chain([ImageProgress::Done(id)]).collect(), Ok(())),
            None => (output, Err(EngineError::new(ErrorKind::Invalid, format!("the build of {} has no tag", spec.name)))),
        }
    }

    async fn push_now(&self, image: &ImageReference) -> Report {
        let _flight = match self.enter(CallKind::Push, image).await {
            Ok(flight) => flight,
            Err(error) => return (Vec::new(), Err(error)),
        };
        let mut world = self.world();
        let Some(found) = world.find_image(image).cloned() else {
            return (Vec::new(), Err(EngineError::new(ErrorKind::ImageMissing, format!("no such image: {image}"))));
        };
        world.images.remote.insert(normal(image), found.config);
        world.images.pushed.insert(normal(image));
        (vec![ImageProgress::Status("Pushed".into()), ImageProgress::Done(found.id)], Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_have_one_spelling() {
        for (text, expected) in [
            ("nginx", "nginx:latest"),
            ("docker.io/library/nginx:1", "nginx:1"),
            ("localhost:5000/a", "localhost:5000/a:latest"),
            ("a@sha256:00", "a@sha256:00"),
        ] {
            assert_eq!(normal(&text.into()).as_str(), expected);
        }
    }
}
