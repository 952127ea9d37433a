//! Volumes that are mounted while somebody uses them, and paths inside volumes.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ground::Ground;
use crate::project::{Project, assert_nothing_left, until};

/// Two services with one volume at `/data`.
const TWO: &str = "
services:
  one:
    image: rcompose-test/shell:1
    command: sleep 1000
    init: true
    stop_grace_period: 1s
    volumes: ['data:/data']
  two:
    image: rcompose-test/shell:1
    command: sleep 1000
    init: true
    stop_grace_period: 1s
    depends_on: [one]
    volumes: ['data:/data']
volumes:
  data:
    driver: local
    driver_opts: OPTIONS
";

fn content(ground: &Ground, project: &Project<'_>) -> PathBuf {
    ground.root().join("volumes").join(format!("{}_data", project.name)).join("_data")
}

fn mounts(at: &Path) -> usize {
    let all = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let at = at.display().to_string();
    all.lines().filter(|it| it.split(' ').nth(4) == Some(&at)).count()
}

#[test]
fn a_volume_is_mounted_by_the_first_and_unmounted_after_the_last() {
    let Some(ground) = Ground::new() else { return };
    let options = "{type: tmpfs, device: tmpfs, o: 'size=2m,nosuid'}";
    let project = Project::new(&ground, "tmpfs", &TWO.replace("OPTIONS", options));
    let at = content(&ground, &project);
    project.ok(&["create"]);
    assert_eq!(mounts(&at), 0, "nobody uses it yet");
    project.ok(&["up", "-d"]);
    assert_eq!(mounts(&at), 1);
    project.ok(&["exec", "-T", "one", "sh", "-c", "echo shared > /data/file"]);
    assert_eq!(project.ok(&["exec", "-T", "two", "cat", "/data/file"]), "shared\n");
    assert!(project.ok(&["exec", "-T", "one", "df", "/data"]).contains(" 2048 "));
    project.ok(&["stop", "one"]);
    assert_eq!(mounts(&at), 1, "another one uses it");
    project.ok(&["start", "one"]);
    assert_eq!(project.ok(&["exec", "-T", "one", "cat", "/data/file"]), "shared\n");
    project.ok(&["stop"]);
    until("it is unmounted", || mounts(&at) == 0);
    assert!(!ground.root().join("run/holds").join(format!("{}_data", project.name)).exists());
    project.ok(&["start"]);
    assert_eq!(project.ok(&["exec", "-T", "one", "ls", "/data"]), "", "a tmpfs forgets");
    project.ok(&["down", "-t", "1"]);
    assert_eq!(mounts(&at), 0);
    project.ok(&["down", "-v"]);
    assert_nothing_left(&ground, &project.name);
}

/// A file as a disk; it is none any more when this is dropped.
struct Disk(String);

impl Disk {
    /// Nothing where this machine cannot make one.
    fn new(file: &Path) -> Option<Self> {
        std::fs::File::create(file).unwrap().set_len(16 << 20).unwrap();
        let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(file).status().ok()?;
        let device = Command::new("losetup").args(["-f", "--show"]).arg(file).output().ok()?;
        let device = String::from_utf8(device.stdout).unwrap().trim().to_owned();
        (made.success() && !device.is_empty()).then_some(Self(device))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["-d", &self.0]).status();
    }
}

#[test]
fn a_volume_on_a_disk_is_there_again() {
    let Some(ground) = Ground::new() else { return };
    let Some(disk) = Disk::new(&ground.folder.path().join("disk.img")) else {
        eprintln!("left out: no mkfs.ext4, or no loop device");
        return;
    };
    let options = format!("{{type: ext4, device: {}, o: noatime}}", disk.0);
    let project = Project::new(&ground, "disk", &TWO.replace("OPTIONS", &options));
    let at = content(&ground, &project);
    project.ok(&["up", "-d"]);
    project.ok(&["exec", "-T", "one", "sh", "-c", "echo kept > /data/file"]);
    project.ok(&["down", "-t", "1"]);
    assert_eq!((mounts(&at), std::fs::read_dir(&at).unwrap().count()), (0, 0));
    project.ok(&["up", "-d"]);
    assert_eq!(project.ok(&["exec", "-T", "two", "cat", "/data/file"]), "kept\n");
    project.ok(&["down", "-t", "1", "-v"]);
    assert!(!at.exists());
}

