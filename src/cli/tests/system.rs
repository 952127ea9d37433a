//! `system` on the native engine, from outside, with a state of its own. What needs root is left out without it.

use std::path::Path;
use std::process::{Command, Output};

struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a shop")).unwrap();
        std::fs::write(folder.path().join("a shop/compose.yaml"), "name: shop\nservices: {web: {image: web:1}}\n").unwrap();
        Self(folder)
    }

    fn root(&self) -> std::path::PathBuf {
        self.0.path().join("state")
    }

    fn run(&self, words: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_rcompose"))
            .args(shlex::split(words).unwrap())
            .current_dir(self.0.path().join("a shop"))
            .env_clear()
            .env("HOME", self.0.path())
            .env("RCOMPOSE_ROOT", self.root())
            .env("RCOMPOSE_ENGINE", "native")
            .output()
            .unwrap()
    }

    /// Runs what must succeed; returns what it prints.
    fn good(&self, words: &str) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs what must fail; returns what it says.
    fn bad(&self, words: &str) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(1), "{words}");
        String::from_utf8(output.stderr).unwrap()
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn doctor_looks_and_changes_nothing() {
    let machine = Machine::new();
    let output = machine.run("system doctor --format json");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = found["checks"].as_array().unwrap();
    let named = |name: &str| checks.iter().find(|it| it["check"] == name).unwrap_or_else(|| panic!("no check {name}"));
    for name in [
        "root",
        "kernel",
        "overlay",
        "namespaces",
        "seccomp",
        "apparmor",
        "CAP_SYS_RESOURCE",
        "nftables",
        "IPv6",
        "disk",
        "mount flags",
        "documents",
        "systemd",
    ] {
        named(name);
    }
    for check in checks {
        let is_well = check["verdict"] == "ok";
        assert_eq!(check["fix"].is_null(), is_well, "{check}");
        assert_eq!(check["means"] == "", is_well, "{check}");
    }
    let missing = checks.iter().any(|it| it["verdict"] == "missing");
    assert_eq!(output.status.code(), Some(i32::from(missing)));
    assert_eq!(named("root")["verdict"] == "ok", is_root());
    let text = String::from_utf8(machine.run("system doctor").stdout).unwrap();
    assert!(text.lines().next().unwrap().contains("root"), "{text}");
    assert!(!machine.root().exists(), "it made the folder of state");
}

#[test]
fn doctor_names_what_is_damaged_and_what_was_left() {
    if !is_root() {
        return;
    }
    let machine = Machine::new();
    machine.good("system info");
    let write = |path: &str, text: &str| {
        let path = machine.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("networks/shop_default.json", "{\"form\":");
    write("volumes/data/volume.json", "{\"form\":9}");
    let output = machine.run("system doctor");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("documents") && text.contains("networks/shop_default.json"), "{text}");
    assert!(text.contains("of a newer version: ") && text.contains("volumes/data/volume.json"), "{text}");
}

#[test]
fn room_is_shown_and_what_nobody_has_goes() {
    if !is_root() {
        return;
    }
    let machine = Machine::new();
    let layer = machine.root().join("layers").join("ab".repeat(32));
    machine.good("system info");
    std::fs::create_dir_all(layer.join("fs")).unwrap();
    std::fs::write(layer.join("fs/file"), [0; 1234]).unwrap();
    let left = machine.root().join("run/projects/gone");
    std::fs::create_dir_all(&left).unwrap();
    let data = machine.root().join("volumes/lost/_data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("precious"), "x").unwrap();
    let empty = "TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE\n\
                 Images          0         0         0B        0B\n\
                 Containers      0         0         0B        0B\n\
                 Local Volumes   0         0         0B        0B\n";
    assert_eq!(machine.good("system df"), format!("{empty}Leftovers       2         0         1.234kB   1.234kB (100%)\n"));
    let dry = "This would be removed from the native engine:\n  leftovers\n    blobs and layers that no image needs (1)  1.234kB\n    projects that are gone (1)\n";
    assert_eq!(machine.good("system prune --dry-run"), dry);
    assert!(layer.exists() && left.exists());
    assert!(machine.bad("system prune").contains("nobody is there to answer"));
    let done = machine.good("system prune --force --all --volumes");
    assert_eq!(done, format!("{}Total reclaimed space: 1.234kB\n", dry.replace("would", "will")));
    assert!(!layer.exists() && !left.exists() && data.join("precious").exists());
    assert_eq!(machine.good("system prune --force"), "Nothing to remove.\n");
    assert_eq!(machine.good("system df"), empty);
}

#[test]
fn a_unit_keeps_files_and_profiles_as_absolute_paths() {
    if !is_root() {
        return;
    }
    let machine = Machine::new();
    std::fs::write(machine.0.path().join("a shop/other.env"), "A=1\n").unwrap();
    let text = machine.good("-f compose.yaml --env-file other.env --profile debug system enable --print");
    let folder = std::fs::canonicalize(machine.0.path()).unwrap().join("a shop").display().to_string();
    let words = format!(
        "--engine native -p shop --project-directory \"{folder}\" -f \"{folder}/compose.yaml\" --env-file \"{folder}/other.env\" --profile debug"
    );
    for line in [
        format!("ExecStart=-{} {words} system start\n", env!("CARGO_BIN_EXE_rcompose")),
        format!("ExecStop={} {words} system stop\n", env!("CARGO_BIN_EXE_rcompose")),
        format!("RequiresMountsFor=\"{folder}\"\n"),
        format!("Environment=RCOMPOSE_ROOT={}\n", machine.root().display()),
    ] {
        assert!(text.contains(&line), "{line}{text}");
    }
    assert!(machine.bad("system enable nosuch").contains("has no container that says which files"));
    assert_eq!(machine.good("system disable"), "Project shop does not come up with the machine\n");
    if !Path::new("/run/systemd/system").exists() {
        let said = machine.bad("system enable");
        assert!(said.contains("systemd is not the first process") && said.contains("system start"), "{said}");
    }
    // Nothing was up: nothing comes up.
    machine.good("system stop");
    machine.good("system start");
}
