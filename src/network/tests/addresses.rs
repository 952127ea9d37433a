//! Subnets and addresses, by tables and properties.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use proptest::prelude::*;
use rcompose_network::ipam::{Pool, PoolRequest, choose_ipv4, choose_ipv6};
use rcompose_network::{Cidr, Mac};

fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

fn request(subnet: &str) -> PoolRequest {
    PoolRequest { subnet: Some(cidr(subnet)), ..PoolRequest::default() }
}

#[test]
fn a_subnet_is_the_first_that_nothing_overlaps() {
    for (taken, wanted) in [
        (&[][..], "172.17.0.0/16"),
        (&["172.17.0.1/16"], "172.18.0.0/16"),
        (&["172.16.0.0/14"], "172.20.0.0/16"),
        (&["172.16.0.0/12"], "192.168.0.0/20"),
        (&["172.16.0.0/12", "192.168.1.7/24"], "192.168.16.0/20"),
        (&["0.0.0.0/0", "10.0.0.0/8"], "172.17.0.0/16"),
    ] {
        let taken: Vec<Cidr> = taken.iter().map(|it| cidr(it)).collect();
        assert_eq!(choose_ipv4(&taken).unwrap(), cidr(wanted), "{taken:?}");
    }
    let error = choose_ipv4(&[cidr("172.16.0.0/12"), cidr("192.168.0.0/16")]).unwrap_err().to_string();
    assert!(error.starts_with("no free subnet: all 31 of the default pools"), "{error}");
    let first = choose_ipv6(7, &[]).unwrap();
    assert_eq!(first, cidr("fd00:0:7::/64"));
    assert_eq!(choose_ipv6(7, &[first]).unwrap(), cidr("fd00:0:7:1::/64"));
}

#[test]
fn a_request_is_filled_in_or_refused() {
    let pool = Pool::new(&request("10.5.0.9/24"), &[]).unwrap();
    assert_eq!((pool.subnet, pool.gateway_cidr()), (cidr("10.5.0.0/24"), cidr("10.5.0.1/24")));
    let ranged = PoolRequest { range: Some(cidr("10.5.0.128/25")), ..request("10.5.0.0/24") };
    assert_eq!(Pool::new(&ranged, &[]).unwrap().gateway, IpAddr::from([10, 5, 0, 128]));
    assert_eq!(Pool::new(&PoolRequest::default(), &[cidr("172.17.0.0/16")]).unwrap().subnet, cidr("172.18.0.0/16"));
    let reserved = |address: [u8; 4]| BTreeMap::from([("router".to_owned(), IpAddr::from(address))]);
    for (request, error) in [
        (request("10.5.0.0/31"), "the subnet 10.5.0.0/31 is too small for a gateway and a container"),
        (request("10.9.0.0/24"), "the subnet 10.9.0.0/24 overlaps 10.9.0.0/16, which is in use on this machine"),
        (
            PoolRequest { gateway: Some(IpAddr::from([10, 6, 0, 1])), ..request("10.5.0.0/24") },
            "the gateway 10.6.0.1 is outside the subnet 10.5.0.0/24",
        ),
        (
            PoolRequest { range: Some(cidr("10.4.0.0/15")), ..request("10.5.0.0/24") },
            "the range 10.4.0.0/15 is outside the subnet 10.5.0.0/24",
        ),
        (
            PoolRequest { reserved: reserved([10, 6, 0, 1]), ..request("10.5.0.0/24") },
            "the auxiliary address \"router\" 10.6.0.1 is outside the subnet 10.5.0.0/24",
        ),
    ] {
        assert_eq!(Pool::new(&request, &[cidr("10.9.0.0/16")]).unwrap_err().to_string(), error);
    }
}

