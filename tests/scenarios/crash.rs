//! SIGKILL of the command line at random moments: the next `up` converges, `down` leaves nothing.

use std::time::Duration;

use crate::stage::{Stage, text};

/// Moments; `just soak` asks for more.
fn rounds() -> u64 {
    std::env::var("RCOMPOSE_SOAK_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(5)
}

#[test]
fn killed_anywhere_the_next_up_converges() {
    let Some(mut stage) = Stage::set("many") else { return };
    // A fixed seed: moments spread over the length of a whole `up` here, about two seconds.
    let mut seed: u64 = 0x2545_f491_4f6c_dd1d;
    for round in 0..rounds() {
        stage.variable("VALUE", &round.to_string());
        for verb in [&["up", "-d", "-t", "1"][..], &["down", "-t", "1"]] {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            kill_after(&stage, verb, Duration::from_millis(seed % 2000));
            if verb[0] == "up" {
                let output = stage.run(&["up", "-d", "-t", "1"]);
                assert!(output.status.success(), "round {round}: {}", text(&output.stderr));
                let (status, said) = stage.plan();
                assert_eq!(status, Some(0), "round {round}: {said}");
            }
        }
        stage.ok(&["down", "-t", "1"]);
        stage.assert_gone();
    }
}

fn kill_after(stage: &Stage, verb: &[&str], moment: Duration) {
    let mut child = stage
        .command(verb)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(moment);
    let _ = child.kill();
    child.wait().unwrap();
    // What it had asked a busy engine for may come later than the next `up` looks, which then makes a replica of another number.
    std::thread::sleep(Duration::from_secs(1));
}
