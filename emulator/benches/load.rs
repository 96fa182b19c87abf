//! The program under load: gRPC and JSON calls a second for a minute each, and its memory.
//!
//! ```sh
//! cargo bench -p livestream-emulator --features program --bench load
//! ```
//!
//! On two cores that other builds shared, in a minute each: 22,087 calls a second over gRPC, and 7,016
//! over JSON. Memory grew from 23 to 72 MiB with the request ids that the service remembers for an hour,
//! of which there are at most 100,000, and was then flat at 72.5 MiB.
//!
//! With `--test` it runs for a second; `EMULATOR_LOAD_SECONDS` sets another length. Nine of ten calls are
//! reads; one creates or deletes an event.

use livestream_client::{
    LivestreamClient,
    model::{Channel, Event, channel::StreamingState, event},
    name::{ChannelName, LocationName},
};
use std::{
    error::Error,
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

struct Program {
    child: Child,
    address: String,
}

impl Program {
    fn start() -> Result<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_livestream-emulator"))
            .args(["--latency", "all=0s", "--encoder-delay", "0s"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no stdout")?).read_line(&mut line)?;
        let address = line.trim().rsplit('=').next().unwrap_or_default().to_owned();
        Ok(Self { child, address })
    }

    /// Its resident memory, in MiB.
    fn memory(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: f64 =
            line.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?.parse()?;
        Ok(kib / 1024.0)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn prepare(client: &LivestreamClient) -> Result<ChannelName> {
    use livestream_client::ladder::Ladder;
    let location = LocationName::new("my-project", "us-central1")?;
    let channel: Channel = Ladder::hd().channel("gs://bucket/news/").build()?;
    client.create_channel(&location, channel, "news").wait().await?;
    let name = location.channel("news")?;
    client.start_channel(&name).wait().await?;
    client.wait_until(&name, StreamingState::Streaming).await?;
    Ok(name)
}

/// Counts the calls of some workers, and reports the rate and the memory.
async fn measure<F>(
    kind: &str,
    program: &Program,
    length: Duration,
    workers: usize,
    work: impl Fn(usize, Arc<AtomicU64>, Instant) -> F,
) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (count, begun) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut tasks = JoinSet::new();
    for worker in 0..workers {
        tasks.spawn(work(worker, count.clone(), begun + length));
    }
    // After the first tenth every buffer and log is full.
    tokio::time::sleep(length / 10).await;
    let early = program.memory()?;
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let rate = count.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    let late = program.memory()?;
    println!(
        "{kind}: {rate:.0} calls/s, {early:.1} MiB after a tenth of the time, {late:.1} MiB at the end"
    );
    Ok(())
}

async fn grpc(
    client: LivestreamClient,
    name: ChannelName,
    worker: usize,
    count: Arc<AtomicU64>,
    end: Instant,
) -> Result<()> {
    let location = name.parent();
    for n in 0.. {
        if Instant::now() >= end {
            break;
        }
        match n % 20 {
            0 => {
                let task = event::AdBreakTask {
                    duration: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
                };
                let ad_break = Event {
                    task: Some(event::Task::AdBreak(task)),
                    execute_now: true,
                    ..Default::default()
                };
                client.create_event(&name, ad_break, format!("w{worker}-{n}")).await?;
            }
            1 => {
                let event = name.event(format!("w{worker}-{}", n - 1))?;
                client.delete_event(&event).await?;
            }
            2..12 => drop(client.get_channel(&name).await?),
            _ => drop(client.list_channels(&location).await?),
        }
        count.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

async fn json(address: String, count: Arc<AtomicU64>, end: Instant) -> Result<()> {
    let mut connection = TcpStream::connect(&address).await?;
    connection.set_nodelay(true)?;
    let path = "/v1/projects/my-project/locations/us-central1/channels/news";
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let mut buffer = vec![0; 64 * 1024];
    while Instant::now() < end {
        connection.write_all(request.as_bytes()).await?;
        let (mut filled, mut wanted) = (0, usize::MAX);
        while filled < wanted {
            let read = connection.read(&mut buffer[filled..]).await?;
            if read == 0 {
                return Err("closed".into());
            }
            filled += read;
            let text = String::from_utf8_lossy(&buffer[..filled]);
            if let Some(body) = text.find("\r\n\r\n") {
                let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
                wanted = body + 4 + length.ok_or("no length")?.parse::<usize>()?;
            }
        }
        if !buffer.starts_with(b"HTTP/1.1 200") {
            return Err(String::from_utf8_lossy(&buffer[..filled]).into_owned().into());
        }
        count.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let seconds = std::env::var("EMULATOR_LOAD_SECONDS").ok().and_then(|text| text.parse().ok());
    let length = Duration::from_secs(if is_test { 1 } else { seconds.unwrap_or(60) });
    let program = Program::start()?;
    let client =
        LivestreamClient::builder().endpoint(format!("http://{}", program.address)).build()?;
    let name = prepare(&client).await?;
    measure("gRPC", &program, length, 16, |worker, count, end| {
        grpc(client.clone(), name.clone(), worker, count, end)
    })
    .await?;
    measure("JSON", &program, length, 8, |_, count, end| json(program.address.clone(), count, end))
        .await
}