#[test]
fn a_bind_that_is_read_only_takes_no_writes() {
    let Some(ground) = Ground::new() else { return };
    let folder = ground.folder.path().join("precious");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("file"), "precious").unwrap();
    let options = format!("{{type: none, device: {}, o: 'bind,ro'}}", folder.display());
    let project = Project::new(&ground, "bound", &TWO.replace("OPTIONS", &options));
    project.ok(&["up", "-d"]);
    assert_eq!(project.ok(&["exec", "-T", "one", "cat", "/data/file"]), "precious");
    assert!(!project.command(&["exec", "-T", "one", "touch", "/data/new"]).output().unwrap().status.success());
    project.ok(&["down", "-t", "1", "-v"]);
    assert_eq!(std::fs::read_to_string(folder.join("file")).unwrap(), "precious");
    assert_nothing_left(&ground, &project.name);
}

#[test]
fn what_a_killed_client_left_mounted_is_found() {
    let Some(ground) = Ground::new() else { return };
    let folder = ground.folder.path().join("precious");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("file"), "precious").unwrap();
    let options = format!("{{type: none, device: {}, o: 'bind,noexec'}}", folder.display());
    let project = Project::new(&ground, "left", &TWO.replace("OPTIONS", &options));
    let at = content(&ground, &project);
    project.ok(&["create"]);
    let ids = project.ok(&["ps", "-aq", "--no-trunc"]);
    let id = ids.lines().next().unwrap();
    let leave = |hold: Option<&str>| {
        let holds = ground.root().join("run/holds").join(format!("{}_data", project.name));
        std::fs::create_dir_all(&holds).unwrap();
        if let Some(id) = hold {
            std::fs::write(holds.join(id), "").unwrap();
        }
        assert!(Command::new("mount").arg("--bind").args([&folder, &at]).status().unwrap().success());
    };
    // Killed between the mount and the start: whoever asks next undoes it.
    leave(Some(id));
    project.ok(&["ps"]);
    assert_eq!(mounts(&at), 0);
    // Killed before it was unmounted.
    leave(None);
    project.ok(&["ps"]);
    assert_eq!(mounts(&at), 0);
    // Used again as it is.
    leave(Some(id));
    project.ok(&["up", "-d"]);
    assert_eq!((mounts(&at), project.ok(&["exec", "-T", "two", "cat", "/data/file"])), (1, "precious".to_owned()));
    project.ok(&["down", "-t", "1"]);
    // Nothing says that it is mounted: all the same the content is not the volume's to remove.
    assert!(Command::new("mount").arg("--bind").args([&folder, &at]).status().unwrap().success());
    project.ok(&["down", "-v"]);
    assert!(!at.exists());
    assert_eq!(std::fs::read_to_string(folder.join("file")).unwrap(), "precious");
    assert_nothing_left(&ground, &project.name);
}

