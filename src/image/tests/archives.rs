//! `load`, `save` and `import`, with archives of our own and such as are none.

use rcompose_image::{Defaults, Digest, Image, ImageError, ImportOptions, Platform, Reference, SaveForm, Store};
use serde_json::json;

use crate::server::{Puller, gzip, noise};
use crate::writing::Tar;
use crate::{is_root, unwatched};

fn root_fs() -> Vec<u8> {
    Tar::default().folder("bin").file("bin/a", &noise(1, 400_000)).link("b", "bin/a").end()
}

fn import(store: &Store, archive: &[u8], name: &str) -> Image {
    let mut defaults = Defaults::default();
    defaults.change("CMD [\"/bin/a\"]").unwrap();
    let name: Reference = name.parse::<Reference>().unwrap().tagged();
    let options = ImportOptions { defaults, ..ImportOptions::default() };
    let id = unwatched(|watch| store.import(archive, Some(&name), &options, watch)).unwrap();
    store.image(&id).unwrap()
}

fn save(store: &Store, names: &[&str], form: SaveForm) -> Vec<u8> {
    let mut archive = Vec::new();
    let images = store.to_save(&names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()).unwrap();
    unwatched(|watch| store.save(&images, form, &mut archive, watch)).unwrap();
    archive
}

fn load(store: &Store, archive: &[u8]) -> Result<Vec<rcompose_image::Loaded>, ImageError> {
    unwatched(|watch| store.load(archive, &Platform::host(), watch))
}

#[test]
fn what_is_saved_is_loaded_with_the_same_id() {
    if !is_root("unpacking") {
        return;
    }
    let first = Puller::new();
    let image = import(&first.store, &root_fs(), "shop/app:1");
    assert_eq!(image.config.config.cmd.as_deref(), Some(["/bin/a".to_owned()].as_slice()));
    assert_eq!(image.record.layers[0].diff_id, Digest::of(&root_fs()));
    assert!(image.record.layers[0].blob.media_type.ends_with("+zstd"));
    for form in [SaveForm::Docker, SaveForm::Oci] {
        let archive = save(&first.store, &["shop/app:1"], form);
        assert_eq!(archive, save(&first.store, &["shop/app:1"], form), "the same image gives the same archive");
        for packed in [archive.clone(), gzip(&archive), zstd::encode_all(archive.as_slice(), 1).unwrap()] {
            let second = Puller::new();
            let loaded = load(&second.store, &packed).unwrap();
            assert_eq!((loaded.len(), loaded[0].id), (1, image.id), "{form:?}");
            assert_eq!(second.store.find("shop/app:1").unwrap().config, image.config);
            second.is_sound();
            assert_eq!(save(&second.store, &["shop/app:1"], form), archive, "{form:?}");
            assert_eq!(second.leftovers(), Vec::<String>::new());
        }
    }
}

#[test]
fn an_oci_layout_alone_is_loaded() {
    if !is_root("unpacking") {
        return;
    }
    let first = Puller::new();
    let image = import(&first.store, &gzip(&root_fs()), "shop/app:1");
    assert!(image.record.layers[0].blob.media_type.ends_with("+gzip"), "kept as it came");
    // Without docker's manifest, as skopeo and buildx write it.
    let archive = save(&first.store, &["shop/app:1"], SaveForm::Oci);
    let mut layout = Tar::default();
    for entry in tar::Archive::new(archive.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        if path != "manifest.json" && !path.ends_with('/') {
            layout = layout.file(&path, &content);
        }
    }
    let second = Puller::new();
    let loaded = load(&second.store, &layout.end()).unwrap();
    assert_eq!((loaded[0].id, loaded[0].names.len()), (image.id, 1));
    let there = second.store.find("shop/app:1").unwrap();
    assert_eq!(there.record.manifest, image.record.manifest, "its manifest is what it was");
    second.is_sound();
}

