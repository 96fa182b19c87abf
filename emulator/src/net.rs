//! Connections: HTTP/1.1 and HTTP/2 without TLS on one port.

use super::{
    emulator::Emulator,
    gate::{Connection, Reset},
};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use std::{io, pin::pin, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tonic::body::Body;
use tower::BoxError;
#[cfg(not(feature = "http"))]
use tower::Service as _;

/// How long open requests may take after the server was asked to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// How long a client may take to send the head of a request, and to answer a ping.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves the connections of a listener until `stop` is ready. Then open requests may end. `open` makes
/// a connection of a stream, such as by a TLS handshake.
pub(super) async fn serve<F, C>(
    emulator: &Emulator,
    listener: TcpListener,
    open: impl Fn(TcpStream) -> F,
    stop: impl Future<Output = ()>,
) -> io::Result<()>
where
    F: Future<Output = io::Result<C>> + Send + 'static,
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Without it, small frames wait for each other.
                    let _ = stream.set_nodelay(true);
                    let (emulator, stopped) = (emulator.clone(), stopped.clone());
                    let opened = open(stream);
                    connections.spawn(async move {
                        // An error is the client's: it is gone, or refuses the certificate.
                        if let Ok(Ok(connection)) = tokio::time::timeout(PATIENCE, opened).await {
                            serve_one(emulator, connection, stopped, Patience::Limited).await;
                        }
                    });
                }
                // The client is gone, or the process has too many open files: others may succeed.
                Err(error) if is_temporary(&error) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN, drained).await;
    Ok(())
}

fn is_temporary(error: &io::Error) -> bool {
    /// Too many open files, in the process or in the system.
    const FILES: [i32; 2] = [24, 23];
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionAborted | K::ConnectionReset | K::Interrupted)
        || error.raw_os_error().is_some_and(|code| FILES.contains(&code))
}

/// How long a connection waits for a silent client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    Limited,
    /// Without timers: tokio's paused clock would skip to them.
    Unlimited,
}

/// Serves one connection until it ends or `stopped` is true.
pub(super) async fn serve_one<C>(
    emulator: Emulator,
    connection: C,
    mut stopped: watch::Receiver<bool>,
    patience: Patience,
) where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handle = Connection::default();
    let mut builder = Builder::new(TokioExecutor::new());
    if patience == Patience::Limited {
        builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PATIENCE)
            .keep_alive_timeout(PATIENCE);
    }
    // A listing with many requests at once is usual in tests.
    builder.http2().max_concurrent_streams(1024);
    let service = {
        let handle = handle.clone();
        hyper::service::service_fn(move |request| answer(emulator.clone(), handle.clone(), request))
    };
    let mut serving = pin!(builder.serve_connection(TokioIo::new(connection), service));
    loop {
        tokio::select! {
            // An error is the client's: it is gone, or does not speak HTTP.
            _ = serving.as_mut() => return,
            () = handle.asked_to_close() => return,
            () = handle.asked_to_go_away() => {
                handle.end();
                serving.as_mut().graceful_shutdown();
            }
            Ok(_) = stopped.wait_for(|stopped| *stopped) => break,
        }
    }
    handle.end();
    serving.as_mut().graceful_shutdown();
    tokio::select! {
        _ = serving => {}
        () = handle.asked_to_close() => {}
    }
}

async fn answer(
    emulator: Emulator,
    connection: Connection,
    request: Request<Incoming>,
) -> Result<Response<Body>, BoxError> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(connection);
    #[cfg(feature = "http")]
    let response = super::http::answer(&emulator, request).await;
    #[cfg(not(feature = "http"))]
    let response = match emulator.service().call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    match response.extensions().get::<Reset>() {
        Some(Reset) => Err(h2::Error::from(h2::Reason::INTERNAL_ERROR).into()),
        None => Ok(response),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepting_goes_on_after_errors_of_one_client_and_without_free_file_handles() {
        use io::ErrorKind as K;
        for kind in [K::ConnectionAborted, K::ConnectionReset, K::Interrupted] {
            assert!(is_temporary(&kind.into()), "{kind}");
        }
        for code in [23, 24] {
            assert!(is_temporary(&io::Error::from_raw_os_error(code)), "{code}");
        }
        for error in [io::Error::from_raw_os_error(9), K::InvalidInput.into()] {
            assert!(!is_temporary(&error), "{error}");
        }
    }
}
