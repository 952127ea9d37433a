//! A folder in, an archive out.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rcompose_context::{Context, ContextError, Instructions};
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, content).expect("a file");
    }
    folder
}

fn dockerfile() -> Instructions {
    Instructions::Path("Dockerfile".into())
}

fn open(folder: &TempDir) -> Context {
    Context::open(folder.path(), &dockerfile()).expect("a context")
}

fn paths(context: &Context) -> Vec<&str> {
    context.paths().collect()
}

fn tar(context: &Context) -> Vec<u8> {
    let mut bytes = Vec::new();
    context.write_tar(&mut bytes).expect("an archive");
    bytes
}

fn files(bytes: &[u8]) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().expect("entries");
    let mut files = BTreeMap::new();
    for entry in entries {
        let mut entry = entry.expect("an entry");
        assert_eq!((entry.header().uid().expect("uid"), entry.header().gid().expect("gid")), (0, 0));
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("content");
        files.insert(entry.path().expect("a path").into_owned(), content);
    }
    files
}

#[test]
fn ignored_files_stay_out_and_the_build_files_stay_in() {
    let folder = folder(&[
        (".dockerignore", "*\n!src\nsrc/**/*.o\n"),
        ("Dockerfile", "FROM scratch\n"),
        ("notes.txt", "x"),
        ("src/main.c", "int main;"),
        ("src/deep/main.o", "x"),
    ]);
    let context = open(&folder);
    assert_eq!(paths(&context), [".dockerignore", "Dockerfile", "src", "src/deep", "src/main.c"]);
    assert_eq!(context.dockerfile(), "Dockerfile");
    let files = files(&tar(&context));
    assert_eq!(files[Path::new("src/main.c")], b"int main;");
}

#[test]
fn the_dockerfiles_own_ignore_file_wins() {
    let folder = folder(&[
        (".dockerignore", "a"),
        ("docker/web.Dockerfile", "FROM scratch"),
        ("docker/web.Dockerfile.dockerignore", "b"),
        ("a", ""),
        ("b", ""),
    ]);
    let context = Context::open(folder.path(), &Instructions::Path("docker/web.Dockerfile".into())).expect("a context");
    assert!(paths(&context).contains(&"a"));
    assert!(!paths(&context).contains(&"b"));
    assert_eq!(context.dockerfile(), "docker/web.Dockerfile");
}

#[test]
fn a_parent_of_an_excepted_file_is_there_and_others_are_not() {
    let folder = folder(&[("Dockerfile", ""), (".dockerignore", "**\n!**/*.go"), ("a/b/x.go", ""), ("a/c/x.c", "")]);
    assert_eq!(paths(&open(&folder)), [".dockerignore", "Dockerfile", "a", "a/b", "a/b/x.go"]);
}

#[test]
fn instructions_from_elsewhere_are_added_and_hidden() {
    let folder = folder(&[("a", "")]);
    let inline = Context::open(folder.path(), &Instructions::Inline("FROM scratch\n".into())).expect("a context");
    let archive = files(&tar(&inline));
    assert_eq!(archive[Path::new(inline.dockerfile())], b"FROM scratch\n");
    let ignore = String::from_utf8(archive[Path::new(".dockerignore")].clone()).expect("text");
    assert_eq!(ignore, format!(".dockerignore\n{}\n", inline.dockerfile()));

    let elsewhere = crate::folder(&[("Dockerfile", "FROM scratch\n")]);
    let outside = Instructions::Path(elsewhere.path().join("Dockerfile"));
    let outside = Context::open(folder.path(), &outside).expect("a context");
    assert_eq!(outside.digest().expect("a digest"), inline.digest().expect("a digest"));
}

#[test]
fn what_is_missing_is_named() {
    let folder = folder(&[("file", "")]);
    let error = Context::open(folder.path(), &dockerfile()).expect_err("no Dockerfile");
    assert!(matches!(&error, ContextError::MissingDockerfile { path } if path.ends_with("Dockerfile")), "{error}");
    let error = Context::open(&folder.path().join("none"), &dockerfile()).expect_err("no folder");
    assert!(matches!(error, ContextError::Missing { .. }), "{error}");
    let error = Context::open(&folder.path().join("file"), &dockerfile()).expect_err("a file");
    assert!(matches!(error, ContextError::NotAFolder { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn links_stay_links_modes_stay_and_sockets_are_left_out_by_name() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder(&[("Dockerfile", ""), ("run.sh", "#!/bin/sh")]);
    fs::set_permissions(folder.path().join("run.sh"), fs::Permissions::from_mode(0o755)).expect("a mode");
    std::os::unix::fs::symlink("/nowhere/at/all", folder.path().join("link")).expect("a link");
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).expect("a socket");
    let context = open(&folder);
    assert_eq!(paths(&context), ["Dockerfile", "link", "run.sh"]);
    assert_eq!(context.skipped().len(), 1);
    assert!(context.skipped()[0].ends_with("socket"));
    let bytes = tar(&context);
    let mut archive = tar::Archive::new(bytes.as_slice());
    for entry in archive.entries().expect("entries") {
        let entry = entry.expect("an entry");
        match entry.path().expect("a path").to_str().expect("text") {
            "link" => assert_eq!(entry.link_name().expect("a target").as_deref(), Some(Path::new("/nowhere/at/all"))),
            "run.sh" => assert_eq!(entry.header().mode().expect("a mode"), 0o755),
            _ => {}
        }
    }
}

#[test]
fn a_file_that_shrinks_is_an_error_and_not_a_broken_archive() {
    let folder = folder(&[("Dockerfile", ""), ("log", "0123456789")]);
    let context = open(&folder);
    fs::write(folder.path().join("log"), "0").expect("a file");
    let error = context.write_tar(std::io::sink()).expect_err("it changed");
    assert!(matches!(error, ContextError::Changed { .. }), "{error}");
}

#[test]
fn long_names_survive() {
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(200));
    let folder = folder(&[("Dockerfile", ""), (&long, "x")]);
    assert_eq!(files(&tar(&open(&folder)))[Path::new(&long)], b"x");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn equal_folders_give_equal_digests_and_any_change_another(
        tree in prop::collection::btree_map("[a-c]{1,2}(/[d-f]{1,2}){0,2}", "[a-z]{0,20}", 1..8),
        pick in any::<prop::sample::Index>(),
    ) {
        // A path cannot be a file and a folder at once.
        let tree: Vec<(&str, &str)> = tree.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let tree: Vec<_> = tree.iter().filter(|(path, _)| !tree.iter().any(|(o, _)| o.starts_with(&format!("{path}/")))).copied().collect();
        let with = |tree: &[(&str, &str)]| folder(&[tree, &[("Dockerfile", "FROM scratch")]].concat());
        let (one, two) = (with(&tree), with(&tree));
        let digest = open(&one).digest().expect("a digest");
        prop_assert_eq!(&digest, &open(&two).digest().expect("a digest"));
        let (path, content) = tree[pick.index(tree.len())];
        fs::write(two.path().join(path), format!("{content}!")).expect("a file");
        prop_assert_ne!(&digest, &open(&two).digest().expect("a digest"));
        fs::rename(two.path().join(path), two.path().join(format!("{path}x"))).expect("a rename");
        prop_assert_ne!(&digest, &open(&two).digest().expect("a digest"));
        prop_assert_eq!(files(&tar(&open(&one))).len(), open(&one).paths().count());
    }
}
