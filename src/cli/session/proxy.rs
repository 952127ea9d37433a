//! Proxies that the docker command's configuration gives to every container.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Proxies for the containers of one engine, or of all (`default`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Proxies {
    http_proxy: Option<String>,
    https_proxy: Option<String>,
    no_proxy: Option<String>,
    ftp_proxy: Option<String>,
    all_proxy: Option<String>,
}

/// Returns the variables for an engine: each in capitals and in small letters, since programs read one or the other.
pub(crate) fn environment(proxies: &BTreeMap<String, Proxies>, address: &str) -> BTreeMap<String, String> {
    let Some(proxies) = proxies.get(address).or_else(|| proxies.get("default")) else {
        return BTreeMap::new();
    };
    let values = [
        ("HTTP_PROXY", &proxies.http_proxy),
        ("HTTPS_PROXY", &proxies.https_proxy),
        ("NO_PROXY", &proxies.no_proxy),
        ("FTP_PROXY", &proxies.ftp_proxy),
        ("ALL_PROXY", &proxies.all_proxy),
    ];
    values
        .into_iter()
        .filter_map(|(key, value)| value.as_ref().map(|value| (key, value)))
        .flat_map(|(key, value)| [(key.to_owned(), value.clone()), (key.to_ascii_lowercase(), value.clone())])
        .collect()
}
