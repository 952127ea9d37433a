//! Keeping the engine tidy: what there is, how much room it takes, and taking it away.

mod discard;
pub(crate) mod ground;
pub(crate) mod leftovers;
mod stock;

use async_trait::async_trait;
use rcompose_engine_adapter::{Discard, Ground, Result, Stock, Upkeep};

use crate::engine::Native;

#[async_trait]
impl Upkeep for Native {
    async fn ground(&self) -> Result<Ground> {
        self.work(|it| ground::ground(&it.places)).await
    }

    async fn stock(&self, sizes: bool) -> Result<Stock> {
        self.work(move |it| stock::stock(it, sizes)).await
    }

    async fn discard(&self, what: &Discard) -> Result<Option<u64>> {
        let what = what.clone();
        self.work(move |it| discard::discard(it, &what)).await
    }
}
