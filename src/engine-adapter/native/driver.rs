//! What makes a network: a bridge of ours, or an interface of the host that containers hang on.

use rcompose_engine_adapter::{EngineError, ErrorKind, NetworkSpec, Result};
use rcompose_network::endpoint::On;
use rcompose_network::options::{BridgeOptions, HangingOptions};

use crate::error;

/// A network's driver with its options.
#[derive(Debug, Clone)]
pub(crate) enum Driver {
    Bridge(BridgeOptions),
    /// `macvlan` or `ipvlan`.
    Hanging(HangingOptions),
}

impl Driver {
    /// Reads driver and options of a network.
    ///
    /// # Errors
    /// `Unsupported`: a driver that is not there. `Invalid`: a value that an option cannot have.
    pub(crate) fn read(spec: &NetworkSpec) -> Result<Self> {
        let what = format!("network {}", spec.name);
        let wrong = |it| error::invalid(format!("{what}: {it}"));
        match spec.driver.as_deref() {
            None | Some("" | "default" | "bridge") => BridgeOptions::parse(&spec.driver_opts).map(Self::Bridge).map_err(wrong),
            Some(driver) => match HangingOptions::parse(driver, &spec.driver_opts) {
                Some(read) => read.map(Self::Hanging).map_err(wrong),
                None => {
                    let message = format!("{what}: the native engine has the drivers `bridge`, `macvlan` and `ipvlan`, not `{driver}`");
                    Err(EngineError::new(ErrorKind::Unsupported, message))
                }
            },
        }
    }

    /// Options that do nothing.
    pub(crate) fn unknown(&self) -> &[String] {
        match self {
            Self::Bridge(it) => &it.unknown,
            Self::Hanging(it) => &it.unknown,
        }
    }

    /// Largest packet, in bytes.
    pub(crate) fn mtu(&self) -> Option<u32> {
        match self {
            Self::Bridge(it) => it.mtu,
            Self::Hanging(it) => it.mtu,
        }
    }

    /// The options of a bridge; nothing where there is none.
    pub(crate) fn bridge(&self) -> Option<&BridgeOptions> {
        match self {
            Self::Bridge(it) => Some(it),
            Self::Hanging(_) => None,
        }
    }

    /// Nobody is led out of it: its bridge has no address.
    pub(crate) fn is_isolated(&self) -> bool {
        self.bridge().is_some_and(|it| it.isolated)
    }

    /// Its containers have no hardware address of their own.
    pub(crate) fn shares_mac(&self) -> bool {
        matches!(self, Self::Hanging(HangingOptions { on: On::Ipvlan { .. }, .. }))
    }

    /// Its containers hand everything to the host's interface, which routes: there is no gateway to ask.
    pub(crate) fn routes_itself(&self) -> bool {
        matches!(self, Self::Hanging(HangingOptions { on: On::Ipvlan { mode, .. }, .. }) if mode != "l2")
    }
}