#[test]
fn an_address_is_the_lowest_free_or_the_one_wanted() {
    let reserved = BTreeMap::from([("router".to_owned(), IpAddr::from([10, 5, 0, 3]))]);
    let pool = Pool::new(&PoolRequest { reserved, ..request("10.5.0.0/29") }, &[]).unwrap();
    let mut used = BTreeSet::new();
    for last in [2, 4, 5, 6] {
        let address = pool.allocate(&used, None).unwrap();
        assert_eq!(address, IpAddr::from([10, 5, 0, last]));
        used.insert(address);
    }
    assert_eq!(pool.allocate(&used, None).unwrap_err().to_string(), "no address is left in 10.5.0.0/29: 4 in use, 4 reserved");
    used.remove(&IpAddr::from([10, 5, 0, 5]));
    for (address, error) in [
        ([10, 5, 0, 5], None),
        ([10, 5, 0, 4], Some("the address 10.5.0.4 is in use by another container")),
        ([10, 5, 0, 1], Some("the address 10.5.0.1 is the gateway")),
        ([10, 5, 0, 3], Some("the address 10.5.0.3 is reserved for \"router\"")),
        ([10, 5, 0, 0], Some("the address 10.5.0.0 is that of the network itself")),
        ([10, 5, 0, 7], Some("the address 10.5.0.7 is that of broadcasts")),
        ([10, 5, 1, 2], Some("the address 10.5.1.2 is outside the subnet 10.5.0.0/29")),
    ] {
        let got = pool.allocate(&used, Some(IpAddr::from(address))).err().map(|it| it.to_string());
        assert_eq!(got.as_deref(), error);
    }
}

#[test]
fn text_is_checked_once() {
    for text in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "::/129", "a/8", "10.0.0.0/-1"] {
        assert!(text.parse::<Cidr>().is_err(), "{text}");
    }
    for text in [
        "",
        "02:42",
        "02:42:ac:14:00:02:03",
        "01:00:5e:00:00:01",
        "00:00:00:00:00:00",
        "2:42:ac:14:00:02",
        "0g:42:ac:14:00:02",
    ] {
        assert!(text.parse::<Mac>().is_err(), "{text}");
    }
    assert_eq!("02-42-AC-14-00-02".parse::<Mac>().unwrap(), Mac::of(&[IpAddr::from([172, 20, 0, 2])]).unwrap());
    assert_eq!(serde_json::to_string(&cidr("fd00::/64")).unwrap(), "\"fd00::/64\"");
}

proptest! {
    #[test]
    fn what_is_given_is_inside_and_new(prefix in 22_u8..30, used in prop::collection::btree_set(0_u128..1024, 0..300)) {
        let pool = Pool::new(&PoolRequest { subnet: Cidr::new(IpAddr::from([10, 5, 0, 0]), prefix), ..PoolRequest::default() }, &[]).unwrap();
        let used: BTreeSet<IpAddr> = used.into_iter().filter_map(|it| pool.subnet.nth(it)).collect();
        let free: Vec<IpAddr> = (2..).map_while(|it| pool.subnet.nth(it)).filter(|it| !used.contains(it) && *it != pool.subnet.last()).collect();
        prop_assert_eq!(pool.allocate(&used, None).ok(), free.first().copied());
        for address in free {
            prop_assert_eq!(pool.allocate(&used, Some(address)), Ok(address));
        }
    }

    #[test]
    fn overlap_is_symmetric_and_means_a_shared_address(a in any::<u32>(), b in any::<u32>(), p in 0_u8..=32, q in 0_u8..=32) {
        let [a, b] = [(a, p), (b, q)].map(|(it, prefix)| Cidr::new(std::net::Ipv4Addr::from(it).into(), prefix).unwrap().network());
        prop_assert_eq!(a.overlaps(&b), b.overlaps(&a));
        prop_assert_eq!(a.overlaps(&b), a.contains(b.address()) || b.contains(a.address()));
        prop_assert_eq!(a.to_string().parse::<Cidr>().unwrap(), a);
    }
}
