//! The store: names, pins, removing, pruning, and what its folders look like from outside.

use std::os::unix::fs::MetadataExt;

use rcompose_image::{Defaults, Digest, Image, ImageError, ImportOptions, Reference, Store};

use crate::server::{Puller, noise};
use crate::writing::Tar;
use crate::{is_root, unwatched};

fn image(store: &Store, seed: u64, name: Option<&str>) -> Image {
    let archive = Tar::default().file("f", &noise(seed, 10_000)).end();
    let name = name.map(|it| it.parse::<Reference>().unwrap().tagged());
    let mut defaults = Defaults::default();
    defaults.change(&format!("LABEL seed={seed}")).unwrap();
    let options = ImportOptions { defaults, ..ImportOptions::default() };
    let id = unwatched(|watch| store.import(archive.as_slice(), name.as_ref(), &options, watch)).unwrap();
    store.image(&id).unwrap()
}

#[test]
fn images_are_found_by_name_id_and_digits() {
    let puller = Puller::new();
    let store = &puller.store;
    let it = image(store, 1, Some("shop/app"));
    let (hex, id) = (it.id.hex(), it.id.to_string());
    for text in ["shop/app", "shop/app:latest", "docker.io/shop/app", &hex, &id, &hex[..12], &hex[..4]] {
        assert_eq!(store.find(text).unwrap().id, it.id, "{text}");
    }
    for text in ["shop/app:2", "other", &Digest::of(b"").to_string(), "ffffffffffff0000"] {
        assert!(matches!(store.find(text), Err(ImageError::NoSuchImage { .. })), "{text}");
    }
    for text in ["UPPER", "a b", ""] {
        assert!(matches!(store.find(text), Err(ImageError::Reference { .. })), "{text}");
    }
    let more: Vec<Image> = (2..40).map(|seed| image(store, seed, None)).collect();
    assert_eq!(store.images().unwrap().len(), more.len() + 1);
    let ambiguous = (0..16)
        .map(|digit| format!("{digit:x}"))
        .filter(|it| matches!(store.find(it), Err(ImageError::Ambiguous { .. })))
        .count();
    assert!(ambiguous > 0);
}

#[test]
fn layers_stand_in_the_order_of_overlayfs() {
    if !is_root("unpacking") {
        return;
    }
    let fixture = crate::server::Fixture::new(&[10, 20, 30]);
    let server = fixture.serve(|_| None);
    let puller = Puller::new();
    puller.pull(&server.name()).unwrap();
    let it = puller.store.find(&server.name().to_string()).unwrap();
    let files: Vec<bool> = (0..3).map(|at| it.layers[at].join(format!("file{}", 2 - at)).is_file()).collect();
    assert_eq!(files, [true; 3], "the topmost first");
}

#[test]
fn names_move_and_images_go_with_their_last_name() {
    let puller = Puller::new();
    let store = &puller.store;
    let (one, two) = (image(store, 1, Some("a:1")), image(store, 2, Some("a:2")));
    store.tag(&one.id, &"b:1".parse().unwrap()).unwrap();
    store.tag(&two.id, &"a:1".parse().unwrap()).unwrap();
    assert_eq!(store.find("a:1").unwrap().id, two.id, "a name is taken over");
    let removed = store.remove("a:1", false).unwrap();
    assert_eq!((removed.untagged.len(), removed.image), (1, None));
    store.tag(&two.id, &"c:1".parse().unwrap()).unwrap();
    let error = store.remove(&two.id.hex(), false).unwrap_err();
    assert!(matches!(error, ImageError::InUse { .. }), "{error}");
    let removed = store.remove(&two.id.hex(), true).unwrap();
    assert_eq!((removed.untagged.len(), removed.image, removed.layers.len()), (2, Some(two.id), 1));
    assert!(!two.layers[0].exists());
    assert!(store.remove("b:1", false).unwrap().image.is_some());
    assert!(matches!(store.remove("b:1", false), Err(ImageError::NoSuchImage { .. })));
    for wrong in [format!("a@{}", one.id), "a".to_owned()] {
        assert!(store.tag(&one.id, &wrong.parse().unwrap()).is_err(), "{wrong}");
    }
    assert_eq!(puller.leftovers(), Vec::<String>::new());
}

#[test]
fn shared_layers_stay_until_the_last_image_goes() {
    let puller = Puller::new();
    let store = &puller.store;
    let one = image(store, 1, Some("a:1"));
    let options = ImportOptions { message: "another image of the same layer".into(), ..ImportOptions::default() };
    let archive = Tar::default().file("f", &noise(1, 10_000)).end();
    let two = unwatched(|watch| store.import(archive.as_slice(), Some(&"b:1".parse().unwrap()), &options, watch)).unwrap();
    assert_ne!(one.id, two);
    assert!(store.remove("a:1", false).unwrap().layers.is_empty());
    assert!(one.layers[0].is_dir());
    puller.is_sound();
    assert_eq!(store.remove("b:1", false).unwrap().layers.len(), 1);
    assert_eq!(puller.leftovers(), Vec::<String>::new());
}

