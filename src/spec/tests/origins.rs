//! Who set a variable, and which lines a part of a project is made of.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare itself has failed")]

use std::collections::BTreeMap;
use std::path::Path;

use rcompose_spec::{By, Claim, Discovered, Given, InMemory, LoadOptions, Loaded, Span, discover, elements, load, why};

const FILES: &[(&str, &str)] = &[
    (
        "/p/compose.yaml",
        "include:\n  - inc/other.yaml\nservices:\n  web:\n    image: nginx:${TAG:-latest}\n    ports: ['8080:80', '127.0.0.1:${PORT}:443']\n    \
         env_file: [a.env, b.env]\n    environment:\n      DEBUG: '0'\n    volumes: [./data:/data]\n  base: {image: busybox, command: sleep 1}\n  \
         job:\n    extends: base\n    command: echo\n",
    ),
    (
        "/p/compose.override.yaml",
        "services:\n  web:\n    image: nginx:2\n    ports: ['9090:90']\n    environment: [DEBUG=1]\n    volumes: ['./other:/data:ro']\n  job:\n    \
         command: !override [echo, hi]\n",
    ),
    ("/p/.env", "TAG=old\nPORT=8443\n\n TAG=1.27\n"),
    ("/p/a.env", "A=1\nDEBUG=9\n"),
    ("/p/b.env", "A=2\n"),
    ("/p/inc/other.yaml", "services: {inc: {image: 'x:${LOCAL}'}}\n"),
    ("/p/inc/.env", "LOCAL=here\n"),
];

fn loaded(process: &[(&str, &str)]) -> (BTreeMap<String, String>, Discovered, Loaded) {
    let files = InMemory(FILES.iter().map(|(path, text)| ((*path).into(), text.as_bytes().to_vec())).collect());
    let env: BTreeMap<String, String> = process.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    let given = Given { options: LoadOptions { trace: true, ..LoadOptions::default() }, ..Given::default() };
    let found = discover(&given, Path::new("/p"), &env, &files).unwrap();
    let loaded = load(&found.sources, &files).unwrap();
    (env, found, loaded)
}

fn at(span: &Span) -> String {
    span.to_string()
}

fn told(claims: &[Claim]) -> Vec<String> {
    let by = |by: &By| match by {
        By::Process => "process".to_owned(),
        By::ProjectName => "name".to_owned(),
        By::File(span) | By::Environment(span) => at(span),
        By::IncludedFile(span, include) => format!("{} in {}", at(span), at(include)),
    };
    claims.iter().map(|claim| format!("{} {}", claim.value, by(&claim.by))).collect()
}

#[test]
fn a_variable_names_who_set_it_and_who_was_shadowed() {
    let (env, found, project) = loaded(&[("TAG", "7")]);
    let answer = why("TAG", &env, &found, &project);
    assert_eq!(answer.value.as_deref(), Some("7"));
    assert_eq!(told(&answer.claims), ["7 process", "1.27 /p/.env:4:2", "old /p/.env:1:1"]);
    let uses: Vec<String> = answer.uses.iter().map(|it| format!("{} {} {}", at(&it.span), it.path, it.written)).collect();
    assert_eq!(uses, ["/p/compose.yaml:5:12 services.web.image nginx:${TAG:-latest}"]);

    let local = why("LOCAL", &env, &found, &project);
    assert_eq!((local.value, told(&local.claims)), (None, vec!["here /p/inc/.env:1:1 in /p/compose.yaml:2:5".to_owned()]));
    let name = why("COMPOSE_PROJECT_NAME", &env, &found, &project);
    assert_eq!(told(&name.claims), ["p name"]);
}

