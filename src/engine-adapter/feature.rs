//! What an engine is and can do; part of what is observed.

use std::collections::BTreeSet;

use serde::Serialize;

/// The engine, as far as a plan depends on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EngineInfo {
    /// `docker`, `memory`, `native`.
    pub name: String,
    /// The engine's own version.
    pub version: String,
    /// The API version spoken, such as `1.41`.
    pub api: String,
    /// What it can do beyond the base.
    pub features: BTreeSet<Feature>,
}

impl EngineInfo {
    /// Tells whether the engine can do this.
    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }
}

macro_rules! features {
    ($($(#[$doc:meta])* $name:ident = $attribute:literal, $needs:literal;)*) => {
        /// What not every engine can do. Each names the attribute that asks for it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Feature {
            $($(#[$doc])* $name,)*
        }

        impl Feature {
            /// Every feature, in the order of the support matrix.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the attribute of a compose file that asks for it.
            pub fn attribute(self) -> &'static str {
                match self { $(Self::$name => $attribute,)* }
            }

            /// Returns what a user needs to have it.
            pub fn needs(self) -> &'static str {
                match self { $(Self::$name => $needs,)* }
            }
        }
    };
}

features! {
    /// Several containers behind one published port.
    SharedPort = "ports with deploy.replicas", "the native engine, or a port range such as 4000-4004:80";
    /// Restarts at a pace of their own.
    RestartPace = "deploy.restart_policy with delay, window, or max_attempts and any", "the native engine";
    /// Files put into a container whose root takes no writes, or below its tmpfs.
    FilesAnywhere = "secrets with uid, gid or mode and read_only", "the native engine, or secrets that are plain files";
    /// Several networks in one create call, with a MAC address for each.
    NetworksAtCreate = "networks.*.mac_address", "Docker Engine 25 (API 1.44)";
    /// A health interval of its own while starting.
    StartInterval = "healthcheck.start_interval", "Docker Engine 25 (API 1.44)";
    /// A path inside a volume.
    VolumeSubpath = "volumes.*.volume.subpath", "Docker Engine 26 (API 1.45)";
    /// An image as a mount.
    ImageMount = "volumes.*.type image", "Docker Engine 28 (API 1.48)";
    /// A path inside an image mount.
    ImageSubpath = "volumes.*.image.subpath", "Docker Engine 28 (API 1.48)";
    /// Recursively read-only binds and their control.
    RecursiveReadOnly = "volumes.*.bind.recursive", "Docker Engine 25 (API 1.44)";
    /// A named interface inside the container.
    InterfaceName = "networks.*.interface_name", "Docker Engine 28 (API 1.48)";
    /// Which network gives the default route.
    GatewayPriority = "networks.*.gw_priority", "Docker Engine 28 (API 1.48)";
    /// Networks without IPv4.
    DisableIpv4 = "networks.*.enable_ipv4", "Docker Engine 28 (API 1.48)";
    /// Annotations of the container.
    Annotations = "annotations", "Docker Engine 24 (API 1.43)";
    /// A GPU or CDI device chosen by the engine.
    DeviceRequests = "gpus", "Docker Engine 19.03 with a device driver";
    /// Builds with secrets, named contexts and the like.
    BuildKit = "build.secrets", "a BuildKit builder, which this version does not drive yet";
    /// Windows containers.
    Windows = "credential_spec", "an engine on Windows";
}
