//! Flags of the verbs about images, with the meaning they have for docker.

use clap::{Args, Subcommand};

/// `image …`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImageArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: ImageVerb,
}

/// What to do with images of our own store.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ImageVerb {
    /// List images
    #[command(visible_alias = "list")]
    Ls(ImageLsArgs),
    /// Pull an image from a registry
    Pull(ImagePullArgs),
    /// Push an image to a registry
    Push(ImagePushArgs),
    /// Load images from an archive
    Load(ImageLoadArgs),
    /// Save images to an archive
    Save(ImageSaveArgs),
    /// Make an image of a root file system
    Import(ImageImportArgs),
    /// Give an image a further name
    Tag(ImageTagArgs),
    /// Remove images
    #[command(visible_alias = "remove")]
    Rm(ImageRmArgs),
    /// Show all about images
    Inspect(ImageInspectArgs),
    /// Show how an image came about
    History(ImageHistoryArgs),
    /// Remove images that nothing uses, and what broken-off work left
    Prune(ImagePruneArgs),
    /// Prove that nothing in the store is damaged
    Verify(ImageVerifyArgs),
}

/// Flags of `image ls`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImageLsArgs {
    /// Images of this name, `*` standing for any letters
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub(crate) name: Option<String>,
    /// All images; there are no intermediate ones here
    #[arg(short, long, hide = true)]
    pub(crate) all: bool,
    /// Digests in registries, too
    #[arg(long)]
    pub(crate) digests: bool,
    /// `dangling=BOOL`, `reference=PATTERN`, `label=KEY[=VALUE]`, `before=IMAGE`, `since=IMAGE`
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub(crate) filter: Vec<String>,
    /// `table`, `json`, or a template such as `{{.Repository}}:{{.Tag}}`
    #[arg(long, value_name = "FORM")]
    pub(crate) format: Option<String>,
    /// Whole ids
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Ids only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// How registries are reached.
#[derive(Debug, Clone, Args)]
pub(crate) struct RegistryArgs {
    /// A mirror that is asked first, of docker.io or of the registry named before `=`
    #[arg(long, value_name = "[REGISTRY=]ADDRESS")]
    pub(crate) registry_mirror: Vec<String>,
    /// Layers at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) layers: u16,
}

/// Flags of `image pull`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImagePullArgs {
    /// The image
    #[arg(value_name = "NAME[:TAG|@DIGEST]")]
    pub(crate) name: String,
    /// The platform, such as `linux/arm64`
    #[arg(long, value_name = "PLATFORM", env = "DOCKER_DEFAULT_PLATFORM")]
    pub(crate) platform: Option<String>,
    /// The name only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// How registries are reached.
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// Flags of `image push`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImagePushArgs {
    /// The image
    #[arg(value_name = "NAME[:TAG]")]
    pub(crate) name: String,
    /// The name only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// How registries are reached.
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// Flags of `image load`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImageLoadArgs {
    /// The archive; default: standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) input: Option<String>,
    /// The platform to take of images for several
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// Names only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Flags of `image save`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImageSaveArgs {
    /// The images
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<String>,
    /// The archive; default: standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<String>,
    /// `docker-archive`: layers uncompressed, an OCI layout at the same time; `oci-archive`: layers and manifest as they were pulled
    #[arg(long, value_name = "FORM", default_value = "docker-archive", value_parser = ["docker-archive", "oci-archive"])]
    pub(crate) format: String,
}

/// Flags of `image import`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImageImportArgs {
    /// The archive, `-` being standard input
    #[arg(value_name = "FILE|-")]
    pub(crate) file: String,
    /// The image's name
    #[arg(value_name = "NAME[:TAG]")]
    pub(crate) name: Option<String>,
    /// Instructions of a Dockerfile, such as `CMD ["sh"]`
    #[arg(short, long, value_name = "INSTRUCTION")]
    pub(crate) change: Vec<String>,
    /// A remark
    #[arg(short, long, value_name = "TEXT", default_value = "")]
    pub(crate) message: String,
    /// What it runs on
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
}

/// Flags of `image tag`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImageTagArgs {
    /// The image
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// Its further name
    #[arg(value_name = "NAME[:TAG]")]
    pub(crate) name: String,
}

/// Flags of `image rm`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImageRmArgs {
    /// The images
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<String>,
    /// With all names, and no error where there is none
    #[arg(short, long)]
    pub(crate) force: bool,
}

/// Flags of `image inspect`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImageInspectArgs {
    /// The images
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<String>,
    /// A template such as `{{.Id}}` or `{{json .Config}}`
    #[arg(short, long, value_name = "FORM")]
    pub(crate) format: Option<String>,
}

/// Flags of `image history`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImageHistoryArgs {
    /// The image
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// `table`, `json`, or a template
    #[arg(long, value_name = "FORM")]
    pub(crate) format: Option<String>,
    /// Sizes and times for people
    #[arg(short = 'H', long, default_value_t = true)]
    pub(crate) human: bool,
    /// Whole texts
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Ids only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Flags of `image prune`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImagePruneArgs {
    /// Images with names, too, unless a container has them
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Without asking
    #[arg(short, long)]
    pub(crate) force: bool,
}

/// Flags of `image verify`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImageVerifyArgs {
    /// `text` or `json`
    #[arg(long, value_name = "FORM", default_value = "text", value_parser = ["text", "json"])]
    pub(crate) format: String,
}

/// Flags of `login`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LoginArgs {
    /// The registry; default: docker.io
    #[arg(value_name = "REGISTRY")]
    pub(crate) registry: Option<String>,
    /// Who logs in
    #[arg(short, long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Their password; others of this machine can see it here, so better on standard input
    #[arg(short, long, value_name = "PASSWORD", conflicts_with = "password_stdin")]
    pub(crate) password: Option<String>,
    /// The password comes on standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

/// Flags of `logout`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogoutArgs {
    /// The registry; default: docker.io
    #[arg(value_name = "REGISTRY")]
    pub(crate) registry: Option<String>,
}