#[test]
fn a_device_that_is_not_there_is_said_before_anything_starts() {
    let Some(ground) = Ground::new() else { return };
    let absent = ground.folder.path().join("absent").display().to_string();
    let file = ground.folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let cases = [
        (format!("{{type: none, device: {absent}, o: bind}}"), "its device", true),
        (format!("{{type: ext4, device: {absent}}}"), "its device", true),
        ("{type: nfs, device: ':/x', o: soft}".to_owned(), "`addr=` in `o`", true),
        ("{type: tmpfs, device: tmpfs, size: 1g}".to_owned(), "driver_opts.size", true),
        // What only the kernel can tell.
        (format!("{{type: ext4, device: {}}}", file.display()), "no block device", false),
        ("{type: nosuchfs, device: /dev/null, o: password=hidden}".to_owned(), "no file system `nosuchfs`", false),
        (
            "{type: tmpfs, device: tmpfs, o: 'wings=2,password=hidden'}".to_owned(),
            "a word that tmpfs does not know",
            false,
        ),
    ];
    for (number, (options, words, nothing)) in cases.iter().enumerate() {
        let project = Project::new(&ground, &format!("absent{number}"), &TWO.replace("OPTIONS", options));
        let output = project.command(&["up", "-d"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(words), "{options}: {said}");
        assert!(said.contains(&format!("volume {}_data", project.name)) && !said.contains("hidden"), "{said}");
        assert_eq!(project.ok(&["ps", "-q"]), "");
        assert!(!nothing || project.ok(&["ps", "-aq"]).is_empty(), "something was made");
        project.ok(&["down", "-v"]);
        assert_nothing_left(&ground, &project.name);
    }
}

const FILLED: &str = "
services:
  one:
    image: rcompose-test/shell:1
    command: sleep 1000
    init: true
    volumes: ['data:/home', 'disk:/home/user', 'memory:/tmp']
volumes:
  data: {driver_opts: {type: none, o: bind, device: FOLDER/empty}}
  disk: {driver_opts: {type: none, o: 'bind,nodev', device: FOLDER/other}}
  memory: {driver_opts: {type: tmpfs, device: tmpfs}}
";

#[test]
fn the_images_content_comes_into_an_empty_folder_and_not_into_another() {
    let Some(ground) = Ground::new() else { return };
    let folder = ground.folder.path().join("folders");
    for name in ["empty", "other"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    std::fs::write(folder.join("other/own"), "").unwrap();
    let project = Project::new(&ground, "filled", &FILLED.replace("FOLDER", folder.to_str().unwrap()));
    let names = |name: &str| -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(folder.join(name))
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    project.ok(&["create"]);
    assert_eq!((names("empty"), names("other")), (vec!["user".to_owned()], vec!["own".to_owned()]));
    std::fs::remove_dir(folder.join("empty/user")).unwrap();
    project.ok(&["up", "-d", "--force-recreate"]);
    assert_eq!(project.ok(&["exec", "-T", "one", "ls", "/home/user"]), "own\n");
    project.ok(&["down", "-t", "0", "-v"]);
    assert_nothing_left(&ground, &project.name);
}

const SUBPATH: &str = "
services:
  writer:
    image: rcompose-test/shell:1
    command: sh -c 'mkdir -p /data/sub /data/deep/er; echo inside > /data/sub/hostname; echo deep > /data/deep/er/file; ln -s /deep/er /data/link; sleep 1000'
    init: true
    stop_grace_period: 1s
    volumes: ['data:/data']
  reader:
    image: rcompose-test/shell:1
    command: sh -c 'while [ ! -e /dev/shm/end ]; do sleep 0.1; done'
    init: true
    restart: always
    stop_grace_period: 1s
    profiles: [reader]
    volumes:
      - {type: volume, source: data, target: /seen, volume: {subpath: sub}}
      - {type: volume, source: data, target: /linked, volume: {subpath: link}}
      - {type: volume, source: data, target: /file, volume: {subpath: deep/er/file}}
volumes:
  data: {}
";

#[test]
fn a_path_inside_a_volume_leads_nowhere_else_whatever_is_put_in_its_place() {
    let Some(ground) = Ground::new() else { return };
    let project = Project::new(&ground, "subpath", SUBPATH);
    let folders = ground.root().join("volumes").join(format!("{}_data", project.name)).join("_data");
    project.ok(&["up", "-d"]);
    until("all is written", || folders.join("link").is_symlink());
    project.ok(&["up", "-d", "reader"]);
    let seen = |path: &str| {
        let output = project.command(&["exec", "-T", "reader", "cat", path]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(
        (seen("/seen/hostname"), seen("/linked/file"), seen("/file")),
        ("inside\n".into(), "deep\n".into(), "deep\n".into())
    );
    // A container of the volume puts a link to the host in the folder's place, and the reader is started again by its policy.
    project.ok(&["exec", "-T", "writer", "sh", "-c", "cd /data; /bin/busybox mv sub was; /bin/busybox ln -s /etc sub"]);
    project.ok(&["exec", "-T", "reader", "touch", "/dev/shm/end"]);
    let is_again = || seen("/seen/hostname") == "inside\n" && project.ok(&["--profile", "reader", "ps", "reader"]).contains("Up");
    until("it is started again", || {
        let output = project.command(&["exec", "-T", "reader", "ls", "/dev/shm"]).output().unwrap();
        output.status.success() && output.stdout.is_empty() && is_again()
    });
    // A new start follows the link within the volume, where there is no such folder.
    project.ok(&["stop", "reader"]);
    let output = project.command(&["start", "reader"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("the subpath sub in") && said.contains("must be there"), "{said}");
    project.ok(&["--profile", "reader", "down", "-t", "1", "-v"]);
    assert_nothing_left(&ground, &project.name);
}
