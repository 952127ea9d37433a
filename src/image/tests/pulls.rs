//! Pulls as they should go: tokens, mirrors, platforms, two at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rcompose_image::{Client, Digest, Event, ImageError, Login, PullOptions, Registries, Watch};
use serde_json::json;

use crate::is_root;
use crate::server::{Fixture, Puller, Reply, Server};

#[test]
fn tokens_are_got_and_used() {
    if !is_root("unpacking") {
        return;
    }
    let fixture = Fixture::new(&[1000, 2000, 3000]);
    let given = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&given);
    let tokens = Server::start(move |request| {
        count.fetch_add(1, Ordering::Relaxed);
        let fits = request.path.contains("service=reg%20x") && request.path.contains("scope=repository:a/b:pull");
        let knows = request.header("authorization") == Some("Basic bWU6c2VjcmV0");
        if fits && knows {
            Reply::new(200, r#"{"access_token":"abc","expires_in":300}"#)
        } else {
            Reply::new(401, "")
        }
    });
    let realm = format!("Bearer realm=\"http://{}/token\",service=\"reg x\"", tokens.host);
    let server = fixture.serve(move |request| match request.header("authorization") {
        Some("Bearer abc") => None,
        _ => Some(Reply::new(401, "{}").with("www-authenticate", realm.clone())),
    });
    let login = |password: &str| {
        let login = Login { username: Some("me".into()), password: Some(password.into()), ..Login::default() };
        Registries { keychain: Arc::new(move |_| Ok(Some(login.clone()))), ..Registries::default() }
    };
    let puller = Puller::new();
    assert_eq!(puller.pull_with(login("secret"), &server.name()).unwrap().id, fixture.id());
    assert_eq!(given.load(Ordering::Relaxed), 1, "one token for all");
    let error = Puller::new().pull_with(login("wrong"), &server.name()).unwrap_err();
    let ImageError::Registry { problem, .. } = &error else {
        panic!("{error}")
    };
    assert!(matches!(**problem, rcompose_image::Problem::Denied { logged_in: true, .. }), "{error}");
}

#[test]
fn identity_tokens_are_exchanged_and_registry_tokens_sent() {
    if !is_root("unpacking") {
        return;
    }
    let fixture = Fixture::new(&[1000]);
    let tokens = Server::start(|request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let fits = request.method == "POST" && body.contains("grant_type=refresh_token") && body.contains("refresh_token=r%2Bt");
        if fits {
            Reply::new(200, r#"{"access_token":"abc"}"#)
        } else {
            Reply::new(400, "")
        }
    });
    let realm = format!("Bearer realm=\"http://{}/token\"", tokens.host);
    let server = fixture.serve(move |request| match request.header("authorization") {
        Some("Bearer abc" | "Bearer fixed") => None,
        _ => Some(Reply::new(401, "{}").with("www-authenticate", realm.clone())),
    });
    for login in [
        Login { identity_token: Some("r+t".into()), ..Login::default() },
        Login { registry_token: Some("fixed".into()), ..Login::default() },
    ] {
        let registries = Registries { keychain: Arc::new(move |_| Ok(Some(login.clone()))), ..Registries::default() };
        assert_eq!(Puller::new().pull_with(registries, &server.name()).unwrap().id, fixture.id());
    }
    assert_eq!(tokens.seen.lock().unwrap().len(), 1);
}

#[test]
fn mirrors_come_first_and_may_fail() {
    if !is_root("unpacking") {
        return;
    }
    let fixture = Fixture::new(&[1000, 500_000]);
    let truth = fixture.serve(|_| None);
    let broken = Server::start(|_| Reply::new(404, ""));
    let good = fixture.serve(|_| None);
    let with = |mirrors: &[&str]| {
        let mirrors = mirrors.iter().map(|it| format!("http://{it}")).collect();
        Registries { mirrors: [(truth.host.clone(), mirrors)].into(), ..Registries::default() }
    };
    let puller = Puller::new();
    assert_eq!(puller.pull_with(with(&[&broken.host, &good.host]), &truth.name()).unwrap().id, fixture.id());
    assert_eq!(truth.paths(), Vec::<String>::new(), "the mirror had all");
    assert!(good.paths().iter().all(|it| it.contains(&format!("ns={}", truth.host))));
    assert!(
        puller
            .events
            .lock()
            .unwrap()
            .iter()
            .any(|it| matches!(it, Event::Mirror { address, .. } if *address == broken.host))
    );
    let puller = Puller::new();
    assert_eq!(puller.pull_with(with(&[&broken.host]), &truth.name()).unwrap().id, fixture.id());
    // One that has the manifest and not the layers.
    let (hollow, puller) = (fixture.serve(|request| request.path.contains("/blobs/").then(|| Reply::new(404, ""))), Puller::new());
    assert_eq!(puller.pull_with(with(&[&hollow.host]), &truth.name()).unwrap().id, fixture.id());
    puller.is_sound();
}

