//! Names of things on an engine, so that one kind is never taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is: engines check their own grammar.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    };
}

name!(
    /// A container's name, without the leading slash of the Docker API.
    ContainerName
);
name!(
    /// A network's name on the engine (`project_key` unless `name:` is set).
    NetworkName
);
name!(
    /// A volume's name on the engine (`project_key` unless `name:` is set).
    VolumeName
);
name!(
    /// An image reference as a user writes it: `repository[:tag][@digest]`.
    ImageReference
);
name!(
    /// An image's id: `sha256:` and 64 hex digits.
    ImageId
);
