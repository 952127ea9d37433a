//! What scenarios ask an engine for, told by our own in the words of Docker's API.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rcompose_engine_adapter::{ContainerState, Engine as _, Observed, ObservedContainer, Projects, Scope};
use serde_json::{Value, json};

use crate::ground::Ground;

/// One for all stages that are set at the same time.
pub(crate) struct Engine(Arc<Ground>);

impl Engine {
    pub(crate) const SHARES_PORTS: bool = true;
    /// By how much what is due may be seen too early (`/proc/uptime` counts in 10 ms) and too late, on a busy machine (seconds).
    pub(crate) const SLACK: [f64; 2] = [0.05, 1.5];

    pub(crate) fn find() -> Option<Self> {
        static SHARED: Mutex<Weak<Ground>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ground) = shared.upgrade() {
            return Some(Self(ground));
        }
        let ground = Arc::new(Ground::new()?);
        // The name that the scenarios' files have.
        ground.ok(&["image", "tag", crate::ground::IMAGE, "rcompose-test/busybox:1"]);
        *shared = Arc::downgrade(&ground);
        Some(Self(ground))
    }

    pub(crate) fn variables(&self) -> [(String, String); 2] {
        let root = self.0.root().display().to_string();
        [("RCOMPOSE_ENGINE".to_owned(), "native".to_owned()), ("RCOMPOSE_ROOT".to_owned(), root)]
    }

    fn observe(&self, scope: &Scope) -> Observed {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(self.0.native.observe(scope)).unwrap()
    }

    pub(crate) fn list(&self, kind: &str, project: &str) -> Vec<Value> {
        let found = self.observe(&Scope { projects: Projects::One(project.to_owned()), ..Scope::default() });
        match kind {
            "containers" => found
                .containers
                .values()
                .map(|it| json!({"Names": [format!("/{}", it.name)], "State": it.state.as_str()}))
                .collect(),
            "networks" => found.networks.keys().map(|it| json!({"Name": it})).collect(),
            "volumes" => found.volumes.keys().map(|it| json!({"Name": it})).collect(),
            other => panic!("no kind {other}"),
        }
    }

    pub(crate) fn inspect(&self, name: &str) -> Value {
        let found = self.observe(&Scope { containers: [name.into()].into(), projects: Projects::None, ..Scope::default() });
        found.containers.values().next().map_or(Value::Null, |it| self.inspection(it))
    }

    fn inspection(&self, it: &ObservedContainer) -> Value {
        let root = self.0.root();
        let read = |path: &Path| {
            std::fs::read(path)
                .ok()
                .and_then(|text| serde_json::from_slice::<Value>(&text).ok())
                .unwrap_or_default()
        };
        let record = read(&root.join("containers").join(&it.id).join("keep/state.json"));
        let health = read(&root.join("run/projects").join(it.project().unwrap()).join(&it.id).join("health.json"));
        // Later is greater, as with Docker's.
        let time = |value: &Value| format!("{:020}", value.as_u64().unwrap_or(0));
        let probe = |it: &Value| json!({"ExitCode": it["exit"], "Start": time(&it["began"])});
        let code = if let ContainerState::Exited { code } = it.state { code } else { 0 };
        json!({
            "Id": it.id,
            "RestartCount": record["restarts"],
            "Config": {"Labels": it.labels},
            "State": {
                "Status": it.state.as_str(),
                "Running": it.state == ContainerState::Running,
                "ExitCode": code,
                "StartedAt": time(&record["started"]),
                "FinishedAt": time(&record["ended"]["at"]),
                "Health": {"Status": it.health.map(|it| it.as_str()), "Log": health["log"].as_array().into_iter().flatten().map(probe).collect::<Vec<_>>()},
            },
        })
    }
}