#[test]
fn the_image_for_the_platform_is_taken_from_an_index() {
    if !is_root("unpacking") {
        return;
    }
    let fixture = Fixture::new(&[1000]);
    let digest = Digest::of(&fixture.manifest);
    let entry = |architecture: &str, digest: Digest| {
        json!({ "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest.to_string(), "size": 1,
        "platform": { "os": "linux", "architecture": architecture } })
    };
    let index = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry("arm64", Digest::of(b"arm")), entry("amd64", digest)] })
    .to_string();
    let answer = index.clone();
    let server = fixture.serve(move |request| {
        let reply = Reply::new(200, answer.clone()).with("content-type", "application/vnd.oci.image.index.v1+json");
        request.path.ends_with("/manifests/1").then_some(reply)
    });
    let puller = Puller::new();
    let pulled = puller.pull(&server.name()).unwrap();
    assert_eq!((pulled.id, pulled.digest, pulled.is_new), (fixture.id(), Digest::of(index.as_bytes()), true));
    assert!(!puller.pull(&server.name()).unwrap().is_new);
    let by_digest = puller.store.find(&format!("{}/a/b@{}", server.host, pulled.digest)).unwrap();
    assert_eq!(by_digest.id, fixture.id());
    let options = PullOptions { platform: "linux/s390x".parse().unwrap(), ..PullOptions::default() };
    let error =
        crate::unwatched(|watch| puller.store.pull(&Client::new(Registries::default()), &server.name(), &options, watch)).unwrap_err();
    assert!(matches!(error, ImageError::NoPlatform { .. }), "{error}");
}

#[test]
fn two_pulls_at_once_fetch_each_layer_once() {
    if !is_root("unpacking") {
        return;
    }
    let fixture = Fixture::new(&[2_000_000, 1_000_000, 500_000]);
    let server = fixture.serve(|request| {
        if request.path.contains("/blobs/") {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        None
    });
    let puller = Puller::new();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert_eq!(puller.pull(&server.name()).unwrap().id, fixture.id()));
        }
    });
    for layer in &fixture.layers {
        let asked = server.paths().iter().filter(|it| it.ends_with(&layer.to_string())).count();
        assert_eq!(asked, 1, "{layer}");
    }
    puller.is_sound();
}

#[test]
fn a_pull_that_is_stopped_stops_and_the_next_one_goes_on() {
    if !is_root("unpacking") {
        return;
    }
    let fixture = Fixture::new(&[3_000_000]);
    let stop = Arc::new(AtomicBool::new(false));
    let (it, flag) = (fixture.clone(), Arc::clone(&stop));
    let server = fixture.serve(move |request| {
        // Half of it comes, then somebody presses Ctrl-C, then the connection ends.
        (request.path.ends_with(&it.layers[0].to_string())).then(|| {
            flag.store(true, Ordering::Relaxed);
            it.answer(request).cut(1_500_000)
        })
    });
    let puller = Puller::new();
    let error = puller
        .store
        .pull(&Client::new(Registries::default()), &server.name(), &PullOptions::default(), &Watch::new(&|_| (), &stop))
        .unwrap_err();
    assert!(matches!(error, ImageError::Cancelled), "{error}");
    puller.is_sound();
    let truth = fixture.serve(|_| None);
    assert_eq!(puller.pull(&truth.name()).unwrap().id, fixture.id());
    puller.is_sound();
}

#[test]
fn a_layer_that_was_removed_is_unpacked_from_its_blob() {
    if !is_root("unpacking") {
        return;
    }
    let fixture = Fixture::new(&[100_000]);
    let server = fixture.serve(|_| None);
    let puller = Puller::new();
    puller.pull(&server.name()).unwrap();
    let layer = puller.store.find(&server.name().to_string()).unwrap().layers[0].clone();
    std::fs::remove_dir_all(layer.parent().unwrap()).unwrap();
    assert_eq!(crate::unwatched(|watch| puller.store.verify(watch)).unwrap().damage.len(), 1);
    puller.pull(&server.name()).unwrap();
    puller.is_sound();
    let asked = server.paths().iter().filter(|it| it.contains(&fixture.layers[0].to_string())).count();
    assert_eq!(asked, 1);
}
