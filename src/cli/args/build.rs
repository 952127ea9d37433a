//! Flags of `build`.

use clap::Args;

use super::values::pair;

/// Flags of `build`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is one flag")]
pub(crate) struct BuildArgs {
    /// Services; default: all with `build`
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Arguments of the build; without a value it is taken from here
    #[arg(long, value_name = "KEY[=VALUE]", value_parser = pair)]
    pub(crate) build_arg: Vec<(String, Option<String>)>,
    /// The BuildKit builder to use
    #[arg(long, value_name = "NAME")]
    pub(crate) builder: Option<String>,
    /// Check the build configuration and build nothing
    #[arg(long)]
    pub(crate) check: bool,
    /// Memory of the build, such as `512m`
    #[arg(short, long, value_name = "SIZE")]
    pub(crate) memory: Option<String>,
    /// Reuse no layer
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Print the builds as a bake file and build nothing
    #[arg(long)]
    pub(crate) print: bool,
    /// Provenance attestation
    #[arg(long, value_name = "VALUE")]
    pub(crate) provenance: Option<String>,
    /// Look for newer base images
    #[arg(long)]
    pub(crate) pull: bool,
    /// Push the images built
    #[arg(long)]
    pub(crate) push: bool,
    /// Print nothing of the build
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Bill of materials
    #[arg(long, value_name = "VALUE")]
    pub(crate) sbom: Option<String>,
    /// SSH agents and keys
    #[arg(long, value_name = "KEY")]
    pub(crate) ssh: Vec<String>,
    /// What the services depend on, too
    #[arg(long)]
    pub(crate) with_dependencies: bool,
    /// Compress the context (the engine gets it as it is)
    #[arg(long, hide = true)]
    pub(crate) compress: bool,
    /// Remove intermediate containers (they always are)
    #[arg(long, hide = true, default_value_t = true)]
    pub(crate) force_rm: bool,
    /// Keep intermediate containers
    #[arg(long, hide = true)]
    pub(crate) no_rm: bool,
    /// Build at the same time (it always is)
    #[arg(long = "parallel", id = "build_parallel", hide = true, default_value_t = true)]
    pub(crate) parallel: bool,
}
