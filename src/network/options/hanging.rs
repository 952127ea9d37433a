//! Options of docker's drivers `macvlan` and `ipvlan`, whose networks hang on an interface of the host. Source: docker's manual, "Macvlan
//! network driver", "IPvlan network driver".

use std::collections::BTreeMap;

use super::{MTU, MTU_WANTED, OptionError, interface, mtu};
use crate::endpoint::On;

/// What the options of such a network say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HangingOptions {
    /// What the interfaces of its containers hang on.
    pub on: On,
    /// Largest packet, in bytes.
    pub mtu: Option<u32>,
    /// Options that this driver does not know, which do nothing.
    pub unknown: Vec<String>,
}

const PARENT: &str = "parent";
const MACVLAN_MODES: [&str; 4] = ["bridge", "private", "vepa", "passthru"];
const IPVLAN_MODES: [&str; 3] = ["l2", "l3", "l3s"];

impl HangingOptions {
    /// Reads the options of a network; nothing for another driver.
    ///
    /// # Errors
    /// Without a parent, and for a value that an option cannot have.
    pub fn parse(driver: &str, options: &BTreeMap<String, String>) -> Option<Result<Self, OptionError>> {
        match driver {
            "macvlan" => Some(read(options, "macvlan_mode", &MACVLAN_MODES, "bridge, private, vepa or passthru", |parent, mode| {
                On::Macvlan { parent, mode }
            })),
            "ipvlan" => Some(read(options, "ipvlan_mode", &IPVLAN_MODES, "l2, l3 or l3s", |parent, mode| On::Ipvlan { parent, mode })),
            _ => None,
        }
    }
}

fn read(
    options: &BTreeMap<String, String>,
    mode_option: &str,
    modes: &[&str],
    wanted: &'static str,
    on: fn(String, String) -> On,
) -> Result<HangingOptions, OptionError> {
    let wrong = |option: &str, value: &str, wanted| OptionError { option: option.to_owned(), value: value.to_owned(), wanted };
    let (mut largest, mut unknown) = (None, Vec::new());
    // The first is the default.
    let mut mode = modes.first().map(|it| (*it).to_owned()).unwrap_or_default();
    let parent = options.get(PARENT).map(String::as_str).unwrap_or_default();
    let parent = interface(parent).ok_or_else(|| wrong(PARENT, parent, "the name of an interface of this machine, as eth0"))?;
    for (option, value) in options.iter().filter(|(option, _)| *option != PARENT) {
        if option == mode_option {
            let given = modes.contains(&value.as_str()).then(|| value.clone());
            mode = given.ok_or_else(|| wrong(option, value, wanted))?;
        } else if option == MTU {
            largest = Some(mtu(value).ok_or_else(|| wrong(option, value, MTU_WANTED))?);
        } else {
            unknown.push(option.clone());
        }
    }
    Ok(HangingOptions { on: on(parent, mode), mtu: largest, unknown })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(driver: &str, options: &[(&str, &str)]) -> Result<HangingOptions, OptionError> {
        let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        HangingOptions::parse(driver, &options).unwrap()
    }

    #[test]
    fn parent_and_mode_are_read() {
        let macvlan = |mode: &str| On::Macvlan { parent: "eth0.10".into(), mode: mode.into() };
        let ipvlan = |mode: &str| On::Ipvlan { parent: "eth0.10".into(), mode: mode.into() };
        let parent = ("parent", "eth0.10");
        for (driver, options, on) in [
            ("macvlan", vec![parent], macvlan("bridge")),
            ("macvlan", vec![parent, ("macvlan_mode", "vepa")], macvlan("vepa")),
            ("macvlan", vec![parent, ("macvlan_mode", "passthru")], macvlan("passthru")),
            ("ipvlan", vec![parent], ipvlan("l2")),
            ("ipvlan", vec![parent, ("ipvlan_mode", "l3s")], ipvlan("l3s")),
        ] {
            assert_eq!(parse(driver, &options).unwrap().on, on, "{driver} {options:?}");
        }
        let more = parse("ipvlan", &[parent, ("com.docker.network.driver.mtu", "1400"), ("ipvlan_flag", "private")]).unwrap();
        assert_eq!((more.mtu, more.unknown), (Some(1400), vec!["ipvlan_flag".to_owned()]));
        assert!(HangingOptions::parse("bridge", &BTreeMap::new()).is_none());
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        for (driver, options, words) in [
            ("macvlan", vec![], "the option parent is \"\""),
            ("macvlan", vec![("parent", "a/b")], "the name of an interface"),
            ("macvlan", vec![("parent", "eth0"), ("macvlan_mode", "l2")], "bridge, private, vepa or passthru"),
            ("ipvlan", vec![("parent", "eth0"), ("ipvlan_mode", "bridge")], "l2, l3 or l3s"),
            ("ipvlan", vec![("parent", "eth0"), ("com.docker.network.driver.mtu", "1")], "68 to 65535"),
        ] {
            let error = parse(driver, &options).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
