//! Serves an emulated Live Stream service on a local port.

use livestream_emulator::Emulator;
use std::{env, error::Error, net::SocketAddr, process::ExitCode};
use tokio::net::TcpListener;

const HELP: &str = "\
Serve an emulated Live Stream service over HTTP/2 without TLS, until Ctrl-C.

Usage: livestream-emulator [--listen ADDRESS] [--speed N]

  --listen ADDRESS  address to listen on, such as 127.0.0.1:8470; port 0 selects a free port
                    [default: 127.0.0.1:0]
  --speed N         how many times faster than real time virtual time runs [default: 120]
  --help            print this help
";

struct Options {
    listen: SocketAddr,
    speed: u32,
}

impl Options {
    /// Returns `None` for `--help`.
    fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Option<Self>, String> {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut options = Self { listen, speed: Emulator::DEFAULT_SPEED };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (argument, None),
            };
            let mut value = || {
                let value = value.clone().or_else(|| arguments.next());
                value.ok_or_else(|| format!("{name} needs a value"))
            };
            match &*name {
                "--listen" => {
                    let address = value()?;
                    options.listen = address.parse().map_err(|e| format!("{address}: {e}"))?;
                }
                "--speed" => {
                    let speed = value()?;
                    options.speed = speed.parse().map_err(|e| format!("{speed}: {e}"))?;
                }
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("unknown option {name}; see --help")),
            }
        }
        Ok(Some(options))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("livestream-emulator: {error}");
            return ExitCode::from(2);
        }
    };
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("livestream-emulator: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    if !options.listen.ip().is_loopback() {
        eprintln!(
            "warning: {} is not a loopback address, and there is no TLS and no authentication",
            options.listen.ip()
        );
    }
    let listener = TcpListener::bind(options.listen).await?;
    let address = listener.local_addr()?;
    println!(
        "Emulating the Live Stream API at {address}, {} times as fast as real time.",
        options.speed
    );
    println!("export LIVESTREAM_EMULATOR_HOST={address}");

    let emulator = Emulator::builder().speed(options.speed).build();
    tokio::select! {
        served = emulator.serve(listener) => served.map_err(Into::into),
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(Into::into),
    }
}
