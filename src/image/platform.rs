//! Platforms, and which entry of an index fits one.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::ImageError;

/// What a program runs on. Source: OCI image spec, image index, `platform`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// The operating system, by Go's name.
    pub os: String,
    /// The processor, by Go's name.
    pub architecture: String,
    /// The processor's variant, such as `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// Returns the platform of the machine this was built for.
    #[must_use]
    pub fn host() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "x86" => ("386", None),
            "aarch64" => ("arm64", Some("v8")),
            "arm" => ("arm", Some("v7")),
            "powerpc64" if cfg!(target_endian = "little") => ("ppc64le", None),
            other => (other, None),
        };
        Self { os: "linux".into(), architecture: architecture.into(), variant: variant.map(str::to_owned) }
    }

    /// Tells how well what an index or configuration offers fits this wish: the lower, the better; nothing: not at all.
    /// Processors of the arm family run code of earlier variants. Source: containerd `platforms`, compare.
    #[must_use]
    pub fn distance(&self, offered: &Self) -> Option<u32> {
        let (wanted, offered) = (self.normal(), offered.normal());
        if wanted.os != offered.os || wanted.architecture != offered.architecture {
            return None;
        }
        let number = |platform: &Self| platform.variant.as_deref().and_then(|it| it.strip_prefix('v')?.parse::<u32>().ok());
        match (number(&wanted), number(&offered)) {
            (Some(wanted), Some(offered)) => wanted.checked_sub(offered),
            (None, None) if wanted.variant == offered.variant => Some(0),
            (None, Some(_)) => Some(0),
            // Says nothing of its variant: usable, but what names it is better.
            (Some(_), None) if offered.variant.is_none() => Some(100),
            _ => None,
        }
    }

    /// Writes one platform in one way. Source: containerd `platforms`, normalize.
    fn normal(&self) -> Self {
        let (architecture, variant) = match (self.architecture.as_str(), self.variant.as_deref()) {
            ("x86_64" | "x86-64", variant) | ("amd64", variant @ Some("v1")) => ("amd64", variant.filter(|it| *it != "v1")),
            ("i386" | "i486" | "i586" | "i686", variant) => ("386", variant),
            ("aarch64" | "arm64", None | Some("8" | "v8")) => ("arm64", Some("v8")),
            ("aarch64", variant) => ("arm64", variant),
            ("armhf", _) => ("arm", Some("v7")),
            ("armel", _) => ("arm", Some("v6")),
            ("arm", None | Some("" | "7")) => ("arm", Some("v7")),
            ("arm", Some("5")) => ("arm", Some("v5")),
            ("arm", Some("6")) => ("arm", Some("v6")),
            (other, variant) => (other, variant.filter(|it| !it.is_empty())),
        };
        let os = if self.os == "macos" { "darwin" } else { &self.os };
        Self { os: os.to_lowercase(), architecture: architecture.into(), variant: variant.map(str::to_owned) }
    }
}

impl Display for Platform {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().filter(|it| !it.is_empty()).map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

impl FromStr for Platform {
    type Err = ImageError;

    /// Reads `os/architecture[/variant]`, or an architecture alone, which means Linux.
    fn from_str(text: &str) -> Result<Self, ImageError> {
        let wrong = || ImageError::Platform { text: text.to_owned() };
        let parts: Vec<&str> = text.split('/').collect();
        let fits = |part: &&str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_alphanumeric() || b"_-.".contains(&it));
        if !parts.iter().all(fits) {
            return Err(wrong());
        }
        let (os, architecture, variant) = match parts.as_slice() {
            ["linux"] => ("linux".to_owned(), Self::host().architecture, None),
            [architecture] => ("linux".to_owned(), (*architecture).to_owned(), None),
            [os, architecture] => ((*os).to_owned(), (*architecture).to_owned(), None),
            [os, architecture, variant] => ((*os).to_owned(), (*architecture).to_owned(), Some((*variant).to_owned())),
            _ => return Err(wrong()),
        };
        Ok(Self { os, architecture, variant }.normal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_written_in_one_way() {
        for (text, normal) in [
            ("linux/x86_64", "linux/amd64"),
            ("arm64", "linux/arm64/v8"),
            ("linux/arm/6", "linux/arm/v6"),
            ("linux/arm", "linux/arm/v7"),
            ("windows/amd64", "windows/amd64"),
        ] {
            assert_eq!(platform(text).to_string(), normal);
        }
        for text in ["", "/", "linux/", "a/b/c/d", "linux/am d64"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }

    #[test]
    fn earlier_variants_fit_and_others_do_not() {
        let near = |wanted: &str, offered: &str| platform(wanted).distance(&platform(offered));
        assert_eq!(near("linux/amd64", "linux/amd64"), Some(0));
        assert_eq!(near("linux/amd64", "linux/arm64"), None);
        assert_eq!(near("linux/amd64", "windows/amd64"), None);
        assert_eq!(near("linux/arm/v7", "linux/arm/v6"), Some(1));
        assert_eq!(near("linux/arm/v6", "linux/arm/v7"), None);
        assert_eq!(near("linux/amd64/v3", "linux/amd64"), Some(100));
        assert!(Platform::host().distance(&Platform::host()).is_some());
    }
}
