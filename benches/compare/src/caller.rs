//! A caller in Rust. It reads lines such as `get 64 4000` (4000 calls with 64 in flight), makes these calls,
//! and prints two numbers in nanoseconds: the CPU time of the whole process for each call, and the median
//! time of a call. For a listing, both are for each item.

use crate::{
    canned::{
        callers::{Ours, Theirs, ours, theirs, token},
        keep_in_flight, pin_to, timed,
    },
    server::{PAGE, PAGES},
};
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_video_livestream_v1::client::LivestreamService;
use livestream_client::{
    LivestreamClient,
    model::{ListChannelsRequest, livestream_service_client::LivestreamServiceClient},
    name::LocationName,
};
use rustix::time::{ClockId, clock_gettime};
use std::{hint::black_box, io, net::SocketAddr, pin::Pin};
use tokio::runtime::Runtime;
use tokio_stream::StreamExt;
use tonic::transport::Channel;

const PARENT: &str = "projects/my-project/locations/us-central1";
const NAME: &str = "projects/my-project/locations/us-central1/channels/channel-1";

pub fn run(who: &str, addresses: [&str; 3]) {
    pin_to(0);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let caller = runtime.block_on(Caller::connect(who, addresses));
    for line in io::stdin().lines() {
        let line = line.expect("text");
        let [kind, in_flight, calls] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("not a kind, a number in flight and a number of calls: {line}");
        };
        let number = |text: &str| text.parse().expect("a number");
        let (in_flight, calls) = (number(in_flight), number(calls));
        let (cpu, p50) = match kind {
            "get" => measure(&runtime, in_flight, calls, || caller.get()),
            _ => {
                let (cpu, p50) = measure(&runtime, in_flight, calls, || caller.list());
                (cpu / (PAGE * PAGES) as u64, p50 / (PAGE * PAGES) as u64)
            }
        };
        println!("{cpu} {p50}");
    }
}

/// A client for calls and a client for listings, for each caller.
enum Caller {
    Ours(Ours, LivestreamClient),
    Bare(Theirs, LivestreamServiceClient<Channel>),
    Official(LivestreamService),
}

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Caller {
    async fn connect(who: &str, [calls, lists, rest]: [&str; 3]) -> Self {
        let calls: SocketAddr = calls.parse().expect("an address");
        match who {
            "ours" => {
                let client = LivestreamClient::builder().endpoint(format!("http://{lists}"));
                Self::Ours(ours(calls), client.credentials(token()).build().expect("a client"))
            }
            "bare" => {
                let endpoint = Channel::from_shared(format!("http://{lists}")).expect("an address");
                let channel = endpoint.tcp_nodelay(true).connect_lazy();
                let stub = LivestreamServiceClient::new(channel);
                Self::Bare(
                    theirs(calls).await.with_token(),
                    stub.max_decoding_message_size(64 << 20),
                )
            }
            "official" => {
                let client = LivestreamService::builder().with_endpoint(format!("http://{rest}"));
                Self::Official(client.with_credentials(token()).build().await.expect("a client"))
            }
            _ => panic!("there is no caller {who}"),
        }
    }

    fn get(&self) -> Boxed {
        match self {
            Self::Ours(client, _) => Box::pin(client.call()),
            Self::Bare(stub, _) => Box::pin(stub.call()),
            Self::Official(client) => {
                let client = client.clone();
                Box::pin(async move {
                    let call = client.get_channel().set_name(NAME).send();
                    drop(black_box(call.await.expect("an answer")));
                })
            }
        }
    }

    /// Reads the whole listing, item by item.
    fn list(&self) -> Boxed {
        match self {
            Self::Ours(_, client) => {
                let parent: LocationName = PARENT.parse().expect("a valid name");
                let mut items = client.list_channels(&parent).items();
                Box::pin(async move {
                    while let Some(item) = items.next().await {
                        drop(black_box(item.expect("an item")));
                    }
                })
            }
            Self::Bare(_, stub) => {
                let mut stub = stub.clone();
                Box::pin(async move {
                    let mut request =
                        ListChannelsRequest { parent: PARENT.into(), ..Default::default() };
                    loop {
                        let answer = stub.list_channels(request.clone()).await;
                        let page = answer.expect("a page").into_inner();
                        for item in page.channels {
                            drop(black_box(item));
                        }
                        if page.next_page_token.is_empty() {
                            break;
                        }
                        request.page_token = page.next_page_token;
                    }
                })
            }
            Self::Official(client) => {
                let client = client.clone();
                Box::pin(async move {
                    let mut items = client.list_channels().set_parent(PARENT).by_item();
                    while let Some(item) = items.next().await {
                        drop(black_box(item.expect("an item")));
                    }
                })
            }
        }
    }
}

/// Returns the CPU time for each call and the median time of a call, in nanoseconds.
fn measure(
    runtime: &Runtime,
    in_flight: usize,
    calls: usize,
    call: impl Fn() -> Boxed,
) -> (u64, u64) {
    let begun = cpu_time();
    let mut times = runtime.block_on(keep_in_flight(calls, in_flight, || timed(call())));
    let cpu = (cpu_time() - begun) / calls as u64;
    times.sort();
    (cpu, times[calls / 2].as_nanos().try_into().expect("a short time"))
}

/// Returns the CPU time of this process with all its threads, in nanoseconds.
fn cpu_time() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).expect("time goes forward")
}
