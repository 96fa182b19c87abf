//! Sends the client's spans to OpenTelemetry and its metrics to Prometheus, and prints both: the trace
//! of one input that is created, and the page that Prometheus would read.
//!
//! The exporters are in memory, and the service is the emulator, so the example needs no network. It
//! runs on a clock that skips idle time. The guide's chapter on observability shows its output.

mod page;
mod tree;

use livestream_client::{
    Builder, LivestreamClient,
    model::{Input, input},
    name::LocationName,
    policy::RetryPolicy,
    telemetry::HISTOGRAM_BUCKETS,
};
use livestream_emulator::{Emulator, Faults};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};
use opentelemetry::{global, propagation::Injector, trace::TracerProvider};
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{InMemorySpanExporter, SdkTracerProvider, SpanData},
};
use std::{
    error::Error,
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};
use tonic::Status;
use tower::{ServiceExt, layer::layer_fn};
use tracing::{Instrument, Level, info_span, instrument::WithSubscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt};

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    let run = run().await?;
    println!("{}", tree::picture(&run.spans));
    println!("{}\n", run.page);
    println!("The service received the context of {} attempts.", run.received.len());
    Ok(())
}

/// What one run leaves behind.
struct Run {
    spans: Vec<SpanData>,
    /// The metrics as Prometheus reads them.
    page: String,
    /// The `traceparent` of each attempt, as the service receives it.
    received: Vec<String>,
}

async fn run() -> Result<Run, Box<dyn Error>> {
    // The pauses between polls are random. The pictures in the guide are not.
    fastrand::seed(1);
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    global::set_text_map_propagator(TraceContextPropagator::new());
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("setup"));
    // Without the spans of `h2`.
    let targets = Targets::new().with_targets([
        (env!("CARGO_CRATE_NAME"), Level::INFO),
        ("livestream_client", Level::INFO),
    ]);
    let subscriber = tracing_subscriber::registry().with(layer).with(targets);
    let recorder = recorder()?;
    let page = recorder.handle();
    // A program of its own would call `metrics::set_global_recorder` here, and `init` on the
    // subscriber.
    let _guard = metrics::set_default_local_recorder(&recorder);

    let (faults, received) = (Faults::new(), Arc::new(Mutex::new(Vec::new())));
    let emulator = Emulator::builder().speed(1).every_latency(Duration::from_secs(3));
    let emulator = emulator.seed(1).epoch(UNIX_EPOCH + Duration::from_secs(1_800_000_000)).build();
    let builder = emulator.client_builder().layer(faults.clone());
    let client = propagating(recording(builder, received.clone()))
        .retry(RetryPolicy::default().with_seed(1))
        .build()?;
    faults.refuse(1, Status::unavailable("down for a moment"));
    let setup = async {
        let location = LocationName::new("my-project", "us-central1")?;
        let camera = Input { r#type: input::Type::RtmpPush.into(), ..Input::default() };
        client.create_input(&location, camera, "camera").wait().await
    };
    let root = async { setup.instrument(info_span!("setup")).await };
    root.with_subscriber(subscriber).await?;

    let received = received.lock().expect("nothing panics under the lock").clone();
    Ok(Run { spans: exporter.get_finished_spans()?, page: page::shorten(&page.render()), received })
}

// The guide shows the lines from here …
/// Sends the context of each attempt along with it.
fn propagating(builder: Builder<LivestreamClient>) -> Builder<LivestreamClient> {
    struct Headers<'a>(&'a mut http::HeaderMap);

    impl Injector for Headers<'_> {
        fn set(&mut self, name: &str, value: String) {
            if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), value.try_into()) {
                self.0.insert(name, value);
            }
        }
    }

    builder.propagator(|headers| {
        let attempt = tracing::Span::current().context();
        global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&attempt, &mut Headers(headers));
        });
    })
}

/// Prepares a Prometheus recorder with the recommended buckets.
fn recorder() -> Result<PrometheusRecorder, Box<dyn Error>> {
    let mut builder = PrometheusBuilder::new().with_recommended_naming(true);
    for (name, buckets) in HISTOGRAM_BUCKETS {
        builder = builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), buckets)?;
    }
    Ok(builder.build_recorder())
}
// … to here.

/// Keeps the `traceparent` of each attempt, in place of a service that continues the trace.
fn recording(
    builder: Builder<LivestreamClient>,
    received: Arc<Mutex<Vec<String>>>,
) -> Builder<LivestreamClient> {
    builder.layer(layer_fn(move |below: Below| {
        let received = received.clone();
        below.map_request(move |request: http::Request<tonic::body::Body>| {
            let parent = request.headers().get("traceparent").and_then(|p| p.to_str().ok());
            let mut received = received.lock().expect("nothing panics under the lock");
            received.push(parent.unwrap_or_default().to_owned());
            drop(received);
            request
        })
    }))
}

type Below = tower::util::BoxCloneSyncService<
    http::Request<tonic::body::Body>,
    http::Response<tonic::body::Body>,
    tower::BoxError,
>;

#[cfg(test)]
mod tests;
