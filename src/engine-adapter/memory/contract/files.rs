//! What a process sees: files, environment, user, folder.

use rcompose_engine_adapter::{Content, FileMount, LogOptions};

use super::{Case, Site, Verdict, case, ensure};

pub(super) fn cases() -> Vec<Case> {
    case![files_have_owner_mode_and_content, a_process_sees_its_environment]
}

async fn files_have_owner_mode_and_content(site: &Site) -> Verdict {
    let path = "/run/secrets/token";
    let mut spec = site.shell("a", &format!("stat -c '%u %g %a' {path}; cat {path}"));
    let content = Content::new(b"first line\nsecond line\n".to_vec());
    spec.files = vec![FileMount { target: path.into(), content, uid: 1003, gid: 1004, mode: 0o440 }];
    let name = site.start(&spec).await?;
    ensure!(site.wait(&name).await? == 0, "the file is not there: {:?}", site.logs(&name, LogOptions::default()).await?);
    let lines: Vec<String> = site.logs(&name, LogOptions::default()).await?.into_iter().map(|(_, line)| line).collect();
    ensure!(lines == ["1003 1004 440", "first line", "second line"], "the file is {lines:?}");
    Ok(())
}

async fn a_process_sees_its_environment(site: &Site) -> Verdict {
    let mut spec = site.shell("a", "echo \"$COLOUR\"; id -u; pwd");
    spec.process.environment.insert("COLOUR".into(), Some("a  = b".into()));
    spec.process.user = Some("1005:1006".into());
    spec.process.working_dir = Some("/tmp".into());
    let name = site.start(&spec).await?;
    site.wait(&name).await?;
    let lines: Vec<String> = site.logs(&name, LogOptions::default()).await?.into_iter().map(|(_, line)| line).collect();
    ensure!(lines == ["a  = b", "1005", "/tmp"], "it sees {lines:?}");
    Ok(())
}
