//! A whole project: ports, names, health, SIGKILL of whoever looks after it, and what is left after `down`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::ground::Ground;

/// How long something may take that is not measured.
const PATIENCE: Duration = Duration::from_secs(30);

/// A project in a folder of the ground's.
pub(crate) struct Project<'a> {
    ground: &'a Ground,
    pub(crate) name: String,
    file: String,
}

impl<'a> Project<'a> {
    pub(crate) fn new(ground: &'a Ground, name: &str, text: &str) -> Self {
        let folder = ground.folder.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("compose.yaml");
        std::fs::write(&file, text).unwrap();
        Self { ground, name: format!("rcn{}{name}", std::process::id()), file: file.display().to_string() }
    }

    pub(crate) fn command(&self, words: &[&str]) -> std::process::Command {
        let mut all = vec!["-f", &self.file, "-p", &self.name, "--ansi", "never"];
        all.extend(words);
        self.ground.command(&all)
    }

    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.command(&["plan"]).output().unwrap().status.code() == Some(0)
    }

    /// Guardian or shims of this project.
    fn lookers(&self, verb: &str) -> BTreeSet<i32> {
        crate::leaks::lookers(&self.ground.root().join("run/projects").join(&self.name), verb)
    }
}

impl Drop for Project<'_> {
    fn drop(&mut self) {
        let _ = self.command(&["down", "-t", "0", "-v"]).output();
    }
}

pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Connects to who says a name, goes on for a while, and says that it has ended; returns the name and the rest of the connection.
fn begin(port: u16) -> Option<(String, TcpStream)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut told = String::new();
    while !told.contains('\n') {
        let mut bytes = [0; 64];
        let count = stream.read(&mut bytes).ok().filter(|it| *it > 0)?;
        told.push_str(std::str::from_utf8(&bytes[..count]).ok()?);
    }
    Some((told.trim().to_owned(), stream))
}

/// Asks a web server; nothing where there is none.
pub(crate) fn get(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer.split("\r\n\r\n").nth(1)?.trim().to_owned()).filter(|it| !it.is_empty())
}

/// What a project leaves on a machine, if it leaves something.
fn census(ground: &Ground, project: &str) -> BTreeMap<&'static str, Vec<String>> {
    let root = ground.root().display().to_string();
    let lines = |path: &str, word: &str| -> Vec<String> {
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .lines()
            .filter(|it| it.contains(word))
            .map(str::to_owned)
            .collect()
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|it| {
        let words = std::fs::read(it.path().join("cmdline")).ok()?;
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        (words.contains(&root) && words.contains("__")).then_some(words)
    });
    let listed = rcompose_network::census::projects(&rcompose_network::Firewall::open().unwrap()).unwrap();
    let groups =
        ["/sys/fs/cgroup/pids/rcompose", "/sys/fs/cgroup/rcompose", "/sys/fs/cgroup/unified/rcompose"].map(|it| format!("{it}/{project}"));
    let files = [
        "containers",
        "names",
        "networks",
        "run/projects",
        "run/files",
        "run/mounts",
        "run/leases",
        "run/holds",
    ];
    let below = |folder: std::path::PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|it| it.path());
    let files = files.iter().flat_map(|it| below(ground.root().join(it)));
    let files = files.flat_map(|it| std::iter::once(it.clone()).chain(below(it)));
    let mut left = BTreeMap::from([
        ("processes", processes.collect()),
        ("mounts", lines("/proc/self/mountinfo", &root)),
        ("kernel", listed.into_iter().filter(|it| it == project).collect()),
        ("groups", groups.into_iter().filter(|it| std::path::Path::new(it).exists()).collect()),
        ("files", files.map(|it| it.display().to_string()).collect()),
    ]);
    left.retain(|_, found: &mut Vec<String>| !found.is_empty());
    left
}

