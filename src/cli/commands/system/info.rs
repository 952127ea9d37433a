//! `system info`.

use std::collections::BTreeSet;

use rcompose_engine_adapter::{Ground, Observed, Scope, Stock, labels};
use serde_json::{Value, json};

use crate::args::SystemInfoArgs;
use crate::failure::Failure;
use crate::output;
use crate::session::{Chosen, Session};
use crate::table::{size, table};

/// Runs `system info`.
pub(super) async fn run(session: &Session, args: &SystemInfoArgs) -> Result<u8, Failure> {
    let chosen = session.choose(session.given_name().as_deref()).await?;
    let observed = chosen.live.observe(&Scope::default()).await?;
    let (ground, stock) = (chosen.upkeep.ground().await?, chosen.upkeep.stock(false).await?);
    let counts = Counts::of(&stock);
    if args.format == "json" {
        output::line(&object(&chosen, &observed, &ground, &counts).to_string())?;
    } else {
        output::out(&table(&rows(&chosen, &observed, &ground, &counts), 0, 2))?;
    }
    Ok(0)
}

/// How many there are.
struct Counts {
    projects: usize,
    containers: usize,
    up: usize,
    images: usize,
    networks: usize,
    volumes: usize,
}

impl Counts {
    fn of(stock: &Stock) -> Self {
        let projects: BTreeSet<&String> = stock.containers.iter().filter_map(|it| it.labels.get(labels::PROJECT)).collect();
        Self {
            projects: projects.len(),
            containers: stock.containers.len(),
            up: stock.containers.iter().filter(|it| it.state.is_up()).count(),
            images: stock.images.len(),
            networks: stock.networks.len(),
            volumes: stock.volumes.len(),
        }
    }
}

fn rows(chosen: &Chosen, observed: &Observed, ground: &Ground, counts: &Counts) -> Vec<Vec<String>> {
    let engine = &observed.engine;
    let controllers = if ground.controllers.is_empty() {
        String::new()
    } else {
        format!(": {}", ground.controllers.join(", "))
    };
    let mut rows = vec![
        ("Engine", format!("{} ({})", engine.name, chosen.why)),
        ("Version", format!("{} (API {}), rcompose {}", engine.version, engine.api, env!("CARGO_PKG_VERSION"))),
        ("Address", chosen.live.address.clone()),
        ("State", ground.root.clone()),
    ];
    rows.extend(ground.run.iter().map(|run| ("Run", run.clone())));
    rows.extend([
        ("System", format!("{}, Linux {}, {}", ground.system, ground.kernel, ground.architecture)),
        ("Machine", format!("{} CPUs, {} of memory", ground.cpus, size(ground.memory))),
        ("Cgroups", format!("version {}{controllers}", ground.cgroup)),
        ("Storage", ground.storage.clone()),
        ("Network", ground.network.clone()),
        ("Security", ground.security.join(", ")),
        ("Projects", counts.projects.to_string()),
        ("Containers", format!("{}, {} of them up", counts.containers, counts.up)),
        ("Images", counts.images.to_string()),
        ("Networks", counts.networks.to_string()),
        ("Volumes", counts.volumes.to_string()),
    ]);
    rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect()
}

fn object(chosen: &Chosen, observed: &Observed, ground: &Ground, counts: &Counts) -> Value {
    json!({
        "form": 1,
        "engine": { "name": observed.engine.name, "version": observed.engine.version, "api": observed.engine.api,
            "features": observed.engine.features, "why": chosen.why, "address": chosen.live.address },
        "version": env!("CARGO_PKG_VERSION"),
        "root": ground.root, "run": ground.run, "kernel": ground.kernel, "system": ground.system,
        "architecture": ground.architecture, "cpus": ground.cpus, "memory": ground.memory,
        "cgroup": { "version": ground.cgroup, "controllers": ground.controllers },
        "storage": ground.storage, "network": ground.network, "security": ground.security,
        "counts": { "projects": counts.projects, "containers": counts.containers, "up": counts.up, "images": counts.images,
            "networks": counts.networks, "volumes": counts.volumes },
    })
}
