//! Serves an emulated Live Stream service on a port, over gRPC and HTTP/JSON.

use clap::{CommandFactory as _, Parser, error::ErrorKind};
use livestream_emulator::{Builder, Emulator, Identity, Latency, Limit};
use std::{
    fmt::Display,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};
use tokio::net::TcpListener;

/// Serve an emulated Live Stream service: gRPC, JSON over HTTP, and a control service on one port,
/// without TLS and without authentication. SIGTERM and Ctrl-C end it after the open requests.
#[derive(Debug, Parser)]
#[command(name = "livestream-emulator", version, max_term_width = 100)]
struct Options {
    /// Address to listen on, such as 127.0.0.1:8470 or localhost:8470; port 0 selects a free port
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    listen: String,

    /// Serve TLS with this certificate and key, in PEM format
    #[arg(long, num_args = 2, value_names = ["CERT", "KEY"])]
    tls: Vec<PathBuf>,

    /// How many times faster than real time virtual time runs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    speed: u32,

    /// How long a kind of work takes in virtual time, such as create-input=3m; `all` sets every kind.
    /// Without this option each kind takes about 1 s
    #[arg(long, value_name = "KIND=DURATION", value_parser = latency)]
    latency: Vec<(Option<Latency>, Duration)>,

    /// Work takes as long as in the real service: minutes
    #[arg(long)]
    realistic: bool,

    /// How many resources of a kind are allowed, such as channels=50
    #[arg(long, value_name = "KIND=COUNT", value_parser = limit)]
    limit: Vec<(Limit, usize)>,

    /// How long after the start of a channel an encoder connects by itself; `never` to wait for the
    /// control service
    #[arg(long, value_name = "DURATION", value_parser = delay)]
    encoder_delay: Option<Delay>,

    /// Seed of the random parts of names, addresses and tokens
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Keep all changes in this file, and continue from it after a restart
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,

    /// Number of a project, so that its id and its number name one project
    #[arg(long, value_name = "ID=NUMBER", value_parser = project)]
    project: Vec<(String, u64)>,

    /// Limit the requests of a minute as the service does
    #[arg(long)]
    quota: bool,

    /// Make clips and DVR sessions even if the channel was not on air at their times
    #[arg(long)]
    assume_video: bool,

    /// How long a session of a running channel lasts until the service restarts it, or `never`
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = session)]
    session_length: Delay,

    /// Location that listings cannot reach; with --any-location also one that the service does not have
    #[arg(long, value_name = "LOCATION")]
    unreachable: Vec<String>,

    /// Begin each listing with an empty page, as the service may
    #[arg(long)]
    empty_pages: bool,

    /// Accept locations that the service does not have
    #[arg(long)]
    any_location: bool,

    /// Print a line for each request on stderr
    #[arg(long)]
    log: bool,
}

/// The longest time that the emulator takes for anything.
const MAX_LENGTH: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

#[derive(Clone, Copy, Debug)]
struct Delay(Option<Duration>);

fn pair(text: &str) -> Result<(&str, &str), String> {
    text.split_once('=').ok_or_else(|| format!("'{text}' has no `=`"))
}

fn latency(text: &str) -> Result<(Option<Latency>, Duration), String> {
    let (kind, length) = pair(text)?;
    let kind = match kind {
        "all" => None,
        kind => Some(kind.parse::<Latency>().map_err(|error| error.to_string())?),
    };
    Ok((kind, duration(length)?))
}

fn limit(text: &str) -> Result<(Limit, usize), String> {
    let (kind, count) = pair(text)?;
    let kind = kind.parse::<Limit>().map_err(|error| error.to_string())?;
    let count = count.parse().map_err(|_| format!("'{count}' is not a count"))?;
    Ok((kind, count))
}

fn project(text: &str) -> Result<(String, u64), String> {
    let (id, number) = pair(text)?;
    let is_id = id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '.' | ':'));
    if !is_id {
        return Err(format!("'{id}' is not a project id"));
    }
    let number = number.parse().ok().filter(|number| *number > 0);
    let number =
        number.ok_or_else(|| format!("'{}' is not a project number", &text[id.len() + 1..]))?;
    Ok((id.to_owned(), number))
}

fn session(text: &str) -> Result<Delay, String> {
    let session = delay(text)?;
    match session.0 {
        Some(length) if length < Duration::from_secs(1) => {
            Err(format!("'{text}' is shorter than a second"))
        }
        _ => Ok(session),
    }
}

fn delay(text: &str) -> Result<Delay, String> {
    if text == "never" { Ok(Delay(None)) } else { duration(text).map(|delay| Delay(Some(delay))) }
}

/// Reads a duration such as `1.5s`, `200ms`, `3m`, `1h` or `2d`.
fn duration(text: &str) -> Result<Duration, String> {
    let refuse = || format!("'{text}' is not a duration such as 1.5s, 200ms, 3m, 1h or 2d");
    let unit = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(refuse)?;
    let (number, unit) = text.split_at(unit);
    let number: f64 = number.parse().map_err(|_| refuse())?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        "d" => number * 86_400.0,
        _ => return Err(refuse()),
    };
    let length = Duration::try_from_secs_f64(seconds).map_err(|_| refuse())?;
    match length <= MAX_LENGTH {
        true => Ok(length),
        false => Err(format!("'{text}' is longer than 10 years")),
    }
}

