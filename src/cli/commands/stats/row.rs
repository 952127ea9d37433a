//! One container in the forms of `docker stats`.

use rcompose_engine_adapter::Usage;
use serde_json::{Value, json};

use crate::table::{binary_size, size_in};

/// Characters of an id that are shown.
const SHORT: usize = 12;

/// A container and what it uses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    id: String,
    name: String,
    /// Percent of one processor.
    cpu: f64,
    usage: Usage,
}

impl Row {
    /// Compares two looks; with less than two the use of processors is unknown and shown as none.
    pub(crate) fn of(id: &str, name: &str, before: Option<&Usage>, now: Option<&Usage>) -> Self {
        let cpu = before
            .zip(now)
            .map_or(0.0, |(before, now)| percent(now.cpu.saturating_sub(before.cpu), now.at.saturating_sub(before.at)));
        Self { id: id.to_owned(), name: name.to_owned(), cpu, usage: now.copied().unwrap_or_default() }
    }

    /// Returns the fields that a template can name. Source: the formatter of `docker stats`.
    pub(crate) fn object(&self, short: bool) -> Value {
        let Usage { at: _, cpu: _, memory, memory_limit, received, sent, read, written, processes } = self.usage;
        let id = if short { self.id.get(..SHORT).unwrap_or(&self.id) } else { &self.id };
        json!({
            "BlockIO": format!("{} / {}", size_in(read, 3), size_in(written, 3)),
            "CPUPerc": format!("{:.2}%", self.cpu),
            "Container": self.id,
            "ID": id,
            "MemPerc": format!("{:.2}%", percent(memory, memory_limit)),
            "MemUsage": format!("{} / {}", binary_size(memory), binary_size(memory_limit)),
            "Name": self.name,
            "NetIO": format!("{} / {}", size_in(received, 3), size_in(sent, 3)),
            "PIDs": processes.to_string(),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "two digits behind the point are shown")]
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_docker_stats() {
        let row = |before, now| Row::of("0123456789abcdef", "shop-web-1", before, now).object(true);
        let before = Usage { at: 1_000_000_000, cpu: 500, ..Usage::default() };
        let now = Usage {
            at: 3_000_000_000,
            cpu: 3_000_000_500,
            memory: 5 << 20,
            memory_limit: 1 << 30,
            received: 1426,
            sent: 866,
            read: 12_345_678,
            written: 0,
            processes: 3,
        };
        let object = row(Some(&before), Some(&now));
        assert_eq!((object["CPUPerc"].as_str(), object["MemPerc"].as_str()), (Some("150.00%"), Some("0.49%")));
        assert_eq!((object["MemUsage"].as_str(), object["NetIO"].as_str()), (Some("5MiB / 1GiB"), Some("1.43kB / 866B")));
        assert_eq!((object["BlockIO"].as_str(), object["PIDs"].as_str()), (Some("12.3MB / 0B"), Some("3")));
        // Started again in between, and not running at all.
        assert_eq!(row(Some(&now), Some(&before))["CPUPerc"], "0.00%");
        assert_eq!(row(None, None)["MemUsage"], "0B / 0B");
    }
}
