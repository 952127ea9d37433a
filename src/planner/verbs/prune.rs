//! What `system prune` takes away: nothing that a container has which stays, and no volume that somebody named.

use std::collections::{BTreeMap, BTreeSet};

use rcompose_engine_adapter::{Discard, NetworkName, Stock, StockContainer, VolumeName};

use crate::{LabelFilter, Prune};

/// Something that goes, in words for people, with the bytes it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discarding {
    /// The engine call.
    pub what: Discard,
    /// Its name.
    pub name: String,
    /// Bytes that are its own.
    pub size: u64,
}

/// Lists what goes, in the order in which it can: containers first, since they hold the rest.
#[must_use]
pub fn prune(stock: &Stock, options: &Prune) -> Vec<Discarding> {
    let (going, staying): (Vec<&StockContainer>, Vec<&StockContainer>) =
        stock.containers.iter().partition(|it| !it.state.is_up() && options.takes(&it.labels, it.created));
    let mut list: Vec<Discarding> = going
        .into_iter()
        .map(|it| Discarding { what: Discard::Container(it.id.clone()), name: it.name.clone(), size: it.size })
        .collect();
    let used: BTreeSet<&NetworkName> = staying.iter().flat_map(|it| &it.networks).collect();
    let unused = stock
        .networks
        .iter()
        .filter(|it| !it.own && !used.contains(&it.name) && options.takes(&it.labels, it.created));
    list.extend(unused.map(|it| Discarding { what: Discard::Network(it.name.clone()), name: it.name.to_string(), size: 0 }));
    if options.volumes {
        list.extend(volumes(stock, &staying, options));
    }
    list.extend(images(stock, &staying, options));
    // A cache has no labels, and what was left is nobody's: who asks for some things only does not mean these.
    if options.labels.is_empty() {
        list.extend(cache(stock, options));
    }
    if options.labels.is_empty() && options.until.is_none() && !stock.leftovers.is_empty() {
        list.extend(leftovers(stock));
    }
    list
}

fn volumes<'a>(stock: &'a Stock, staying: &[&StockContainer], options: &'a Prune) -> impl Iterator<Item = Discarding> + use<'a> {
    let used: BTreeSet<VolumeName> = staying.iter().flat_map(|it| it.volumes.iter().cloned()).collect();
    // Nobody knows when a volume was used last.
    let may_go = options.until.is_none();
    let unused = stock
        .volumes
        .iter()
        .filter(move |it| may_go && it.anonymous && !used.contains(&it.name) && options.has_labels(&it.labels));
    unused.map(|it| Discarding { what: Discard::Volume(it.name.clone()), name: it.name.to_string(), size: it.size.unwrap_or(0) })
}

fn images<'a>(stock: &'a Stock, staying: &[&StockContainer], options: &'a Prune) -> impl Iterator<Item = Discarding> + use<'a> {
    let used: BTreeSet<String> = staying.iter().flat_map(|it| it.mounted.iter().chain([&it.image_id])).cloned().collect();
    let unused = stock
        .images
        .iter()
        .filter(move |it| (options.all || it.names.is_empty()) && !used.contains(&it.id) && options.takes(&it.labels, it.created));
    unused.map(|it| Discarding {
        what: Discard::Image { id: it.id.clone(), names: it.names.clone() },
        name: it.names.first().unwrap_or(&it.id).clone(),
        size: it.size.saturating_sub(it.shared),
    })
}

fn cache(stock: &Stock, options: &Prune) -> Option<Discarding> {
    let free = stock.cache.iter().filter(|it| !it.in_use && !it.shared);
    let (count, size) = free.fold((0, 0), |(count, size), it| (count + 1, size + it.size));
    (count > 0).then(|| Discarding {
        what: Discard::Cache { all: options.all, until: options.until },
        name: format!("{count} {} at most", if count == 1 { "entry" } else { "entries" }),
        size,
    })
}

/// One call takes them all, and each may be told of.
fn leftovers(stock: &Stock) -> Vec<Discarding> {
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, size) in &stock.leftovers {
        *kinds.entry(name).or_default() += size;
    }
    kinds
        .into_iter()
        .map(|(name, size)| Discarding { what: Discard::Leftovers, name: name.to_owned(), size })
        .collect()
}

impl Prune {
    fn takes(&self, labels: &BTreeMap<String, String>, created: i64) -> bool {
        // Of what is not known when it was made it is not known that it is old.
        self.until.is_none_or(|until| created > 0 && created < until) && self.has_labels(labels)
    }

    fn has_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.labels.iter().all(|it| it.fits(labels))
    }
}

impl LabelFilter {
    fn fits(&self, labels: &BTreeMap<String, String>) -> bool {
        let has = labels.get(&self.key).is_some_and(|found| self.value.as_ref().is_none_or(|value| value == found));
        has != self.not
    }
}