#[test]
fn several_images_share_layers_and_names() {
    if !is_root("unpacking") {
        return;
    }
    let first = Puller::new();
    let one = import(&first.store, &root_fs(), "a:1");
    first.store.tag(&one.id, &"a:2".parse().unwrap()).unwrap();
    let other = import(&first.store, &Tar::default().file("x", b"y").end(), "b:1");
    let archive = save(&first.store, &["a:1", "b:1", "a:2", &other.id.hex()], SaveForm::Docker);
    let second = Puller::new();
    let loaded = load(&second.store, &archive).unwrap();
    assert_eq!(loaded.iter().map(|it| it.names.len()).collect::<Vec<_>>(), [2, 1]);
    let by_id = save(&first.store, &[&one.id.hex()], SaveForm::Docker);
    let third = Puller::new();
    assert_eq!(load(&third.store, &by_id).unwrap()[0].names, []);
    assert_eq!(third.store.find(&one.id.short()).unwrap().id, one.id);
}

#[test]
fn older_archives_with_links_are_loaded() {
    if !is_root("unpacking") {
        return;
    }
    let layer = root_fs();
    let diff_id = Digest::of(&layer).to_string();
    let config =
        json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [diff_id, diff_id] } }).to_string();
    let manifest = json!([{ "Config": "c.json", "RepoTags": ["old:1"], "Layers": ["one/layer.tar", "two/layer.tar"] }]).to_string();
    let archive = Tar::default()
        .folder("one")
        .file("one/VERSION", b"1.0")
        .file("one/layer.tar", &layer)
        .folder("two")
        .link("two/layer.tar", "../one/layer.tar")
        .file("c.json", config.as_bytes())
        .file("manifest.json", manifest.as_bytes())
        .end();
    let puller = Puller::new();
    let loaded = load(&puller.store, &archive).unwrap();
    assert_eq!(puller.store.image(&loaded[0].id).unwrap().layers.len(), 2);
    puller.is_sound();
}

#[test]
fn what_is_no_archive_of_images_is_refused_and_leaves_nothing() {
    if !is_root("unpacking") {
        return;
    }
    let layer = root_fs();
    let config = |diff_id: &Digest| json!({ "os": "linux", "rootfs": { "type": "layers", "diff_ids": [diff_id.to_string()] } }).to_string();
    let manifest = |config: &str, layer: &str| json!([{ "Config": config, "RepoTags": ["x:1"], "Layers": [layer] }]).to_string();
    let good = |manifest: &str| {
        Tar::default()
            .file("l", &layer)
            .file("c", config(&Digest::of(&layer)).as_bytes())
            .file("manifest.json", manifest.as_bytes())
            .end()
    };
    assert!(load(&Puller::new().store, &good(&manifest("c", "l"))).is_ok());
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("text", b"hello".to_vec()),
        ("a root file system", layer.clone()),
        ("no configuration", good(&manifest("d", "l"))),
        ("no layer", good(&manifest("c", "m"))),
        ("a configuration outside", good(&manifest("../../etc/passwd", "l"))),
        ("no JSON", good("{")),
        ("no images", good("[]")),
        (
            "another layer",
            Tar::default()
                .file("l", &layer)
                .file("c", config(&Digest::of(b"")).as_bytes())
                .file("manifest.json", manifest("c", "l").as_bytes())
                .end(),
        ),
        ("cut off", good(&manifest("c", "l"))[..200_000].to_vec()),
        ("a device", Tar::default().device("l", tar::EntryType::Block, 8, 0).end()),
        ("leads out", Tar::default().file("../l", b"x").end()),
        (
            "a loop of links",
            Tar::default()
                .link("c", "d")
                .link("d", "c")
                .file("manifest.json", manifest("c", "l").as_bytes())
                .end(),
        ),
        ("a hostile layer", {
            let hostile = Tar::default().file("../../x", b"x").end();
            Tar::default()
                .file("l", &hostile)
                .file("c", config(&Digest::of(&hostile)).as_bytes())
                .file("manifest.json", manifest("c", "l").as_bytes())
                .end()
        }),
        ("xz", [b"\xfd7zXZ\0".as_slice(), &[0; 100]].concat()),
    ];
    for (what, archive) in cases {
        let puller = Puller::new();
        assert!(load(&puller.store, &archive).is_err(), "{what}");
        puller.is_sound();
        assert!(puller.store.images().unwrap().is_empty(), "{what}");
        assert_eq!(puller.leftovers(), Vec::<String>::new(), "{what}");
    }
}
