//! One container, in the fields of `docker compose ps --format json`.

use jiff::Timestamp;
use rcompose_engine_adapter::{ContainerState, ObservedContainer, ObservedPort};
use serde_json::{Value, json};

use super::ports;
use crate::table::{duration, ellipsis};

/// Longest command in a row. Source: the formatter of the docker command.
const COMMAND: usize = 20;
/// Longest name of a mount in a row.
const MOUNT: usize = 15;
/// Digits of a short id.
const ID: usize = 12;

/// One container's fields.
#[derive(Debug, Clone)]
pub(crate) struct Row(Value);

impl Row {
    pub(crate) fn of(container: &ObservedContainer, now: Timestamp, short: bool) -> Self {
        let command = if short {
            ellipsis(&container.command, COMMAND)
        } else {
            container.command.clone()
        };
        let created = Timestamp::new(container.created, 0).unwrap_or_default().to_zoned(jiff::tz::TimeZone::system());
        let labels: Vec<String> = container.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let networks: Vec<&str> = container.networks.keys().map(|name| name.as_str()).collect();
        let code = if let ContainerState::Exited { code } = container.state { code } else { 0 };
        Self(json!({
            "Command": format!("\"{}\"", escaped(&command)),
            "CreatedAt": created.strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string(),
            "ExitCode": code,
            "Health": container.health.map_or("", |health| health.as_str()),
            "ID": if short { container.id.chars().take(ID).collect() } else { container.id.clone() },
            "Image": container.image.as_str(),
            "Labels": labels.join(","),
            "LocalVolumes": container.mounts.iter().filter(|it| it.kind == "volume").count().to_string(),
            "Mounts": mounts(container, short),
            "Name": container.name.as_str(),
            "Names": container.name.as_str(),
            "Networks": networks.join(","),
            "Ports": ports::displayed(&container.ports),
            "Project": container.project().unwrap_or_default(),
            "Publishers": container.ports.iter().map(publisher).collect::<Vec<_>>(),
            "RunningFor": format!("{} ago", duration(now.as_second() - container.created)),
            "Service": container.service().unwrap_or_default(),
            "Size": container.size.map_or("0B".to_owned(), crate::table::size),
            "State": container.state.as_str(),
            "Status": container.status,
        }))
    }

    /// Returns the fields.
    pub(crate) fn object(&self) -> Value {
        self.0.clone()
    }
}

fn publisher(port: &ObservedPort) -> Value {
    let (url, published) = port.host.map_or((String::new(), 0), |(ip, port)| (ip.to_string(), port));
    json!({ "URL": url, "TargetPort": port.target, "PublishedPort": published, "Protocol": port.protocol.as_str() })
}

fn mounts(container: &ObservedContainer, short: bool) -> String {
    let name = |mount: &rcompose_engine_adapter::ObservedMount| {
        let name = mount.volume.as_ref().map_or(mount.source.clone(), ToString::to_string);
        if short { ellipsis(&name, MOUNT) } else { name }
    };
    container.mounts.iter().map(name).collect::<Vec<_>>().join(",")
}

/// Escapes as Go's `strconv.Quote` does, as far as it matters on one line.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
        .replace('\t', "\\t")
        .replace('\r', "\\r")
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use rcompose_engine_adapter::{HealthStatus, ObservedEndpoint, Protocol, labels};

    use super::*;

    /// A container that runs and publishes a port.
    pub(crate) fn container() -> ObservedContainer {
        let port = |ip: &str| ObservedPort { target: 80, protocol: Protocol::Tcp, host: Some((ip.parse().unwrap(), 8080)) };
        ObservedContainer {
            id: "0123456789abcdef".into(),
            name: "shop-web-1".into(),
            image: "web:1".into(),
            image_id: None,
            state: ContainerState::Running,
            health: Some(HealthStatus::Healthy),
            status: "Up 2 minutes (healthy)".into(),
            labels: BTreeMap::from([(labels::PROJECT.into(), "shop".into()), (labels::SERVICE.into(), "web".into())]),
            created: 1_700_000_000,
            command: "sh -c 'while true; do echo hello; sleep 1; done'".into(),
            ports: vec![port("0.0.0.0"), port("::")],
            networks: BTreeMap::from([("shop_default".into(), ObservedEndpoint::default())]),
            mounts: Vec::new(),
            spec: None,
            size: None,
        }
    }
}