impl Options {
    /// Refuses flags that contradict one another.
    fn checked(self) -> Result<Self, clap::Error> {
        self.check_projects()?;
        self.check_unreachable()?;
        Ok(self)
    }

    fn check_projects(&self) -> Result<(), clap::Error> {
        for (at, (id, number)) in self.project.iter().enumerate() {
            let is_again =
                |(other_id, other): &(String, u64)| (other_id == id) != (other == number);
            if let Some((other, _)) = self.project[..at].iter().find(|other| is_again(other)) {
                let message = format!(
                    "'--project {id}={number}' contradicts the number of '{other}': \
                     an id has one number, and a number has one id"
                );
                return Err(Self::command().error(ErrorKind::ValueValidation, message));
            }
        }
        Ok(())
    }

    fn check_unreachable(&self) -> Result<(), clap::Error> {
        let is_known = |id: &String| Emulator::locations().any(|known| known == id);
        match self.unreachable.iter().find(|id| !self.any_location && !is_known(id)) {
            None => Ok(()),
            Some(id) => {
                let known = Emulator::locations().collect::<Vec<_>>().join(", ");
                let reason = format!(
                    "--unreachable: '{id}' is not one of: {known}; --any-location allows others"
                );
                Err(Self::command().error(ErrorKind::InvalidValue, reason))
            }
        }
    }

    fn builder(&self) -> Builder {
        let mut builder = Emulator::builder().speed(self.speed).seed(self.seed);
        if !self.realistic {
            builder = builder.quick_work();
        }
        for (kind, length) in &self.latency {
            builder = match kind {
                Some(kind) => builder.latency(*kind, *length),
                None => Latency::ALL.iter().fold(builder, |b, kind| b.latency(*kind, *length)),
            };
        }
        for (kind, count) in &self.limit {
            builder = builder.limit(*kind, *count);
        }
        for (id, number) in &self.project {
            builder = builder.project(id, *number);
        }
        if let Some(Delay(delay)) = self.encoder_delay {
            builder = builder.encoder_delay(delay);
        }
        builder = builder.session_length(self.session_length.0);
        for location in &self.unreachable {
            builder = builder.unreachable(location);
        }
        if self.quota {
            builder = builder.request_quota();
        }
        if self.assume_video {
            builder = builder.assume_video();
        }
        if self.empty_pages {
            builder = builder.empty_pages();
        }
        if self.any_location {
            builder = builder.any_location();
        }
        builder
    }
}

fn main() -> ExitCode {
    let options = match Options::try_parse().and_then(Options::checked) {
        Ok(options) => options,
        Err(error) => {
            // stdout can be closed.
            let _ = error.print();
            let is_help =
                matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if is_help { ExitCode::SUCCESS } else { ExitCode::from(2) };
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"));
    let ran = runtime.and_then(|runtime| runtime.block_on(run(&options)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(error);
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to stderr, which can be closed.
fn report(line: impl Display) {
    let _ = writeln!(io::stderr(), "livestream-emulator: {line}");
}

async fn run(options: &Options) -> Result<(), String> {
    // Before the port is bound: a signal from then on is not lost. PID 1 has no default handlers.
    let stop = stop_signal().map_err(|error| format!("cannot listen for signals: {error}"))?;
    let identity = match &*options.tls {
        [certificate, key] => Some(identity(certificate, key)?),
        _ => None,
    };
    let address = &options.listen;
    let fail = |error: io::Error| format!("cannot listen on {address}: {error}");
    let listener = TcpListener::bind(address.as_str()).await.map_err(fail)?;
    let bound = listener.local_addr().map_err(fail)?;
    if identity.is_none() && !bound.ip().is_loopback() {
        report(format_args!(
            "warning: {bound} is not a loopback address, and there is no TLS and no authentication"
        ));
    }
    let emulator = options.builder().build();
    if let Some(path) = &options.state {
        let recovered = emulator.open_state(path);
        let path = path.display();
        let recovered = recovered.map_err(|error| format!("state file {path}: {error}"))?;
        if recovered.damaged_bytes > 0 {
            let bytes = recovered.damaged_bytes;
            report(format_args!("warning: {bytes} damaged bytes were cut from the end of {path}"));
        }
        report(format_args!("{} requests replayed from {path}", recovered.requests));
    }
    if options.log {
        emulator.log_to(|line| {
            let _ = writeln!(io::stderr(), "{line}");
        });
    }
    // For scripts: the first line of stdout, which can be closed.
    let _ = writeln!(io::stdout(), "export LIVESTREAM_EMULATOR_HOST={bound}");
    let _ = io::stdout().flush();
    let scheme = if identity.is_some() { "https" } else { "http" };
    report(format_args!("serving gRPC and HTTP/JSON on {scheme}://{bound}"));
    match identity {
        Some(identity) => emulator.serve_tls_until(listener, &identity, stop).await.map_err(fail),
        None => emulator.serve_until(listener, stop).await.map_err(fail),
    }
}

fn identity(certificate: &Path, key: &Path) -> Result<Identity, String> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    };
    let identity = Identity::from_pem(&read(certificate)?, &read(key)?);
    let (certificate, key) = (certificate.display(), key.display());
    identity.map_err(|error| format!("cannot use {certificate} with {key}: {error}"))
}

/// Waits for SIGTERM or Ctrl-C.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    #[cfg(unix)]
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler, only the end of the process stops it.
            std::future::pending::<()>().await;
        }
    })
}
