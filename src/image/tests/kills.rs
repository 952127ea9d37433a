//! SIGKILL at any moment of a pull: what is there is whole, the next pull goes on, and nothing is left over.

use std::process::{Command, Stdio};
use std::time::Duration;

use rcompose_image::{Client, PullOptions, Registries, Store};

use crate::server::{Fixture, Puller};
use crate::{is_root, unwatched};

/// Where the process that is killed finds its store.
const ROOT: &str = "RCOMPOSE_TEST_KILLED_ROOT";
/// What it pulls.
const NAME: &str = "RCOMPOSE_TEST_KILLED_NAME";
/// How often it is killed; the long form of `just soak` sets more.
const KILLS: &str = "RCOMPOSE_TEST_KILLS";

#[test]
#[ignore = "the process that is killed; started by the test below"]
fn pulls_and_is_killed() {
    let (Ok(root), Ok(name)) = (std::env::var(ROOT), std::env::var(NAME)) else {
        return;
    };
    let store = Store::open(root.as_ref()).unwrap();
    unwatched(|watch| store.pull(&Client::new(Registries::default()), &name.parse().unwrap(), &PullOptions::default(), watch)).unwrap();
}

#[test]
fn a_killed_pull_leaves_the_store_whole() {
    if !is_root("unpacking") {
        return;
    }
    let fixture = Fixture::new(&[6_000_000, 3_000_000, 1_000_000, 100]);
    let it = fixture.clone();
    // Some 400 ms for the largest layer, so that there is a middle to be killed in.
    let slowly = Duration::from_millis(4);
    let server = fixture.serve(move |request| request.path.contains("/blobs/").then(|| it.answer(request).slow(slowly)));
    let puller = Puller::new();
    let kills: u64 = std::env::var(KILLS).ok().and_then(|it| it.parse().ok()).unwrap_or(6);
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut killed = 0;
    for _ in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kills::pulls_and_is_killed", "--ignored"])
            .env(ROOT, puller.folder.path())
            .env(NAME, server.name().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        std::thread::sleep(Duration::from_millis(10 + seed % 500));
        child.kill().unwrap();
        killed += u64::from(!child.wait().unwrap().success());
        puller.is_sound();
        if puller.store.find(&server.name().to_string()).is_ok() {
            // It got to its end; the next one starts anew.
            puller.store.remove(&server.name().to_string(), true).unwrap();
        }
    }
    assert!(killed > 0, "none was killed in time");
    assert_eq!(puller.pull(&server.name()).unwrap().id, fixture.id());
    puller.is_sound();
    puller.store.prune(false).unwrap();
    assert_eq!(puller.store.prune(false).unwrap(), rcompose_image::Pruned::default());
    let it = puller.store.find(&server.name().to_string()).unwrap();
    let folders = std::fs::read_dir(puller.folder.path().join("layers")).unwrap().count();
    assert_eq!((it.layers.len(), folders), (4, 4), "a layer that nothing needs");
    assert_eq!(std::fs::read_dir(puller.folder.path().join("blobs/sha256")).unwrap().count(), 6);
    assert_eq!(puller.leftovers(), Vec::<String>::new());
}
