//! Building images with the engine's own (classic) builder.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use rcompose_context::{Context, ContextError, Instructions};
use rcompose_engine_adapter::{BuildContext, BuildSpec, Dockerfile, EngineError, ErrorKind, ImageId, ImageProgress, Result, Ulimit};
use tokio::sync::mpsc;

use crate::auth;
use crate::docker::Docker;
use crate::error::while_trying;
use crate::image::{Message, id};
use crate::produce::{Out, produce};
use crate::transport::{Body, Call};

pub(crate) fn build(docker: &Docker, spec: &BuildSpec) -> BoxStream<'static, Result<ImageProgress>> {
    let (docker, spec) = (docker.clone(), spec.clone());
    produce(move |out| async move {
        let what = format!("cannot build {}", spec.name);
        run(&docker, &spec, out).await.map_err(|error| while_trying(&what, error))
    })
}

async fn run(docker: &Docker, spec: &BuildSpec, mut out: Out<ImageProgress>) -> Result<()> {
    let call = lower(spec)?;
    let (credentials, failures) = auth::headers(docker.config.as_ref()).await?;
    for failure in failures {
        out.send(ImageProgress::Status(failure.message)).await;
    }
    let call = call.header("x-registry-config", credentials);
    let (call, failure) = match &spec.context {
        BuildContext::Remote(_) => (call, Failure::default()),
        BuildContext::Folder(folder) => {
            let context = open(folder, &spec.dockerfile).await?;
            for path in context.skipped() {
                out.send(ImageProgress::Status(format!("left out of the build context: {} (no file, folder or link)", path.display())))
                    .await;
            }
            let call = call
                .query("dockerfile", context.dockerfile())
                .header("content-type", "application/x-tar".to_owned());
            let (body, failure) = streamed(context);
            (call.body(body), failure)
        }
    };
    let built = follow(docker, call, &mut out).await;
    // Where the context could not be read, the engine's or the connection's complaint only follows from that.
    if let Some(error) = failure.take() {
        return Err(context_error(error));
    }
    let built = match (built?, spec.tags.first()) {
        (Some(built), _) => built,
        (None, Some(tag)) => id(&docker.api, tag).await?,
        (None, None) => return Err(EngineError::new(ErrorKind::Other, "the engine named no image")),
    };
    out.send(ImageProgress::Done(built)).await;
    Ok(())
}

/// Passes on what the builder tells and returns the id of what it made.
async fn follow(docker: &Docker, call: Call, out: &mut Out<ImageProgress>) -> Result<Option<ImageId>> {
    let mut messages = docker.api.values::<Message>(call);
    let (mut built, mut line) = (None, String::new());
    while let Some(message) = messages.try_next().await? {
        if let Some(error) = message.failed() {
            return Err(error);
        }
        let aux = message.aux.as_ref().and_then(|aux| aux.get("ID")).and_then(|id| id.as_str());
        built = aux.map(ImageId::from).or(built);
        line.push_str(message.stream.as_deref().unwrap_or_default());
        while let Some(end) = line.find('\n') {
            let rest = line.split_off(end + 1);
            let text = line.trim_end().to_owned();
            line = rest;
            if !text.is_empty() {
                out.send(ImageProgress::Output(text)).await;
            }
        }
        if let Some(progress) = message.progress() {
            out.send(progress).await;
        }
    }
    if !line.trim().is_empty() {
        out.send(ImageProgress::Output(line)).await;
    }
    Ok(built)
}

/// Writes the request less the context; what the classic builder cannot do is refused by name before anything is sent.
fn lower(spec: &BuildSpec) -> Result<Call> {
    // Destructured in full, so that a new field cannot be forgotten.
    let BuildSpec {
        name: _, // for messages
        context,
        dockerfile,
        tags,
        args,
        target,
        labels,
        cache_from,
        cache_to: _, // refused
        no_cache,
        no_cache_filter: _, // refused
        pull,
        network,
        extra_hosts,
        shm_size,
        memory,
        ulimits,
        platforms,
        isolation,
        additional_contexts: _, // refused
        secrets: _,             // refused
        ssh: _,                 // refused
        entitlements: _,        // refused
        privileged: _,          // refused
        provenance: _,          // refused
        sbom: _,                // refused
    } = spec;
    refuse_what_it_cannot(spec)?;
    let flag = |on: bool| if on { "1" } else { "0" };
    let mut call = Call::post("/build").query("version", "1").query("rm", "1").query("forcerm", "1").patient();
    call = call.query("nocache", flag(*no_cache)).query("pull", flag(*pull));
    call = tags.iter().fold(call, |call, tag| call.query("t", tag.as_str()));
    call = extra_hosts.iter().fold(call, |call, host| call.query("extrahosts", host));
    call = call.query_json("buildargs", args).query_json("labels", labels).query_json("cachefrom", cache_from);
    call = call.query_json("ulimits", &limits(ulimits));
    let texts = [
        ("target", target.as_deref()),
        ("networkmode", network.as_deref()),
        ("isolation", isolation.as_deref()),
    ];
    let texts = texts.into_iter().chain([("platform", platforms.first().map(String::as_str))]);
    for (key, value) in texts {
        call = value.into_iter().fold(call, |call, value| call.query(key, value));
    }
    for (key, value) in [("shmsize", shm_size), ("memory", memory)] {
        call = value.iter().fold(call, |call, value| call.query(key, &value.to_string()));
    }
    if let BuildContext::Remote(address) = context {
        call = call.query("remote", address);
        if let Dockerfile::Path(path) = dockerfile {
            call = call.query("dockerfile", &path.to_string_lossy());
        }
    }
    Ok(call)
}

