//! The suite that every engine must pass.

use std::sync::Arc;

use rcompose_engine_adapter::{Engine, ImageReference, Images, Streams};
use rcompose_memory::contract::{self, Harness};

use crate::ground::{Ground, IMAGE};

impl Harness for Ground {
    fn engine(&self) -> Arc<dyn Engine> {
        Arc::clone(&self.native) as Arc<dyn Engine>
    }

    fn images(&self) -> Arc<dyn Images> {
        Arc::clone(&self.native) as Arc<dyn Images>
    }

    fn streams(&self) -> Arc<dyn Streams> {
        Arc::clone(&self.native) as Arc<dyn Streams>
    }

    fn shell_image(&self) -> ImageReference {
        ImageReference::new(IMAGE)
    }

    fn prefix(&self) -> String {
        format!("rcn{}", std::process::id())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_keeps_the_contract() {
    let Some(ground) = Ground::new() else { return };
    let only = std::env::var("RCOMPOSE_CASE").unwrap_or_default();
    let mut failures = Vec::new();
    for (number, case) in contract::cases().iter().enumerate().filter(|(_, it)| it.name.contains(&only)) {
        failures.extend(contract::run_case(&ground, number, case).await.err());
    }
    let shown: Vec<String> = failures.iter().map(ToString::to_string).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}
