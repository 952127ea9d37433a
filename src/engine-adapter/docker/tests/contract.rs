//! The suite that every engine must pass, on a real engine: `DOCKER_HOST`, else the local socket.
#![expect(clippy::print_stderr, reason = "a test that is left out says so")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::TryStreamExt;
use rcompose_docker::{Connection, Docker, Endpoint};
use rcompose_engine_adapter::{BuildContext, BuildSpec, Dockerfile, Engine, ImageProgress, ImageReference, Images, Streams};
use rcompose_memory::contract::{self, Harness};

struct Real {
    docker: Arc<Docker>,
    image: ImageReference,
}

impl Harness for Real {
    fn engine(&self) -> Arc<dyn Engine> {
        Arc::clone(&self.docker) as Arc<dyn Engine>
    }

    fn images(&self) -> Arc<dyn Images> {
        Arc::clone(&self.docker) as Arc<dyn Images>
    }

    fn streams(&self) -> Arc<dyn Streams> {
        Arc::clone(&self.docker) as Arc<dyn Streams>
    }

    fn shell_image(&self) -> ImageReference {
        self.image.clone()
    }

    fn prefix(&self) -> String {
        format!("rcc{}", std::process::id())
    }
}

/// Makes the suite's image: busybox, and the one program that the suite needs and Debian's busybox lacks.
async fn shell_image(docker: &Docker) -> ImageReference {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "#!/bin/sh\neval \"[ -n \\\"\\${$1+set}\\\" ]\" || exit 1\neval \"echo \\\"\\$$1\\\"\"\n";
    std::fs::write(folder.path().join("printenv"), script).expect("a file");
    let text = "FROM rcompose-test/busybox:1\nCOPY printenv /bin/printenv\nRUN chmod 755 /bin/printenv && X=1 printenv X\n";
    let tag = ImageReference::new(format!("rcompose-test/shell:{}", std::process::id()));
    let spec = BuildSpec {
        name: "shell".into(),
        context: BuildContext::Folder(folder.path().to_owned()),
        dockerfile: Dockerfile::Inline(text.into()),
        tags: vec![tag.clone()],
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
        secrets: BTreeSet::new(),
        ssh: Vec::new(),
        entitlements: Vec::new(),
        privileged: false,
        provenance: None,
        sbom: None,
    };
    let progress: Vec<ImageProgress> = docker.build(&spec).try_collect().await.expect("buildable");
    assert!(matches!(progress.last(), Some(ImageProgress::Done(_))), "{progress:?}");
    tag
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_keeps_the_contract() {
    let host = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
    let endpoint = host.map_or_else(Endpoint::local, |host| Endpoint::parse(&host, None).expect("DOCKER_HOST is an address"));
    let docker = match Docker::connect(&Connection { endpoint, config: None }).await {
        Ok(docker) => docker,
        Err(error) if std::env::var_os("RCOMPOSE_REQUIRE_ENGINE").is_some() => panic!("an engine is required: {error}"),
        Err(error) => {
            eprintln!("left out: {error}");
            return;
        }
    };
    let docker = Arc::new(docker);
    let image = shell_image(&docker).await;
    let failures = contract::suite(&Real { docker: Arc::clone(&docker), image: image.clone() }).await;
    docker.remove_image(&image).await.expect("removable");
    let shown: Vec<String> = failures.iter().map(ToString::to_string).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}
