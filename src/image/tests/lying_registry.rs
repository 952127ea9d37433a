//! Registries that lie, stall, lead astray or are none: an error that says what happened, a store that is whole, and a next attempt
//! that does what the first could not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rcompose_image::{Digest, Event, ImageError, LayerState, Problem};

use crate::is_root;
use crate::server::{Fixture, Puller, Reply, Request, Server, gzip, noise};
use crate::writing::Tar;

fn is_layer(request: &Request, fixture: &Fixture) -> bool {
    request.path.ends_with(&fixture.layers[0].to_string())
}

/// Pulls from a registry that lies once about something, and from a true one after that.
fn refused(fixture: &Fixture, lie: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> ImageError {
    let server = fixture.serve(lie);
    let puller = Puller::new();
    let error = puller.pull(&server.name()).unwrap_err();
    puller.is_sound();
    assert!(puller.store.images().unwrap().is_empty());
    let truth = fixture.serve(|_| None);
    let pulled = puller.pull(&truth.name()).unwrap();
    assert_eq!(pulled.id, fixture.id());
    puller.is_sound();
    assert_eq!(puller.leftovers(), Vec::<String>::new());
    error
}

fn problem(error: &ImageError) -> &Problem {
    match error {
        ImageError::Registry { problem, .. } => problem,
        other => panic!("{other}"),
    }
}

#[test]
fn other_bytes_than_asked_for() {
    if !is_root("unpacking") {
        return;
    }
    let fixture = Fixture::new(&[300_000, 10]);
    let it = fixture.clone();
    let error = refused(&fixture, move |request| {
        // As long as the right one, and even a good archive.
        let mut other = gzip(&Tar::default().file("file0", &noise(99, 300_000)).end());
        other.resize(it.blobs[&it.layers[0]].len(), 0);
        is_layer(request, &it).then(|| Reply::new(200, other))
    });
    assert!(matches!(problem(&error), Problem::Answer(inner) if matches!(**inner, ImageError::Mismatch { .. })), "{error}");

    let it = fixture.clone();
    let config = fixture.id();
    let error = refused(&fixture, move |request| {
        let mut other = it.config.clone();
        *other.last_mut().unwrap() = b' ';
        request.path.ends_with(&config.to_string()).then(|| Reply::new(200, other))
    });
    assert!(matches!(problem(&error), Problem::Answer(_)), "{error}");

    let error = refused(&fixture, |request| {
        request
            .path
            .contains("/manifests/")
            .then(|| Reply::new(200, r#"{"schemaVersion":1,"fsLayers":[]}"#))
    });
    assert!(error.to_string().contains("schema 1"), "{error}");
}

#[test]
fn a_manifest_that_is_not_the_one_of_its_digest() {
    let fixture = Fixture::new(&[10]);
    let server = fixture.serve(|_| None);
    let name = format!("{}/a/b@{}", server.host, Digest::of(b"another"));
    let lying = Fixture::new(&[20]);
    let answer = lying.manifest.clone();
    let liar = Server::start(move |request| {
        if request.path == "/v2/" {
            Reply::new(200, "")
        } else {
            Reply::new(200, answer.clone())
        }
    });
    let name = name.replace(&server.host, &liar.host).parse().unwrap();
    let error = Puller::new().pull(&name).unwrap_err();
    assert!(matches!(problem(&error), Problem::Answer(inner) if matches!(**inner, ImageError::Mismatch { .. })), "{error}");
}

#[test]
fn a_layer_that_is_not_what_the_configuration_says() {
    if !is_root("unpacking") {
        return;
    }
    let good = Tar::default().file("a", b"x").end();
    let other = Tar::default().file("a", b"y").end();
    let fixture = Fixture::with_layers(&[good], &[gzip(&other)]);
    let server = fixture.serve(|_| None);
    let puller = Puller::new();
    let error = puller.pull(&server.name()).unwrap_err();
    assert!(matches!(error, ImageError::Mismatch { .. }) && error.to_string().contains("uncompressed"), "{error}");
    puller.is_sound();
    assert_eq!(puller.leftovers(), Vec::<String>::new());
}

#[test]
fn a_body_that_is_cut_off_is_continued() {
    if !is_root("unpacking") {
        return;
    }
    let fixture = Fixture::new(&[3_000_000]);
    let it = fixture.clone();
    let tries = AtomicU32::new(0);
    let server = fixture.serve(move |request| {
        (is_layer(request, &it) && tries.fetch_add(1, Ordering::Relaxed) < 3).then(|| it.answer(request).cut(700_000))
    });
    let puller = Puller::new();
    assert_eq!(puller.pull(&server.name()).unwrap().id, fixture.id());
    puller.is_sound();
    let ranges: Vec<String> = server.seen.lock().unwrap().iter().filter_map(|it| it.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges, ["bytes=700000-", "bytes=1400000-", "bytes=2100000-"], "no byte is asked for twice");
    assert!(puller.events.lock().unwrap().iter().any(|it| matches!(it, Event::Again { .. })));
}

#[test]
fn a_registry_without_ranges_serves_too() {
    if !is_root("unpacking") {
        return;
    }
    let fixture = Fixture::new(&[2_000_000]);
    let it = fixture.clone();
    let tries = AtomicU32::new(0);
    let server = fixture.serve(move |request| {
        let whole = Reply::new(200, it.blobs[&it.layers[0]].clone());
        is_layer(request, &it).then(|| {
            if tries.fetch_add(1, Ordering::Relaxed) == 0 {
                whole.cut(500_000)
            } else {
                whole
            }
        })
    });
    let puller = Puller::new();
    assert_eq!(puller.pull(&server.name()).unwrap().id, fixture.id());
    puller.is_sound();
}

#[test]
fn a_body_that_is_always_cut_off_is_an_error_and_is_kept() {
    if !is_root("unpacking") {
        return;
    }
    let fixture = Fixture::new(&[2_000_000]);
    let it = fixture.clone();
    let server = fixture.serve(move |request| {
        (is_layer(request, &it)).then(|| {
            if request.header("range").is_some() {
                it.answer(request).cut(0)
            } else {
                it.answer(request).cut(1_000_000)
            }
        })
    });
    let puller = Puller::new();
    let error = puller.pull(&server.name()).unwrap_err();
    assert!(matches!(problem(&error), Problem::Transport { .. }), "{error}");
    puller.is_sound();
    let truth = fixture.serve(|_| None);
    assert_eq!(puller.pull(&truth.name()).unwrap().id, fixture.id());
    let asked = truth.seen.lock().unwrap().iter().find_map(|it| it.header("range").map(str::to_owned));
    assert_eq!(asked.as_deref(), Some("bytes=1000000-"), "the next attempt continues");
    let resumed = puller
        .events
        .lock()
        .unwrap()
        .iter()
        .any(|it| matches!(it, Event::Layer { state: LayerState::Downloading { resumed: 1_000_000, .. }, .. }));
    assert!(resumed, "and says so");
    puller.is_sound();
}

#[test]
fn a_kept_part_that_was_damaged_is_fetched_again() {
    if !is_root("unpacking") {
        return;
    }
    let fixture = Fixture::new(&[1_000_000]);
    let puller = Puller::new();
    let path = puller.folder.path().join("blobs/partial").join(fixture.layers[0].hex());
    std::fs::write(&path, noise(5, 400_000)).unwrap();
    let server = fixture.serve(|_| None);
    assert_eq!(puller.pull(&server.name()).unwrap().id, fixture.id());
    std::fs::write(&path, noise(5, 9_000_000)).unwrap();
    puller.is_sound();
    assert_eq!(puller.leftovers(), Vec::<String>::new());
}

#[test]
fn more_or_less_bytes_than_the_manifest_says() {
    let fixture = Fixture::new(&[100_000]);
    for change in [-1isize, 1] {
        let it = fixture.clone();
        let error = refused(&fixture, move |request| {
            let mut other = it.blobs[&it.layers[0]].clone();
            other.resize(other.len().checked_add_signed(change).unwrap(), 0);
            is_layer(request, &it).then(|| Reply::new(200, other))
        });
        assert!(matches!(problem(&error), Problem::Length { .. }), "{error}");
    }
    let error = refused(&fixture, |request| request.path.contains("/manifests/").then(|| Reply::new(200, vec![b' '; 5 << 20])));
    assert!(matches!(problem(&error), Problem::Length { .. }), "{error}");
}

#[test]
fn html_is_no_manifest_and_no_layer() {
    let fixture = Fixture::new(&[1000]);
    let html = || Reply::new(200, "<html><body>Log in to the Wi-Fi</body></html>").with("content-type", "text/html; charset=utf-8");
    let error = refused(&fixture, move |request| request.path.contains("/manifests/").then(html));
    assert!(error.to_string().contains("text/html") && error.to_string().contains("is it a registry?"), "{error}");
    let it = fixture.clone();
    let error = refused(&fixture, move |request| {
        let mut page = html();
        page.body.resize(it.blobs[&it.layers[0]].len(), b' ');
        is_layer(request, &it).then_some(page)
    });
    assert!(error.to_string().contains("text/html"), "{error}");
    let error = refused(&fixture, move |request| request.path.contains("/manifests/").then(|| Reply::new(200, "{\"hello\": 1}")));
    assert!(error.to_string().contains("malformed manifest"), "{error}");
}

#[test]
fn it_is_led_only_so_far() {
    let fixture = Fixture::new(&[1000]);
    let it = fixture.clone();
    let error = refused(&fixture, move |request| {
        is_layer(request, &it).then(|| Reply::new(307, "").with("location", request.path.clone()))
    });
    assert!(matches!(problem(&error), Problem::Redirects { limit: 10, .. }), "{error}");
    for to in ["file:///etc/passwd", "gopher://x/", "http://user:pw@h/", "https://"] {
        let it = fixture.clone();
        let error = refused(&fixture, move |request| is_layer(request, &it).then(|| Reply::new(302, "").with("location", to)));
        assert!(matches!(problem(&error), Problem::Redirect { .. }), "{to}: {error}");
    }
}

#[test]
fn where_it_is_led_nobody_learns_who_asks() {
    if !is_root("unpacking") {
        return;
    }
    let fixture = Fixture::new(&[1000]);
    let elsewhere = fixture.serve(|_| None);
    let (it, host) = (fixture.clone(), elsewhere.host.clone());
    let server = fixture.serve(move |request| {
        if request.header("authorization").is_none() {
            return Some(Reply::new(401, "").with("www-authenticate", "Basic realm=\"x\""));
        }
        is_layer(request, &it).then(|| Reply::new(307, "").with("location", format!("http://{host}{}", request.path)))
    });
    let puller = Puller::new();
    let login = rcompose_image::Login { username: Some("me".into()), password: Some("secret".into()), ..Default::default() };
    let registries = rcompose_image::Registries { keychain: Arc::new(move |_| Ok(Some(login.clone()))), ..Default::default() };
    assert_eq!(puller.pull_with(registries, &server.name()).unwrap().id, fixture.id());
    let seen = elsewhere.seen.lock().unwrap();
    assert!(!seen.is_empty() && seen.iter().all(|it| it.header("authorization").is_none()), "{seen:?}");
    assert!(
        server
            .seen
            .lock()
            .unwrap()
            .iter()
            .any(|it| it.header("authorization") == Some("Basic bWU6c2VjcmV0"))
    );
}

#[test]
fn a_registry_that_wants_to_wait_is_waited_for() {
    if !is_root("unpacking") {
        return;
    }
    let fixture = Fixture::new(&[1000]);
    let tries = AtomicU32::new(0);
    let server = fixture.serve(move |request| {
        (request.path.contains("/manifests/") && tries.fetch_add(1, Ordering::Relaxed) < 2)
            .then(|| Reply::new(429, "").with("retry-after", "1"))
    });
    let puller = Puller::new();
    let began = Instant::now();
    assert_eq!(puller.pull(&server.name()).unwrap().id, fixture.id());
    assert!(began.elapsed() >= Duration::from_secs(2), "it was asked again too soon");
    let waits = puller
        .events
        .lock()
        .unwrap()
        .iter()
        .filter(|it| matches!(it, Event::Again { wait, .. } if wait.as_secs() == 1))
        .count();
    assert_eq!(waits, 2);
}

#[test]
fn a_registry_that_wants_to_wait_for_ever_is_an_error() {
    let fixture = Fixture::new(&[10]);
    let began = Instant::now();
    let error = refused(&fixture, |request| {
        request.path.contains("/manifests/").then(|| Reply::new(429, "").with("retry-after", "86400"))
    });
    assert!(matches!(problem(&error), Problem::RateLimited { seconds: 86400 }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_registry_that_stumbles_is_asked_again_and_one_that_lies_down_is_not() {
    if !is_root("unpacking") {
        return;
    }
    let fixture = Fixture::new(&[10]);
    let tries = AtomicU32::new(0);
    let server = fixture
        .serve(move |request| (request.path.contains("/blobs/") && tries.fetch_add(1, Ordering::Relaxed) < 2).then(|| Reply::new(503, "")));
    assert_eq!(Puller::new().pull(&server.name()).unwrap().id, fixture.id());
    let error = refused(&fixture, |request| {
        request
            .path
            .contains("/manifests/")
            .then(|| Reply::new(500, r#"{"errors":[{"code":"X","message":"on fire"}]}"#))
    });
    assert!(
        matches!(problem(&error), Problem::Status { status: 500, .. }) && error.to_string().contains("on fire"),
        "{error}"
    );
    let gone = fixture.serve(|_| None);
    let name = gone.name();
    drop(gone);
    let began = Instant::now();
    let error = Puller::new().pull(&name).unwrap_err();
    assert!(matches!(problem(&error), Problem::Transport { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn what_is_not_there_and_what_is_denied_are_told_apart() {
    let fixture = Fixture::new(&[10]);
    let server = fixture.serve(|_| None);
    let missing = format!("{}/a/b:2", server.host).parse().unwrap();
    let error = Puller::new().pull(&missing).unwrap_err();
    assert!(
        matches!(problem(&error), Problem::NotFound { .. }) && error.to_string().contains("manifest unknown"),
        "{error}"
    );
    let error = refused(&fixture, |request| request.path.contains("/manifests/").then(|| Reply::new(403, "")));
    assert!(matches!(problem(&error), Problem::Denied { logged_in: false, .. }), "{error}");
}

#[test]
fn a_configuration_with_other_layers_than_the_manifest() {
    let fixture = Fixture::new(&[10, 20]);
    let mut manifest: serde_json::Value = serde_json::from_slice(&fixture.manifest).unwrap();
    manifest["layers"].as_array_mut().unwrap().pop();
    let error = refused(&fixture, move |request| request.path.contains("/manifests/").then(|| Reply::new(200, manifest.to_string())));
    assert!(error.to_string().contains("2 layers, its manifest 1"), "{error}");
}

#[test]
fn credentials_go_to_nobody_over_an_open_line() {
    let fixture = Fixture::new(&[10]);
    for (realm, word) in [("http://auth.example/token", "without TLS"), ("ftp://x", "no address")] {
        let error = refused(&fixture, move |request| {
            let challenge = format!("Bearer realm=\"{realm}\",service=\"x\"");
            request
                .path
                .contains("/manifests/")
                .then(|| Reply::new(401, "").with("www-authenticate", challenge))
        });
        assert!(matches!(problem(&error), Problem::Challenge { .. }) && error.to_string().contains(word), "{error}");
    }
}