/// Names what only a BuildKit builder can do.
fn refuse_what_it_cannot(spec: &BuildSpec) -> Result<()> {
    let asked = |text: &Option<String>| text.as_deref().is_some_and(|text| text != "false");
    let remote = matches!(spec.context, BuildContext::Remote(_));
    refuse(&[
        ("build.cache_to", !spec.cache_to.is_empty()),
        ("build.no_cache_filter", !spec.no_cache_filter.is_empty()),
        ("build.platforms with more than one platform", spec.platforms.len() > 1),
        ("build.additional_contexts", !spec.additional_contexts.is_empty()),
        ("build.secrets", !spec.secrets.is_empty()),
        ("build.ssh", !spec.ssh.is_empty()),
        ("build.entitlements", !spec.entitlements.is_empty()),
        ("build.privileged", spec.privileged),
        ("build.provenance", asked(&spec.provenance)),
        ("build.sbom", asked(&spec.sbom)),
        ("build.dockerfile_inline with a remote context", remote && matches!(spec.dockerfile, Dockerfile::Inline(_))),
    ])
}

fn refuse(features: &[(&str, bool)]) -> Result<()> {
    let asked: Vec<&str> = features.iter().filter(|(_, asked)| *asked).map(|(name, _)| *name).collect();
    if asked.is_empty() {
        return Ok(());
    }
    let message = format!("{}: the engine's classic builder cannot do this, and this version drives no other", asked.join(", "));
    Err(EngineError::new(ErrorKind::Unsupported, message))
}

fn limits(ulimits: &BTreeMap<String, Ulimit>) -> Vec<serde_json::Value> {
    let limit = |(name, limit): (&String, &Ulimit)| serde_json::json!({ "Name": name, "Soft": limit.soft, "Hard": limit.hard });
    ulimits.iter().map(limit).collect()
}

async fn open(folder: &Path, dockerfile: &Dockerfile) -> Result<Context> {
    let folder = folder.to_owned();
    let instructions = match dockerfile {
        Dockerfile::Path(path) => Instructions::Path(path.clone()),
        Dockerfile::Inline(text) => Instructions::Inline(text.clone()),
    };
    let task = tokio::task::spawn_blocking(move || Context::open(&folder, &instructions));
    match task.await {
        Ok(context) => context.map_err(context_error),
        Err(error) => Err(EngineError::new(ErrorKind::Other, "reading the build context failed").caused_by(error)),
    }
}

/// Names what is wrong with the context; a missing part is the caller's to correct.
fn context_error(error: ContextError) -> EngineError {
    let kind = match &error {
        ContextError::Missing { .. } | ContextError::NotAFolder { .. } | ContextError::MissingDockerfile { .. } => ErrorKind::NotFound,
        ContextError::Pattern { .. } => ErrorKind::Invalid,
        ContextError::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => ErrorKind::Denied,
        ContextError::Changed { .. } | ContextError::Read { .. } | ContextError::Write(_) => ErrorKind::Other,
    };
    EngineError::new(kind, error.to_string()).caused_by(error)
}

/// What went wrong while the context was sent.
#[derive(Debug, Clone, Default)]
struct Failure(Arc<Mutex<Option<ContextError>>>);

impl Failure {
    fn take(&self) -> Option<ContextError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, error: ContextError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// Bytes handed on at once: large enough that threads seldom switch, small enough that memory stays flat.
const PIECE: usize = 64 * 1024;

/// Packs the context on a thread of its own while it is sent; no more than a few pieces wait in memory.
fn streamed(context: Context) -> (Body, Failure) {
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(4);
    let failure = Failure::default();
    let failed = failure.clone();
    // Ends by itself: with the context, or when the other end is dropped.
    let _packing = tokio::task::spawn_blocking(move || {
        let pipe = io::BufWriter::with_capacity(PIECE, Pipe(sender.clone()));
        match context.write_tar(pipe) {
            // The engine hung up: its answer says why.
            Ok(()) | Err(ContextError::Write(_)) => {}
            Err(error) => {
                failed.set(error);
                let _gone = sender.blocking_send(Err(io::Error::other("the build context cannot be read")));
            }
        }
    });
    let pieces = stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|piece| (piece, receiver)) });
    (Body::Streamed(pieces.boxed()), failure)
}

struct Pipe(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
