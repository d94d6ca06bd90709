//! An app that is changed again and again while people ask for it at a steady rate. The whole of it is `cargo bench --bench
//! traffic`.

use slipway_tests::{
    changes::{Change, ChangingHouse, DOMAIN},
    open_load::OpenLoad,
};

/// How many requests a second come: little, on a machine that has much else to do.
const RATE: u32 = 40;
/// How often each kind of change is made.
const ROUNDS: usize = 1;

#[tokio::test]
async fn releases_canaries_rollbacks_and_switches_lose_no_request_of_those_who_come_at_a_steady_rate() {
    let mut place = ChangingHouse::open(2).await;
    let load = OpenLoad::start(&place.house.caddy.url(), DOMAIN, RATE);
    for _ in 0..ROUNDS {
        for change in Change::ALL {
            place.change(change).await;
        }
    }
    let tally = load.finish().await;
    assert_eq!(tally.failed, 0, "of {}: {:?}", tally.asked, tally.failures);
    assert_eq!(tally.good.values().sum::<u64>(), tally.asked, "everybody was answered");
    for version in ["v1", "v2", "v3", "v4"] {
        assert!(tally.good.contains_key(version), "{version}: {:?}", tally.good);
    }
}
