//! From `build:` to what a builder is told.

use rcompose_engine_adapter::{BuildContext, BuildSpec, Dockerfile, Ulimit, labels};
use rcompose_spec::model::{Project, Service};

use super::{Lowering, set};
use crate::{BuildOptions, PathKind, Problem, ProblemKind, World, identity};

/// Returns what a builder is told; `None` for a service without `build`.
pub(crate) fn build_spec(project: &Project, service: &Service, world: &World, options: &BuildOptions) -> Option<BuildSpec> {
    let build = service.build.as_ref()?;
    let mut args: std::collections::BTreeMap<String, String> = world.proxy_environment.clone();
    args.extend(build.args.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))));
    args.extend(options.args.clone());
    let image = identity::image(project, service, world);
    let tags = std::iter::once(image.clone()).chain(build.tags.iter().map(|tag| tag.as_str().into()).filter(|tag| *tag != image));
    let mut platforms = build.platforms.clone();
    if platforms.is_empty() {
        platforms.extend(set(&service.platform));
    }
    Some(BuildSpec {
        name: service.name.clone(),
        context: context(&build.context),
        dockerfile: if build.dockerfile_inline.is_empty() {
            Dockerfile::Path(set(&build.dockerfile).unwrap_or_else(|| "Dockerfile".to_owned()).into())
        } else {
            Dockerfile::Inline(build.dockerfile_inline.clone())
        },
        tags: tags.collect(),
        args,
        target: set(&build.target),
        labels: image_labels(project, service, world),
        cache_from: build.cache_from.clone(),
        cache_to: build.cache_to.clone(),
        no_cache: build.no_cache || options.no_cache,
        no_cache_filter: build.no_cache_filter.clone(),
        pull: build.pull || options.pull,
        network: set(&build.network),
        extra_hosts: build.extra_hosts.to_list(':'),
        shm_size: (build.shm_size.0 != 0).then_some(build.shm_size.0),
        memory: options.memory,
        ulimits: build
            .ulimits
            .iter()
            .map(|(name, limit)| (name.clone(), Ulimit { soft: limit.bounds().0, hard: limit.bounds().1 }))
            .collect(),
        platforms,
        isolation: set(&build.isolation),
        additional_contexts: build.additional_contexts.clone(),
        secrets: build.secrets.iter().map(|grant| grant.source.clone()).collect(),
        ssh: build.ssh.iter().map(|key| key.id.clone()).chain(options.ssh.iter().cloned()).collect(),
        entitlements: build.entitlements.clone(),
        privileged: build.privileged,
        provenance: options.provenance.clone().or_else(|| set(&build.provenance)),
        sbom: options.sbom.clone().or_else(|| set(&build.sbom)),
    })
}

/// Tells whether a build context is an address that the engine fetches.
pub(crate) fn is_remote(text: &str) -> bool {
    text.contains("://") || text.starts_with("git@") || text.starts_with("github.com/")
}

fn context(text: &str) -> BuildContext {
    if is_remote(text) {
        BuildContext::Remote(text.to_owned())
    } else {
        BuildContext::Folder(text.into())
    }
}

fn image_labels(project: &Project, service: &Service, world: &World) -> std::collections::BTreeMap<String, String> {
    let mut all = service.build.as_ref().map(|build| build.labels.clone()).unwrap_or_default();
    all.insert(labels::PROJECT.into(), project.name.clone());
    all.insert(labels::SERVICE.into(), service.name.clone());
    all.insert(labels::VERSION.into(), world.version.clone());
    all
}

impl Lowering<'_> {
    /// A context or Dockerfile that is not there is said before anything is sent.
    pub(crate) fn check_context(&mut self, service: &Service, spec: &BuildSpec) {
        let BuildContext::Folder(folder) = &spec.context else { return };
        match self.world.paths.get(folder) {
            Some(PathKind::Missing) => {
                let message = format!("build context {} is not there", folder.display());
                let problem = Problem::new(ProblemKind::Invalid, format!("services.{}.build.context", service.name), message);
                self.problem(problem.hint("make the folder, or correct its path"));
            }
            Some(PathKind::File) => {
                let message = format!("build context {} is a file; it must be a folder", folder.display());
                let problem = Problem::new(ProblemKind::Invalid, format!("services.{}.build.context", service.name), message);
                self.problem(problem.hint("name the folder, and the file by `dockerfile:`"));
            }
            Some(PathKind::Folder) => self.check_dockerfile(service, spec, folder),
            None => {}
        }
    }

    fn check_dockerfile(&mut self, service: &Service, spec: &BuildSpec, folder: &std::path::Path) {
        let Dockerfile::Path(path) = &spec.dockerfile else { return };
        let full = folder.join(path);
        if self.world.paths.get(&full) == Some(&PathKind::Missing) {
            let message = format!("{} is not there", full.display());
            let problem = Problem::new(ProblemKind::Invalid, format!("services.{}.build.dockerfile", service.name), message);
            self.problem(problem.hint("make the file, or name another by `dockerfile:`"));
        }
    }
}
