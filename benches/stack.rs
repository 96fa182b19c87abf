//! What the whole stack costs a call, next to the bare tonic stub on one tonic channel.
//!
//! Both call GetChannel over loopback HTTP/2, in turns within one run, on a core away from the
//! server's. Printed are ratios: ours by theirs. CPU is that of the client's thread alone.

mod canned;

use canned::{Manners, channel, pin_to, serve};
use google_cloud_auth::{
    credentials::{CacheableResource, Credentials, CredentialsProvider, EntityTag},
    errors::CredentialsError,
};
use http::{Extensions, HeaderMap, HeaderValue};
use livestream_client::{
    LivestreamClient,
    model::{GetChannelRequest, livestream_service_client::LivestreamServiceClient},
    name::ChannelName,
};
use std::{
    fs,
    hint::black_box,
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{runtime::Runtime, task::JoinSet};
use tonic::transport::Channel;

const ROUNDS: usize = 31;

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let rounds = if is_test { 1 } else { ROUNDS };
    let address = serve(channel(1), Manners::default());
    pin_to(0);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (ours, theirs) = runtime.block_on(async { (ours(address), theirs(address).await) });

    println!("{:<22} {:>9} {:>9} {:>7}", "ours / bare stub", "ours", "bare", "ratio");
    for in_flight in [1, 64] {
        let calls = if is_test { in_flight } else { 4000 };
        let mut cpu = Vec::new();
        let mut wall = Vec::new();
        for round in 0..=rounds {
            let our = measure(&runtime, calls, in_flight, || ours.call());
            let their = measure(&runtime, calls, in_flight, || theirs.call());
            if round > 0 || is_test {
                cpu.push((our.cpu, their.cpu));
                wall.push((our.p50, their.p50));
            }
        }
        print(&format!("CPU a call, {in_flight} in flight"), cpu);
        if in_flight == 1 {
            print("p50, 1 in flight", wall);
        }
    }
}

fn print(what: &str, mut pairs: Vec<(f64, f64)>) {
    pairs.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    let (our, their) = pairs[pairs.len() / 2];
    println!("{what:<22} {:>6.2} µs {:>6.2} µs {:>7.3}", our * 1e6, their * 1e6, our / their);
}

struct Measured {
    /// Seconds of CPU a call.
    cpu: f64,
    /// The median of the calls' times, in seconds.
    p50: f64,
}

fn measure<F>(runtime: &Runtime, calls: usize, in_flight: usize, call: impl Fn() -> F) -> Measured
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut times = Vec::with_capacity(calls);
    let begun = cpu_time();
    runtime.block_on(async {
        let mut running = JoinSet::new();
        for _ in 0..calls {
            if running.len() == in_flight {
                times.push(running.join_next().await.expect("one runs").expect("no panic"));
            }
            let call = call();
            running.spawn(async {
                let begun = Instant::now();
                call.await;
                begun.elapsed()
            });
        }
        while let Some(time) = running.join_next().await {
            times.push(time.expect("no panic"));
        }
    });
    let cpu = (cpu_time() - begun).as_secs_f64() / calls as f64;
    times.sort();
    Measured { cpu, p50: times[times.len() / 2].as_secs_f64() }
}

/// The CPU time of this thread, as the kernel accounts for it.
fn cpu_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = text.split(' ').next().and_then(|text| text.parse().ok()).expect("nanoseconds");
    Duration::from_nanos(nanos)
}

struct Ours(LivestreamClient, ChannelName);

fn ours(address: SocketAddr) -> Ours {
    let client = LivestreamClient::builder()
        .endpoint(format!("http://{address}"))
        .credentials(Credentials::from(Token(EntityTag::new())))
        .build()
        .expect("a client");
    let name = ChannelName::new("my-project", "us-central1", "channel-1").expect("a valid name");
    Ours(client, name)
}

impl Ours {
    fn call(&self) -> impl Future<Output = ()> + Send + use<> {
        let call = self.0.get_channel(&self.1);
        async { drop(black_box(call.await.expect("an answer"))) }
    }
}

struct Theirs(LivestreamServiceClient<Channel>, String);

async fn theirs(address: SocketAddr) -> Theirs {
    let endpoint = Channel::from_shared(format!("http://{address}")).expect("a valid address");
    let channel = endpoint.tcp_nodelay(true).connect().await.expect("a connection");
    let name = "projects/my-project/locations/us-central1/channels/channel-1".to_owned();
    Theirs(LivestreamServiceClient::new(channel), name)
}

impl Theirs {
    fn call(&self) -> impl Future<Output = ()> + Send + use<> {
        let (mut stub, name) = (self.0.clone(), self.1.clone());
        async move {
            let answer = stub.get_channel(GetChannelRequest { name }).await.expect("an answer");
            drop(black_box(answer));
        }
    }
}

/// Credentials whose token never changes.
#[derive(Debug)]
struct Token(EntityTag);

impl CredentialsProvider for Token {
    async fn headers(
        &self,
        known: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        if known.get::<EntityTag>() == Some(&self.0) {
            return Ok(CacheableResource::NotModified);
        }
        let token = HeaderValue::from_static(
            "Bearer ya29.a-token-as-long-as-real-ones-are-which-is-about-two-hundred-bytes-in-all",
        );
        let data = HeaderMap::from_iter([(http::header::AUTHORIZATION, token)]);
        Ok(CacheableResource::New { entity_tag: self.0.clone(), data })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}
