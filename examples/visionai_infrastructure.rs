//! Sets up Vision AI for a shop, changes it, and deletes it in the order that the service requires: a
//! cluster, two cameras with playback over HLS, two events with grace periods, and a series for each
//! pair of camera and event. The service is an emulator in this process.
//!
//! ```sh
//! cargo run --example visionai_infrastructure
//! ```
//!
//! To use the real service, make the client with `StreamsClient::new()?`. The rest stays the same. The
//! vendor ended the product on 2026-09-30.

#[path = "support/shop.rs"]
mod shop;
mod support;

use livestream_client::{
    mask, time,
    visionai::{StreamsClient, model::Event, name::ClusterName},
};
use shop::Shop;
use std::time::Duration;
use support::{Result, show};

#[tokio::main]
async fn main() -> Result {
    let shop = Shop::open()?;
    let Shop { client, cluster, .. } = &shop;

    shop.set_up().await?;
    print_all(client, cluster).await?;

    let day = cluster.event("day")?;
    let grace_period = Some(time::duration(Duration::from_secs(300))?);
    let change = Event { name: day.to_string(), grace_period, ..Default::default() };
    let mask = mask::of::<Event>(["grace_period"])?;
    let event = show("Changing the grace period", client.update_event(change, mask).await?).await?;
    assert_eq!(event.grace_period, grace_period);

    // The service does not delete a parent that has children.
    let refusal = client.delete_cluster(cluster).await.expect_err("the cluster has children");
    assert!(refusal.is_failed_precondition());
    println!("refused, as expected: {}", refusal.message());

    shop.tear_down().await?;
    let gone = client.get_cluster(cluster).await.expect_err("it was deleted");
    assert!(gone.is_not_found());
    println!("everything is deleted");
    Ok(())
}

async fn print_all(client: &StreamsClient, cluster: &ClusterName) -> Result {
    let id = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    println!("\n{:<8} {:<16} joins", "kind", "id");
    for stream in client.list_streams(cluster).items().collect().await? {
        println!("{:<8} {:<16}", "stream", id(&stream.name));
    }
    for event in client.list_events(cluster).items().collect().await? {
        println!("{:<8} {:<16}", "event", id(&event.name));
    }
    let series = client.list_series(cluster).items().collect().await?;
    for series in &series {
        let joins = format!("{} to {}", id(&series.stream), id(&series.event));
        println!("{:<8} {:<16} {joins}", "series", id(&series.name));
    }
    println!();
    assert_eq!(series.len(), shop::pairs().count());
    Ok(())
}