#[test]
fn a_variable_of_a_container_names_its_file_or_line() {
    let (env, found, project) = loaded(&[]);
    let of = |name: &str| {
        let answer = why(name, &env, &found, &project);
        assert_eq!(answer.services.len(), 1, "{name}");
        assert_eq!(answer.services[0].service, "web");
        told(&answer.services[0].claims)
    };
    assert_eq!(of("A"), ["2 /p/b.env:1:1", "1 /p/a.env:1:1"]);
    assert_eq!(of("DEBUG"), ["1 /p/compose.override.yaml:5:19", "0 /p/compose.yaml:9:14", "9 /p/a.env:2:1"]);
}

#[test]
fn a_variable_that_nobody_knows_suggests_one() {
    let (env, found, project) = loaded(&[]);
    let answer = why("PROT", &env, &found, &project);
    assert!(answer.claims.is_empty() && answer.uses.is_empty() && answer.services.is_empty());
    assert_eq!(answer.similar.as_deref(), Some("PORT"));
}

fn rows(path: &str) -> Vec<String> {
    let (_, _, project) = loaded(&[]);
    let found = elements(&project, path).unwrap();
    let mut rows = Vec::new();
    for element in &found.elements {
        let written = element.written.as_deref().map(|it| format!(" < {it}")).unwrap_or_default();
        let value = if element.value.starts_with('{') { "{…}" } else { &element.value };
        rows.push(format!("{} {value} {}{written}", element.path, at(&element.span)));
        rows.extend(element.overridden.iter().map(|old| format!("  {} {}", old.value, at(&old.span))));
    }
    rows.extend(found.gone.iter().map(|old| format!("- {} {}", old.path, at(&old.span))));
    rows
}

#[test]
fn every_element_names_its_line_and_what_it_replaced() {
    assert_eq!(
        rows("services.web.ports"),
        [
            "services.web.ports[0] {…} /p/compose.yaml:6:13 < 8080:80",
            "services.web.ports[1] {…} /p/compose.yaml:6:24 < 127.0.0.1:${PORT}:443",
            "services.web.ports[2] {…} /p/compose.override.yaml:4:13 < 9090:90",
        ]
    );
    assert_eq!(
        rows("services.web.image"),
        ["services.web.image nginx:2 /p/compose.override.yaml:3:12", "  nginx:1.27 /p/compose.yaml:5:12"]
    );
    assert_eq!(
        rows("services.web.environment"),
        [
            "services.web.environment.DEBUG 1 /p/compose.override.yaml:5:19",
            "  0 /p/compose.yaml:9:14",
            "  9 /p/a.env:2:1",
            "services.web.environment.A 2 /p/b.env:1:1",
            "  1 /p/a.env:1:1",
        ]
    );
    assert_eq!(
        rows("services.web.volumes"),
        [
            "services.web.volumes[0] {…} /p/compose.override.yaml:6:15 < ./other:/data:ro",
            "- services.web.volumes /p/compose.yaml:10:15"
        ]
    );
    assert_eq!(
        rows("services.job.command"),
        [
            "services.job.command[0] echo /p/compose.override.yaml:8:25",
            "services.job.command[1] hi /p/compose.override.yaml:8:31",
            "- services.job.command /p/compose.yaml:11:35",
            "- services.job.command /p/compose.yaml:14:14",
        ]
    );
}

#[test]
fn a_path_that_is_not_there_says_how_far_it_goes() {
    let (_, _, project) = loaded(&[]);
    let unknown = elements(&project, "services.web.prots[0].target").unwrap_err();
    assert_eq!((unknown.known.as_str(), unknown.similar.as_deref()), ("services.web", Some("ports")));
    assert!(unknown.keys.iter().any(|key| key == "image"));
}

#[test]
fn nothing_is_recorded_unless_it_is_asked_for() {
    let files = InMemory(FILES.iter().map(|(path, text)| ((*path).into(), text.as_bytes().to_vec())).collect());
    let found = discover(&Given::default(), Path::new("/p"), &BTreeMap::new(), &files).unwrap();
    let loaded = load(&found.sources, &files).unwrap();
    assert!(
        found.settings.is_empty() && loaded.trace.settings.is_empty() && loaded.trace.uses.is_empty() && loaded.trace.overridden.is_empty()
    );
}