#[test]
fn what_a_container_has_stays() {
    let puller = Puller::new();
    let store = &puller.store;
    let it = image(store, 1, Some("a:1"));
    store.pin(&it.id, "container1").unwrap();
    assert_eq!(store.holders(&it.id).unwrap(), ["container1"]);
    assert!(matches!(store.remove("a:1", true), Err(ImageError::InUse { .. })));
    assert!(store.prune(true).unwrap().images.is_empty());
    // Even where the record is gone, as after a crash in the middle of something, its layers stay.
    std::fs::remove_file(puller.folder.path().join("images").join(format!("{}.json", it.id.hex()))).unwrap();
    store.prune(true).unwrap();
    assert!(it.layers[0].is_dir());
    store.unpin("container1").unwrap();
    store.unpin("container1").unwrap();
    assert!(store.pin(&Digest::of(b""), "x").is_err());
    for wrong in ["", "../x", "a/b", &"x".repeat(200)] {
        assert!(store.pin(&it.id, wrong).is_err(), "{wrong}");
    }
    assert_eq!(puller.leftovers(), Vec::<String>::new());
}

#[test]
fn prune_removes_what_has_no_name_and_what_crashes_left() {
    let puller = Puller::new();
    let store = &puller.store;
    let named = image(store, 1, Some("a:1"));
    let nameless = image(store, 2, None);
    let root = puller.folder.path();
    let hex = Digest::of(b"orphan").hex();
    std::fs::write(root.join("blobs/sha256").join(&hex), "orphan").unwrap();
    std::fs::write(root.join("blobs/partial").join(&hex), "half").unwrap();
    std::fs::write(root.join("images/.new-1234"), "half a record").unwrap();
    std::fs::write(root.join("leases/work-dead.lock"), "").unwrap();
    std::fs::write(root.join("leases/work-dead.json"), "{\"image\":null,\"blobs\":[],\"layers\":[]}").unwrap();
    std::fs::create_dir_all(root.join("staging/work-dead/0/fs/deep")).unwrap();
    std::fs::create_dir_all(root.join("layers").join(&hex).join("fs")).unwrap();
    let pruned = store.prune(false).unwrap();
    assert_eq!(pruned.images.iter().map(|it| it.image).collect::<Vec<_>>(), [Some(nameless.id)]);
    assert_eq!(pruned.orphans, 5);
    assert!(pruned.bytes >= 10_000);
    assert!(named.layers[0].is_dir());
    puller.is_sound();
    assert_eq!(store.prune(false).unwrap(), rcompose_image::Pruned::default());
    assert_eq!(puller.leftovers(), Vec::<String>::new());
}

#[test]
fn others_find_nothing_to_read() {
    let puller = Puller::new();
    image(&puller.store, 1, Some("a:1"));
    let root = puller.folder.path().join("state");
    let store = Store::open(&root).unwrap();
    image(&store, 1, Some("a:1"));
    assert_eq!(std::fs::metadata(&root).unwrap().mode() & 0o777, 0o700);
    for folder in ["blobs", "blobs/sha256", "blobs/partial", "layers", "images", "leases", "staging"] {
        assert_eq!(std::fs::metadata(root.join(folder)).unwrap().mode() & 0o777, 0o700, "{folder}");
    }
    for folder in ["blobs/sha256", "images"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().mode() & 0o777, 0o600, "{:?}", entry.path());
        }
    }
    // Folders that somebody opened are closed again; those of another user are refused.
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(root.join("layers"), std::fs::Permissions::from_mode(0o755)).unwrap();
    Store::open(&root).unwrap();
    assert_eq!(std::fs::metadata(root.join("layers")).unwrap().mode() & 0o777, 0o700);
    std::fs::remove_dir(root.join("staging")).unwrap();
    std::os::unix::fs::symlink("/tmp", root.join("staging")).unwrap();
    assert!(Store::open(&root).is_err(), "a link is no folder of the store");
}

#[test]
fn damage_is_found() {
    let puller = Puller::new();
    let it = image(&puller.store, 1, Some("a:1"));
    let change = |what: &str, damage: &dyn Fn(), undo: &dyn Fn()| {
        damage();
        let found = crate::unwatched(|watch| puller.store.verify(watch)).unwrap().damage;
        assert!(!found.is_empty(), "{what} was not found");
        undo();
        assert_eq!(crate::unwatched(|watch| puller.store.verify(watch)).unwrap().damage, [], "{what}");
    };
    let file = it.layers[0].join("f");
    let content = std::fs::read(&file).unwrap();
    let before = std::fs::metadata(&file).unwrap().modified().unwrap();
    let rewrite = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        std::fs::File::open(&file).unwrap().set_modified(before).unwrap();
    };
    let mut other = content.clone();
    other[5000] ^= 1;
    change("a bit of a file", &|| rewrite(&other), &|| rewrite(&content));
    let more = it.layers[0].join("more");
    let folder = std::fs::metadata(&it.layers[0]).unwrap().modified().unwrap();
    let reset = || std::fs::File::open(&it.layers[0]).unwrap().set_modified(folder).unwrap();
    change(
        "a further file",
        &|| {
            std::fs::write(&more, "").unwrap();
            reset()
        },
        &|| {
            std::fs::remove_file(&more).unwrap();
            reset()
        },
    );
    let blob = puller.folder.path().join("blobs/sha256").join(it.record.layers[0].blob.digest.hex());
    let bytes = std::fs::read(&blob).unwrap();
    let mut other = bytes.clone();
    other[100] ^= 1;
    change("a bit of a blob", &|| std::fs::write(&blob, &other).unwrap(), &|| std::fs::write(&blob, &bytes).unwrap());
    let config = puller.folder.path().join("blobs/sha256").join(it.id.hex());
    let bytes = std::fs::read(&config).unwrap();
    change("a missing blob", &|| std::fs::remove_file(&config).unwrap(), &|| std::fs::write(&config, &bytes).unwrap());
}
