//! Images: pull, build, remove.

use std::collections::BTreeMap;
use std::path::Path;

use futures::{StreamExt, TryStreamExt};
use rcompose_engine_adapter::{
    BuildContext, BuildSpec, Dockerfile, Engine, EngineError, ErrorKind, ImageProgress, ImageReference, Images, PullSpec, Scope,
};

use crate::lab::{IMAGE, Lab, with_engine};

fn spec(tag: &str, folder: &Path, dockerfile: Dockerfile) -> BuildSpec {
    BuildSpec {
        name: "web".into(),
        context: BuildContext::Folder(folder.to_owned()),
        dockerfile,
        tags: vec![tag.into()],
        args: BTreeMap::new(),
        target: None,
        labels: BTreeMap::new(),
        cache_from: Vec::new(),
        cache_to: Vec::new(),
        no_cache: false,
        no_cache_filter: Vec::new(),
        pull: false,
        network: Some("none".into()),
        extra_hosts: Vec::new(),
        shm_size: None,
        memory: None,
        ulimits: BTreeMap::new(),
        platforms: Vec::new(),
        isolation: None,
        additional_contexts: BTreeMap::new(),
        secrets: Default::default(),
        ssh: Vec::new(),
        entitlements: Vec::new(),
        privileged: false,
        provenance: None,
        sbom: None,
    }
}

async fn build(lab: &Lab, spec: &BuildSpec) -> Result<Vec<ImageProgress>, EngineError> {
    lab.docker.build(spec).try_collect().await
}

#[test]
fn a_folder_becomes_an_image() {
    with_engine(|lab| async move {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
        write("kept", "kept\n");
        write("secret", "secret\n");
        write(".dockerignore", "secret\nDockerfile\n");
        let text = format!(
            "FROM {IMAGE} AS one\nARG WORD\nRUN echo \"said $WORD\" && ls -A /\nCOPY . /app\nFROM one AS two\nRUN test ! -e /app/secret && test ! -e /app/Dockerfile && test -e /app/kept\nFROM one\nRUN false\n"
        );
        write("Dockerfile", &text);
        let tag = format!("{}-web:1", lab.project);
        let mut wanted = spec(&tag, folder.path(), Dockerfile::Path("Dockerfile".into()));
        wanted.args.insert("WORD".into(), "a & b".into());
        wanted.labels.insert("who".into(), "me".into());
        wanted.target = Some("two".into());
        let progress = build(&lab, &wanted).await.expect("buildable");
        assert!(progress.iter().any(|it| matches!(it, ImageProgress::Output(line) if line == "said a & b")), "{progress:?}");
        let Some(ImageProgress::Done(id)) = progress.last() else {
            panic!("{progress:?}")
        };
        let image = ImageReference::from(tag.as_str());
        let scope = Scope { images: [image.clone(), "rcompose-test/none:1".into()].into(), ..Scope::default() };
        let found = lab.docker.observe(&scope).await.expect("observable");
        assert_eq!(found.images.len(), 1);
        assert_eq!(&found.images[&image].id, id);
        assert_eq!(found.images[&image].config.labels["who"], "me");

        wanted.target = None;
        let error = build(&lab, &wanted).await.expect_err("RUN false");
        assert!(error.message.contains("cannot build web") && error.message.contains("non-zero code: 1"), "{error}");
        for _ in 0..2 {
            lab.docker.remove_image(&image).await.expect("removable");
        }
    });
}

#[test]
fn inline_instructions_and_large_contexts_go_through() {
    with_engine(|lab| async move {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("large"), vec![7; 30 * 1024 * 1024]).expect("a file");
        let text = format!("FROM {IMAGE}\nCOPY . /app\nRUN ls -A /app && test $(wc -c </app/large) = 31457280\n");
        let tag = format!("{}-inline:1", lab.project);
        let wanted = spec(&tag, folder.path(), Dockerfile::Inline(text));
        let progress = build(&lab, &wanted).await.expect("buildable");
        let outputs: Vec<&str> = progress
            .iter()
            .filter_map(|it| if let ImageProgress::Output(line) = it { Some(line.as_str()) } else { None })
            .collect();
        assert!(outputs.contains(&"large") && !outputs.iter().any(|line| line.starts_with(".dockerfile.")), "{outputs:?}");
        lab.docker.remove_image(&tag.as_str().into()).await.expect("removable");
    });
}

#[test]
fn what_cannot_be_built_is_named_before_anything_is_sent() {
    with_engine(|lab| async move {
        let folder = tempfile::tempdir().expect("a folder");
        let mut wanted = spec("x:1", folder.path(), Dockerfile::Path("Dockerfile".into()));
        let error = build(&lab, &wanted).await.expect_err("no Dockerfile");
        assert!(error.kind == ErrorKind::NotFound && error.message.contains("Dockerfile"), "{error}");
        wanted.context = BuildContext::Folder(folder.path().join("none"));
        let error = build(&lab, &wanted).await.expect_err("no context");
        assert!(error.kind == ErrorKind::NotFound && error.message.contains("none"), "{error}");
        wanted.secrets.insert("token".into());
        wanted.platforms = vec!["linux/amd64".into(), "linux/arm64".into()];
        let error = build(&lab, &wanted).await.expect_err("secrets");
        assert_eq!(error.kind, ErrorKind::Unsupported);
        assert!(error.message.contains("build.secrets") && error.message.contains("build.platforms"), "{error}");
    });
}

#[test]
fn an_image_that_cannot_be_pulled_is_named() {
    with_engine(|lab| async move {
        // Nothing listens at this port of the machine: the engine's refusal comes at once, and nothing leaves the machine.
        let image: ImageReference = "127.0.0.1:9/nothing:1".into();
        let mut stream = lab.docker.pull(&PullSpec { image, platform: None });
        let mut last = None;
        while let Some(item) = stream.next().await {
            last = Some(item);
        }
        let error = last.expect("an answer").expect_err("no registry");
        assert!(error.message.starts_with("cannot pull 127.0.0.1:9/nothing:1"), "{error}");
    });
}
