//! API versions, and what each of them can do.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use rcompose_engine_adapter::Feature;

/// A version of the Docker API, such as 1.41.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    /// Before the dot.
    pub major: u16,
    /// After the dot.
    pub minor: u16,
}

impl ApiVersion {
    /// The oldest spoken: Docker Engine 20.10.
    pub const OLDEST: Self = Self { major: 1, minor: 41 };
    /// The newest spoken: Docker Engine 28.5.
    pub const NEWEST: Self = Self { major: 1, minor: 51 };

    /// Tells whether this version is at least 1.`minor`.
    pub(crate) fn has(self, minor: u16) -> bool {
        self >= Self { major: 1, minor }
    }

    /// Returns what an engine of this version can do.
    pub(crate) fn features(self, os: &str) -> BTreeSet<Feature> {
        Feature::ALL.iter().copied().filter(|feature| self.offers(*feature, os)).collect()
    }

    fn offers(self, feature: Feature, os: &str) -> bool {
        match feature {
            Feature::SharedPort | Feature::BuildKit | Feature::FilesAnywhere | Feature::RestartPace => false,
            Feature::DeviceRequests => true,
            Feature::Annotations => self.has(43),
            Feature::NetworksAtCreate | Feature::StartInterval | Feature::RecursiveReadOnly => self.has(44),
            Feature::VolumeSubpath => self.has(45),
            Feature::ImageMount | Feature::ImageSubpath | Feature::InterfaceName | Feature::GatewayPriority | Feature::DisableIpv4 => {
                self.has(48)
            }
            Feature::Windows => os.eq_ignore_ascii_case("windows"),
        }
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ApiVersion {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (major, minor) = text.trim().split_once('.').unwrap_or((text, ""));
        Ok(Self { major: major.parse()?, minor: minor.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_numbers() {
        let parse = |text: &str| text.parse::<ApiVersion>().expect("a version");
        assert!(parse("1.9") < parse("1.41"));
        assert!(parse("2.0").has(51));
        assert_eq!(parse("1.41").to_string(), "1.41");
        assert!("".parse::<ApiVersion>().is_err() && "1".parse::<ApiVersion>().is_err() && "1.x".parse::<ApiVersion>().is_err());
    }

    #[test]
    fn features_come_with_their_version() {
        assert_eq!(ApiVersion::OLDEST.features("linux"), BTreeSet::from([Feature::DeviceRequests]));
        let newest = ApiVersion::NEWEST.features("linux");
        assert!(newest.contains(&Feature::ImageMount) && newest.contains(&Feature::StartInterval));
        assert!(!newest.contains(&Feature::BuildKit) && !newest.contains(&Feature::Windows));
    }

    #[test]
    fn what_a_feature_is_said_to_need_is_what_has_it() {
        let minor = |feature: Feature| {
            let (_, rest) = feature.needs().split_once("(API 1.")?;
            rest.split(')').next()?.parse::<u16>().ok()
        };
        for feature in Feature::ALL.iter().copied() {
            let has = |minor: u16| ApiVersion { major: 1, minor }.features("linux").contains(&feature);
            match minor(feature) {
                Some(minor) => assert!(has(minor) && !has(minor - 1), "{feature:?}"),
                None => assert_eq!(has(41), has(51), "{feature:?}"),
            }
        }
    }
}
