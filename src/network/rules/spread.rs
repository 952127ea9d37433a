//! Weights → turns.

use std::net::IpAddr;

use crate::rules::{Backend, Family};

/// Turns of one round at most; weights that need more are rounded.
const MOST_TURNS: u32 = 256;

/// The destinations of one round of connections: each as often as its weight says, and spread over the round, so that a canary of 1 in 10
/// gets every tenth connection.
pub fn slots(backends: &[Backend], family: Family) -> Vec<(IpAddr, u16)> {
    let shares: Vec<(&Backend, u32)> = backends
        .iter()
        .filter(|it| it.weight > 0 && Family::of(it.address) == family)
        .map(|it| (it, u32::from(it.weight)))
        .collect();
    let divisor = shares.iter().fold(0, |divisor, (_, weight)| common_divisor(divisor, *weight)).max(1);
    let total: u32 = shares.iter().map(|(_, weight)| weight / divisor).sum();
    let most = MOST_TURNS.max(u32::try_from(shares.len()).unwrap_or(u32::MAX));
    let turns: Vec<i64> = shares
        .iter()
        .map(|(_, weight)| {
            let turns = u64::from(weight / divisor);
            // Nobody who has a weight is rounded away.
            let rounded = if total > most {
                (turns * u64::from(most) / u64::from(total)).max(1)
            } else {
                turns
            };
            i64::try_from(rounded).unwrap_or(1)
        })
        .collect();
    in_turn(&shares, &turns)
}

/// Smooth weighted round robin: whoever is furthest behind comes next.
fn in_turn(shares: &[(&Backend, u32)], turns: &[i64]) -> Vec<(IpAddr, u16)> {
    let total: i64 = turns.iter().sum();
    let mut credit = vec![0_i64; shares.len()];
    let mut order = Vec::new();
    for _ in 0..total {
        let mut next = 0;
        for (at, turns) in turns.iter().enumerate() {
            credit[at] += turns;
            if credit[at] > credit[next] {
                next = at;
            }
        }
        credit[next] -= total;
        order.push((shares[next].0.address, shares[next].0.port));
    }
    order
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}
