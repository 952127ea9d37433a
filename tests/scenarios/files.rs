//! Secrets and configs: content, owner, mode, and that a change of content counts.

use std::fs;

use crate::stage::Stage;

#[test]
fn files_arrive_and_their_content_counts() {
    let Some(stage) = Stage::set("files") else { return };
    stage.ok(&["up", "-d"]);
    let cat = |path: &str| stage.ok(&["exec", "-T", "web", "cat", path]);
    assert_eq!(cat("/run/secrets/plain"), "first\n");
    assert_eq!(cat("/run/secrets/owned"), "first\n");
    assert_eq!(cat("/etc/inline.conf"), "port=80\n");
    let owner = stage.ok(&["exec", "-T", "web", "stat", "-c", "%u:%g %a", "/run/secrets/owned"]);
    assert_eq!(owner, "123:45 400\n");
    assert_eq!(stage.plan().0, Some(0));

    fs::write(stage.path("secret.txt"), "second\n").unwrap();
    let (status, said) = stage.plan();
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("secret plain"), "{said}");
    stage.ok(&["up", "-d", "-t", "1"]);
    assert_eq!(cat("/run/secrets/owned"), "second\n");
    assert_eq!(stage.plan().0, Some(0));

    let labels = stage.inspect("web-1")["Config"]["Labels"].to_string();
    assert!(!labels.contains("second"), "no content in a label");
}
