//! A client on more than one Tokio runtime, of which the first is parked: it exists, but nothing drives
//! it. `connections.rs` tests runtimes that have ended, and `credentials.rs` tests credentials.

mod support;

use livestream_client::{
    LivestreamClient, Operation,
    model::{
        Channel, ChannelOperationResponse, ListChannelsRequest, ListChannelsResponse,
        OperationMetadata, StartChannelRequest,
    },
    name::LocationName,
    policy::PollPolicy,
    proto::google::longrunning::{self, GetOperationRequest, operation},
    rpc::Rpc,
};
use prost::Name;
use prost_types::Any;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use support::{Observed, Scripted};
use tokio::{
    runtime::{Builder, Runtime},
    task::yield_now,
    time::{sleep, timeout},
};
use tokio_stream::StreamExt;

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime")
}

fn location() -> LocationName {
    LocationName::new("p", "l").expect("a valid name")
}

fn resume(
    client: &LivestreamClient,
    id: &str,
) -> Operation<ChannelOperationResponse, OperationMetadata> {
    let name = location().operation(id).expect("a valid name");
    client.resume::<StartChannelRequest>(&name)
}

/// A service whose operations are done once this is true.
fn service(are_done: &Arc<AtomicBool>) -> Observed<Scripted> {
    let are_done = are_done.clone();
    Observed::new(Scripted::new().on(move |request: GetOperationRequest| {
        let done = are_done.load(Ordering::Relaxed);
        let type_url = ChannelOperationResponse::type_url();
        let response = operation::Result::Response(Any { type_url, value: Vec::new() });
        let result = done.then_some(response);
        Ok(longrunning::Operation { name: request.name, done, result, metadata: None })
    }))
}

#[test]
fn a_shared_wait_continues_while_the_polling_runtime_is_parked() {
    let are_done = Arc::<AtomicBool>::default();
    let service = service(&are_done);
    let client = service.client();
    let waits = client.shared_waits(&location());

    let (parked, second) = (runtime(), runtime());
    let polls = || service.log().count(GetOperationRequest::METHOD);
    let first = parked.spawn(waits.wait(resume(&client, "first")));
    parked.block_on(async {
        while polls() == 0 {
            yield_now().await;
        }
    });
    assert!(polls() > 0, "the first runtime polls");
    are_done.store(true, Ordering::Relaxed);
    second.block_on(async {
        let policy = PollPolicy::default().with_limit(Duration::from_secs(180));
        let wait = waits.wait(resume(&client, "second").poll_policy(policy));
        wait.await.expect("the second runtime polls in the end");
    });

    // The first runtime goes on. Its wait has its result, and its task ends.
    parked.block_on(async {
        first.await.expect("no panic").expect("done");
        let before = polls();
        sleep(Duration::from_secs(600)).await;
        assert_eq!(polls(), before, "nobody waits, so nothing is polled");
        assert_eq!(parked.metrics().num_alive_tasks(), 0);
    });
    // Both runtimes can be used as before.
    for runtime in [&parked, &second] {
        let wait = waits.wait(resume(&client, "third"));
        let wait = async { timeout(Duration::from_secs(180), wait).await };
        runtime.block_on(wait).expect("in time").expect("done");
    }
}

#[test]
fn a_parked_poller_of_shared_waits_ends_when_it_wakes_up_replaced() {
    let are_done = Arc::<AtomicBool>::default();
    let service = service(&are_done);
    let client = service.client();
    let waits = client.shared_waits(&location());
    let (parked, second) = (runtime(), runtime());
    let polls = || service.log().count(GetOperationRequest::METHOD);
    let first = parked.spawn(waits.wait(resume(&client, "first")));
    parked.block_on(async {
        while polls() == 0 {
            yield_now().await;
        }
    });
    // The second runtime takes over, and is parked in turn.
    let other = second.spawn(waits.wait(resume(&client, "second")));
    second.block_on(async {
        let before = polls();
        let more = async {
            while polls() < before + 4 {
                sleep(Duration::from_secs(1)).await;
            }
        };
        timeout(Duration::from_secs(180), more).await.expect("the second runtime polls");
    });
    // The first runtime goes on, and leaves the polling to the second.
    parked.block_on(async {
        let before = polls();
        sleep(Duration::from_secs(30)).await;
        assert_eq!(polls(), before, "the second runtime has polled last");
        assert_eq!(parked.metrics().num_alive_tasks(), 1, "a wait");
    });
    // The second runtime stays parked. So one task of the first polls for both waits.
    parked.block_on(async {
        sleep(Duration::from_secs(900)).await;
        let alive = parked.metrics().num_alive_tasks();
        assert_eq!(alive, 2, "a wait, and one task that polls");
        are_done.store(true, Ordering::Relaxed);
        first.await.expect("no panic").expect("done");
    });
    second.block_on(other).expect("no panic").expect("done");
}

#[test]
fn a_listing_goes_on_in_a_second_runtime() {
    let page = |request: ListChannelsRequest| {
        let next = match &*request.page_token {
            "" => "1",
            "1" => "2",
            _ => "",
        };
        let name = format!("page {}", request.page_token);
        let channels = vec![Channel { name, ..Channel::default() }];
        let next_page_token = next.to_owned();
        Ok(ListChannelsResponse { channels, next_page_token, ..Default::default() })
    };
    for is_ended in [false, true] {
        let client = Observed::new(Scripted::new().on(page)).client();
        let mut channels = client.list_channels(&location()).items();
        let mut next_on = |runtime: &Runtime| {
            let next = async { timeout(Duration::from_secs(180), channels.next()).await };
            let item = runtime.block_on(next).expect("in time");
            item.map(|channel| channel.expect("answered").name)
        };
        let (first, second) = (runtime(), runtime());
        // The next page is on its way when the runtime stops.
        assert_eq!(next_on(&first).as_deref(), Some("page "));
        let first = (!is_ended).then_some(first);
        assert_eq!(next_on(&second).as_deref(), Some("page 1"), "is_ended: {is_ended}");
        assert_eq!(next_on(first.as_ref().unwrap_or(&second)).as_deref(), Some("page 2"));
        assert_eq!(next_on(&second), None);
    }
}
