//! The engine in memory passes the suite that every engine must pass.

use std::sync::Arc;
use std::time::Duration;

use rcompose_engine_adapter::{Engine, ImageConfig, ImageReference, Images, Streams};
use rcompose_memory::contract::{Harness, MISSING_PATH, cases, run_case, suite};
use rcompose_memory::{Memory, Pace};

struct InMemory(Memory);

impl InMemory {
    fn new() -> Self {
        let memory = Memory::new();
        memory.add_image("rcompose-test/busybox:1", ImageConfig::default());
        memory.lack_path(MISSING_PATH);
        Self(memory)
    }
}

impl Harness for InMemory {
    fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(self.0.clone())
    }

    fn images(&self) -> Arc<dyn Images> {
        Arc::new(self.0.clone())
    }

    fn streams(&self) -> Arc<dyn Streams> {
        Arc::new(self.0.clone())
    }

    fn shell_image(&self) -> ImageReference {
        "rcompose-test/busybox:1".into()
    }

    fn prefix(&self) -> String {
        "contract".into()
    }
}

#[tokio::test(start_paused = true)]
async fn the_engine_in_memory_passes() {
    let harness = InMemory::new();
    let failures: Vec<String> = suite(&harness).await.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(harness.0.snapshot().is_bare());
}

#[tokio::test(start_paused = true)]
async fn it_passes_when_calls_take_their_time() {
    let harness = InMemory::new();
    for seed in 0..5 {
        harness.0.set_pace(Pace::Sleeps { seed, longest: Duration::from_millis(3) });
        let failures = suite(&harness).await;
        assert!(failures.is_empty(), "seed {seed}: {failures:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_engine_fails() {
    let harness = InMemory::new();
    harness
        .0
        .fail_when(|call| call.kind.as_str() == "stop_container", rcompose_engine_adapter::ErrorKind::Other);
    let failures = suite(&harness).await;
    let mut names: Vec<_> = failures.iter().map(|failure| failure.case).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "a_deaf_process_is_killed_after_the_grace_time",
            "stop_can_be_repeated",
            "stopping_beats_the_restart_policy"
        ]
    );
    let case = cases().into_iter().find(|case| case.name == "stop_can_be_repeated").unwrap();
    assert!(
        run_case(&harness, 99, &case)
            .await
            .unwrap_err()
            .to_string()
            .starts_with("stop_can_be_repeated: a call failed")
    );
}
