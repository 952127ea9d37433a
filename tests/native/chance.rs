//! Moments that look random, from a seed that is printed, so that they can be had again.

use std::time::Duration;

/// xorshift.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// By `RCOMPOSE_SOAK_SEED`; the same for everybody without it, and told apart by a salt.
    pub(crate) fn new(salt: u64) -> Self {
        let seed = std::env::var("RCOMPOSE_SOAK_SEED").ok().and_then(|it| it.parse().ok()).unwrap_or(0x5eed_u64);
        println!("RCOMPOSE_SOAK_SEED={seed}");
        Self(seed ^ (salt + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }

    /// A moment within so many milliseconds.
    pub(crate) fn moment(&mut self, most: u64) -> Duration {
        Duration::from_micros(self.below(most * 1000))
    }
}