pub(crate) fn assert_nothing_left(ground: &Ground, project: &str) {
    let start = Instant::now();
    loop {
        let left = census(ground, project);
        if left.is_empty() {
            return;
        }
        if start.elapsed() > Duration::from_secs(5) {
            let folder = ground.root().join("run/projects").join(project);
            let client = rcompose_supervise::Client::new(rcompose_supervise::Project::new(folder), Some(crate::ground::PROGRAM.into()));
            panic!("left after 5 s: {left:#?}; shims of {:?}, kept {:?}", client.census(), client.keeps());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

const REPLICAS: &str = "
services:
  web:
    image: rcompose-test/shell:1
    command: sh -c 'mkdir -p /www; hostname > /www/index.html; httpd -f -p 80 -h /www'
    ports: ['127.0.0.1:PORT:80']
    deploy: {replicas: 3}
    init: true
    stop_grace_period: 1s
  client:
    image: rcompose-test/shell:1
    command: sleep 1000
    init: true
    depends_on: [web]
    healthcheck: {test: [CMD, 'true'], interval: 1s}
    stop_grace_period: 1s
";

#[test]
fn replicas_share_a_port_and_a_name_and_nothing_is_left_of_them() {
    let Some(ground) = Ground::new() else { return };
    let port = free_port();
    let project = Project::new(&ground, "replicas", &REPLICAS.replace("PORT", &port.to_string()));
    project.ok(&["up", "-d", "--wait"]);
    assert!(project.is_settled(), "a second `up` changes something");
    until("every replica serves", || (0..30).filter_map(|_| get(port)).collect::<BTreeSet<_>>().len() == 3);
    let mut count: BTreeMap<String, u32> = BTreeMap::new();
    (0..300).for_each(|_| *count.entry(get(port).unwrap()).or_default() += 1);
    assert!(count.len() == 3 && count.values().all(|it| (85..=115).contains(it)), "not its share each: {count:?}");

    let addresses = |project: &Project<'_>| {
        let told = project.ok(&["exec", "-T", "client", "nslookup", "web"]);
        told.lines().skip(2).filter(|it| it.starts_with("Address")).count()
    };
    assert_eq!(addresses(&project), 3);
    project.ok(&["up", "-d", "--scale", "web=5"]);
    assert_eq!(addresses(&project), 5);
    project.ok(&["up", "-d", "--scale", "web=2"]);
    assert_eq!(addresses(&project), 2);
    assert!((0..50).all(|_| get(port).is_some()), "a replica that is gone is asked");

    project.ok(&["down", "-t", "1"]);
    assert_nothing_left(&ground, &project.name);
}

#[test]
fn a_replica_that_is_scaled_away_ends_what_it_began() {
    let Some(ground) = Ground::new() else { return };
    let port = free_port();
    let command = "printf 'hostname; sleep 3; echo ended\\n' >/say; exec nc -ll -p 80 -e sh /say";
    let text = format!(
        "services:\n  web:\n    image: rcompose-test/shell:1\n    command: [sh, -c, {command:?}]\n    ports: ['127.0.0.1:{port}:80']\n    \
         deploy: {{replicas: 3}}\n    init: true\n    stop_grace_period: 20s\n"
    );
    let project = Project::new(&ground, "drain", &text);
    project.ok(&["up", "-d"]);
    let mut open: BTreeMap<String, TcpStream> = BTreeMap::new();
    until("every replica is connected to", || {
        open.extend(begin(port));
        open.len() == 3
    });
    let read = |mut stream: TcpStream| {
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        rest
    };
    let readers: Vec<_> = open.into_iter().map(|(name, it)| (name, std::thread::spawn(move || read(it)))).collect();
    let start = Instant::now();
    project.ok(&["up", "-d", "--scale", "web=1"]);
    let took = start.elapsed();
    assert!(took > Duration::from_secs(1), "it did not wait for those who are connected: {took:?}");
    assert!(took < Duration::from_secs(15), "it waited for the grace: {took:?}");
    for (name, reader) in readers {
        assert_eq!(reader.join().unwrap(), "ended\n", "{name} was cut off");
    }
    assert!((0..20).all(|_| begin(port).is_some()), "a replica that is gone is asked");
    project.ok(&["down", "-t", "1"]);
    assert_nothing_left(&ground, &project.name);
}

#[test]
fn who_looks_after_containers_may_be_killed() {
    let Some(ground) = Ground::new() else { return };
    let port = free_port();
    let project = Project::new(&ground, "killed", &REPLICAS.replace("PORT", &port.to_string()));
    project.ok(&["up", "-d", "--wait"]);
    until("it serves", || get(port).is_some());
    let kill = |pids: BTreeSet<i32>| {
        for pid in pids {
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    };
    let guardians = project.lookers("__guard");
    assert_eq!(guardians.len(), 1);
    kill(guardians);
    until("another guardian serves names", || {
        project.command(&["exec", "-T", "client", "nslookup", "web"]).output().unwrap().status.success()
    });
    let shims = project.lookers("__shim");
    assert_eq!(shims.len(), 4);
    kill(shims);
    until("other shims are there", || project.lookers("__shim").len() == 4);
    assert!(project.is_settled(), "somebody was restarted");
    kill(project.lookers("__guard").into_iter().chain(project.lookers("__shim")).collect());
    assert!(get(port).is_some(), "containers ended with who looked after them");
    assert!(project.is_settled(), "after both were killed it is not as before");
    until("other shims are there", || project.lookers("__shim").len() == 4);
    assert!(project.ok(&["exec", "-T", "client", "echo", "hi"]).contains("hi"));
    project.ok(&["down", "-t", "1"]);
    assert_nothing_left(&ground, &project.name);
}

#[test]
fn a_killed_command_line_leaves_nothing_that_the_next_cannot_mend() {
    let Some(ground) = Ground::new() else { return };
    let port = free_port();
    let project = Project::new(&ground, "cut", &REPLICAS.replace("PORT", &port.to_string()));
    let rounds = std::env::var("RCOMPOSE_SOAK_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(4);
    let mut seed: u64 = 0x2545_f491_4f6c_dd1d;
    for round in 0..rounds {
        for verb in [&["up", "-d"][..], &["down", "-t", "0"]] {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let mut child = project
                .command(verb)
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(seed % 800));
            child.kill().unwrap();
            child.wait().unwrap();
            if verb[0] == "up" {
                let output = project.command(&["up", "-d"]).output().unwrap();
                assert!(output.status.success(), "round {round}: {}", String::from_utf8_lossy(&output.stderr));
                let plan = project.command(&["plan"]).output().unwrap();
                assert_eq!(plan.status.code(), Some(0), "round {round}: {}", String::from_utf8_lossy(&plan.stdout));
            }
        }
        project.ok(&["down", "-t", "0"]);
        assert_nothing_left(&ground, &project.name);
    }
}