#[cfg(test)]
mod tests {
    use rcompose_engine_adapter::{ContainerState, StockCache, StockImage, StockNetwork, StockVolume};

    use super::*;

    const UP: ContainerState = ContainerState::Running;
    const ENDED: ContainerState = ContainerState::Exited { code: 0 };

    fn container(name: &str, state: ContainerState, holds: &str) -> StockContainer {
        StockContainer {
            id: name.into(),
            name: name.into(),
            image: holds.into(),
            image_id: holds.into(),
            mounted: BTreeSet::new(),
            state,
            status: String::new(),
            command: String::new(),
            labels: BTreeMap::from([("tier".into(), holds.into())]),
            created: 100,
            size: 1,
            networks: BTreeSet::from([holds.into()]),
            volumes: BTreeSet::from([holds.into()]),
        }
    }

    /// Of each kind one that a container has which is up, one that a container has which ended, and one that nobody has.
    fn stock() -> Stock {
        let labels = |it: &str| BTreeMap::from([("tier".to_owned(), it.to_owned())]);
        let all = ["a", "b", "c"];
        let image = |it: &str, names: &[&str]| StockImage {
            id: it.into(),
            names: names.iter().map(|it| (*it).to_owned()).collect(),
            labels: labels(it),
            created: 100,
            size: 10,
            shared: 4,
        };
        let volume = |it: &str, anonymous| StockVolume { name: it.into(), labels: labels(it), anonymous, size: Some(7) };
        let network = |it: &str| StockNetwork { name: it.into(), labels: labels(it), created: 100, own: it == "own" };
        Stock {
            images: vec![image("a", &[]), image("b", &["b:1"]), image("c", &["c:1"]), image("d", &[])],
            containers: vec![
                container("up", UP, "a"),
                container("ended", ENDED, "b"),
                container("frozen", ContainerState::Paused, "a"),
            ],
            networks: all.into_iter().chain(["own"]).map(network).collect(),
            volumes: vec![volume("a", true), volume("b", true), volume("c", true), volume("named", false)],
            cache: vec![
                StockCache { id: "1".into(), size: 3, ..StockCache::default() },
                StockCache { id: "2".into(), size: 5, in_use: true, ..StockCache::default() },
            ],
            leftovers: vec![("layers".into(), 2), ("layers".into(), 3)],
            ..Stock::default()
        }
    }

    fn gone(options: &Prune) -> String {
        let short = |it: &Discarding| {
            let kind = match it.what {
                Discard::Container(_) => "container",
                Discard::Network(_) => "network",
                Discard::Volume(_) => "volume",
                Discard::Image { .. } => "image",
                Discard::Cache { .. } => "cache",
                Discard::Leftovers => "leftovers",
            };
            format!("{kind} {} {}", it.name, it.size)
        };
        prune(&stock(), options).iter().map(short).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn what_is_up_keeps_all_it_has() {
        let usual = "container ended 1, network b 0, network c 0, image d 6, cache 1 entry at most 3, leftovers layers 5";
        assert_eq!(gone(&Prune::default()), usual);
        let all = "container ended 1, network b 0, network c 0, volume b 7, volume c 7, image b:1 6, image c:1 6, image d 6, \
                   cache 1 entry at most 3, leftovers layers 5";
        assert_eq!(gone(&Prune { all: true, volumes: true, ..Prune::default() }), all);
    }

    #[test]
    fn who_stays_by_a_filter_keeps_what_it_has_too() {
        let label = |key: &str, value: Option<&str>, not| LabelFilter { key: key.into(), value: value.map(str::to_owned), not };
        let only = |labels| gone(&Prune { all: true, volumes: true, labels, ..Prune::default() });
        assert_eq!(only(vec![label("tier", Some("c"), false)]), "network c 0, volume c 7, image c:1 6");
        assert_eq!(only(vec![label("tier", Some("b"), true)]), "network c 0, volume c 7, image c:1 6, image d 6");
        assert_eq!(only(vec![label("none", None, false)]), "");
        assert_eq!(only(vec![label("tier", None, true)]), "");
        assert_eq!(gone(&Prune { until: Some(100), ..Prune::default() }), "cache 1 entry at most 3");
        assert_eq!(
            gone(&Prune { until: Some(101), volumes: true, ..Prune::default() }),
            "container ended 1, network b 0, network c 0, image d 6, cache 1 entry at most 3"
        );
    }

    #[test]
    fn an_image_that_is_mounted_stays() {
        let mut stock = stock();
        stock.containers[0].mounted.insert("c".into());
        let list = prune(&stock, &Prune { all: true, ..Prune::default() });
        assert!(!list.iter().any(|it| it.name == "c:1"));
    }
}
