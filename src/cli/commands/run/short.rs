//! Ports, mounts and files of variables in the short forms of the command line, read by the rules of compose files.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use rcompose_engine_adapter::{Mount, MountKind, PortSpec, Propagation, Protocol, Tmpfs};
use rcompose_spec::model::{Port, Project, Service, ServiceVolume, VolumeKind};
use rcompose_spec::{LoadOptions, Loaded, Sources, load};

use crate::args::RunArgs;
use crate::failure::Failure;
use crate::session::{Disk, Session};

/// What the flags say.
#[derive(Debug, Default)]
pub(crate) struct Short {
    pub(crate) ports: Vec<PortSpec>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) environment: BTreeMap<String, String>,
}

/// Reads `--publish`, `--volume` and `--env-from-file`.
pub(crate) fn read(session: &Session, loaded: &Loaded, args: &RunArgs) -> Result<Short, Failure> {
    if args.publish.is_empty() && args.volume.is_empty() && args.env_from_file.is_empty() {
        return Ok(Short::default());
    }
    let service = as_service(session, args)?;
    let ports = service.ports.iter().map(port).collect::<Result<_, _>>()?;
    let mounts = service.volumes.iter().map(|volume| mount(&loaded.project, volume)).collect::<Result<_, _>>()?;
    let environment = service.environment.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    Ok(Short { ports, mounts, environment })
}

/// Loads a compose file of one service that holds nothing but these flags.
fn as_service(session: &Session, args: &RunArgs) -> Result<Service, Failure> {
    // A `$` is what it is: the shell has put values in already.
    let literal = |text: &String| text.replace('$', "$$");
    let files: Vec<PathBuf> = args.env_from_file.iter().map(|file| session.caller.absolute(file)).collect();
    let document = serde_json::json!({
        "name": "run",
        "services": { "run": {
            "image": "run",
            "ports": args.publish.iter().map(literal).collect::<Vec<_>>(),
            "volumes": args.volume.iter().map(literal).collect::<Vec<_>>(),
            "env_file": files,
        }},
    });
    let sources = Sources {
        files: vec![PathBuf::from("-")],
        working_dir: session.caller.folder.clone(),
        env: session.caller.env.clone(),
        stdin: Some(document.to_string().into_bytes()),
        // A named volume may be one that no file declares.
        options: LoadOptions { no_consistency: true, ..LoadOptions::default() },
        ..Sources::default()
    };
    let mut project = match load(&sources, &Disk) {
        Ok(loaded) => loaded.project,
        Err(errors) => {
            let messages: Vec<String> = errors.0.into_iter().map(|error| error.message).collect();
            return Err(Failure::usage(messages.join("; "), "see --publish, --volume and --env-from-file"));
        }
    };
    project
        .services
        .remove("run")
        .map(|service| *service)
        .ok_or_else(|| Failure::refused("the flags of `run` make no service"))
}

fn port(port: &Port) -> Result<PortSpec, Failure> {
    let bad =
        |what: &str| Failure::usage(format!("{what} of --publish cannot be read"), "write for example 8080:80 or 127.0.0.1:8080:80/tcp");
    let number = |text: &str| text.parse::<u16>().map_err(|_| bad(&format!("port `{text}`")));
    let published = match port.published.split_once('-') {
        _ if port.published.is_empty() => None,
        Some((first, last)) => Some((number(first)?, number(last)?)),
        None => Some((number(&port.published)?, number(&port.published)?)),
    };
    let host_ip: Option<IpAddr> = match port.host_ip.trim_matches(['[', ']']) {
        "" => None,
        text => Some(text.parse().map_err(|_| bad(&format!("address `{text}`")))?),
    };
    let protocol = match port.protocol.as_str() {
        "" | "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        other => return Err(bad(&format!("protocol `{other}`"))),
    };
    let target = u16::try_from(port.target).map_err(|_| bad(&format!("port `{}`", port.target)))?;
    Ok(PortSpec { target, protocol, host_ip, published })
}

fn mount(project: &Project, volume: &ServiceVolume) -> Result<Mount, Failure> {
    let kind = match volume.kind {
        VolumeKind::Bind => {
            let bind = volume.bind.clone().unwrap_or_default();
            MountKind::Bind {
                source: volume.source.clone(),
                create_host_path: true,
                propagation: propagation(&bind.propagation)?,
                recursive: None,
                selinux: (!bind.selinux.is_empty()).then_some(bind.selinux),
            }
        }
        VolumeKind::Volume => {
            let options = volume.volume.clone().unwrap_or_default();
            if volume.source.is_empty() {
                MountKind::Anonymous { carry: None, nocopy: options.nocopy, labels: BTreeMap::new() }
            } else {
                let declared = project.volumes.get(&volume.source).map(|it| it.name.clone());
                let name = declared.unwrap_or_else(|| volume.source.clone()).into();
                MountKind::Volume { name, nocopy: options.nocopy, subpath: None, labels: BTreeMap::new() }
            }
        }
        VolumeKind::Tmpfs => MountKind::Tmpfs(Tmpfs::default()),
        VolumeKind::Npipe => MountKind::Npipe { source: volume.source.clone() },
        VolumeKind::Image => MountKind::Image { image: volume.source.as_str().into(), subpath: None },
        VolumeKind::Cluster => return Err(Failure::NotInThisVersion("cluster volumes".into())),
    };
    Ok(Mount { target: volume.target.clone(), kind, read_only: volume.read_only })
}

fn propagation(word: &str) -> Result<Option<Propagation>, Failure> {
    Ok(Some(match word {
        "" => return Ok(None),
        "private" => Propagation::Private,
        "rprivate" => Propagation::Rprivate,
        "shared" => Propagation::Shared,
        "rshared" => Propagation::Rshared,
        "slave" => Propagation::Slave,
        "rslave" => Propagation::Rslave,
        other => return Err(Failure::usage(format!("`{other}` is no propagation"), "write for example rshared or rslave")),
    }))
}
