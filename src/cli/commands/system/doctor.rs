//! `system doctor`.

use rcompose_native::{Check, Verdict};
use serde_json::json;

use crate::args::SystemDoctorArgs;
use crate::failure::Failure;
use crate::output;
use crate::session::{Session, native};
use crate::style::{Paint, Tone};

/// Runs `system doctor`: 0 where nothing is missing, else 1. Nothing of the machine is changed, and no engine is opened.
pub(super) async fn run(session: &Session, args: &SystemDoctorArgs) -> Result<u8, Failure> {
    let (root, run) = (native::root(&session.caller), native::run(&session.caller));
    let looked = tokio::task::spawn_blocking(move || rcompose_native::examine(&root, &run)).await;
    let checks = looked.map_err(|error| Failure::io("the work ended in the middle", std::io::Error::other(error)))?;
    if args.format == "json" {
        let list = checks
            .iter()
            .map(|it| json!({ "check": it.name, "verdict": it.verdict.as_str(), "found": it.found, "means": it.means, "fix": it.fix }));
        output::line(&json!({ "form": 1, "checks": list.collect::<Vec<_>>() }).to_string())?;
    } else {
        output::out(&text(&checks, session.out))?;
    }
    Ok(u8::from(checks.iter().any(|it| it.verdict == Verdict::Missing)))
}

fn text(checks: &[Check], paint: Paint) -> String {
    let width = checks.iter().map(|it| it.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let tone = match check.verdict {
            Verdict::Ok => Tone::Good,
            Verdict::Warning => Tone::Warn,
            Verdict::Missing => Tone::Bad,
        };
        // The word is padded before it is painted: colours have no width.
        let word = paint.paint(tone, &format!("{:<7}", check.verdict.as_str()));
        text.push_str(&format!("{word}  {:<width$}  {}", check.name, check.found));
        if !check.means.is_empty() {
            text.push_str(&format!("; {}", check.means));
        }
        text.push('\n');
        if let Some(fix) = &check.fix {
            text.push_str(&format!("{:9}{:<width$}  {} {fix}\n", "", "", paint.paint(Tone::Hint, "→")));
        }
    }
    let count = |verdict| checks.iter().filter(|it| it.verdict == verdict).count();
    let (missing, warnings) = (count(Verdict::Missing), count(Verdict::Warning));
    let plural = |count: usize, one: &str, more: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {more}") };
    text.push_str(&match (missing, warnings) {
        (0, 0) => "This machine can do all that the native engine does.\n".into(),
        (0, _) => format!("The native engine runs here, with {}.\n", plural(warnings, "warning", "warnings")),
        _ => format!(
            "{} missing: the native engine does not run here; {}.\n",
            plural(missing, "thing is", "things are"),
            plural(warnings, "warning", "warnings")
        ),
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_is_a_line_with_what_to_do_below() {
        let check = |name, verdict, found: &str, means: &str, fix: Option<&str>| Check {
            name,
            verdict,
            found: found.into(),
            means: means.into(),
            fix: fix.map(str::to_owned),
        };
        let checks = [
            check("root", Verdict::Ok, "yes", "", None),
            check("cgroup pids", Verdict::Warning, "no", "pids_limit is refused", Some("boot with cgroup_enable=pids")),
            check("overlay", Verdict::Missing, "no", "no container starts", None),
        ];
        assert_eq!(
            text(&checks, Paint::default()),
            "ok       root         yes\n\
             warning  cgroup pids  no; pids_limit is refused\n                      → boot with cgroup_enable=pids\n\
             missing  overlay      no; no container starts\n\
             1 thing is missing: the native engine does not run here; 1 warning.\n"
        );
        assert!(text(&checks[..1], Paint::default()).ends_with("This machine can do all that the native engine does.\n"));
    }
}
