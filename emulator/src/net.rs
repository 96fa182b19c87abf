//! Connections: HTTP/1.1 and HTTP/2 without TLS on one port.

use super::{
    bodies::{RequestBody, ResponseBody},
    emulator::Emulator,
    gate::{Connection, Reset},
};
use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use std::{
    io::{self, Cursor},
    pin::pin,
    sync::atomic::Ordering,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
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

/// How long a client may take to begin, to send the head of a request, to go on within a body, and to
/// answer a ping. A connection of HTTP/1.1 without requests ends after this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a connection without requests stays open after the server was asked to stop: a request may
/// be on its way.
const LAST_REQUEST: Duration = Duration::from_millis(500);

/// What a client sends first on a connection of HTTP/2.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

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
                    let (emulator, mut stopped) = (emulator.clone(), stopped.clone());
                    let opened = open(stream);
                    connections.spawn(async move {
                        let begun = async { begin(opened.await?).await };
                        let begun = tokio::select! {
                            begun = tokio::time::timeout(PATIENCE, begun) => begun,
                            _ = stopped.wait_for(|stopped| *stopped) => return,
                        };
                        // An error is the client's: it is gone, silent, or refuses the certificate.
                        if let Ok(Ok(connection)) = begun {
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

/// Waits until a client has sent enough to tell HTTP/1.1 from HTTP/2. hyper would wait forever.
async fn begin<C>(mut connection: C) -> io::Result<impl AsyncRead + AsyncWrite + Unpin + Send>
where
    C: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut first = Vec::with_capacity(PREFACE.len());
    while first.len() < PREFACE.len() && PREFACE.starts_with(&first) {
        let rest = PREFACE.len() - first.len();
        if (&mut connection).take(rest as u64).read_buf(&mut first).await? == 0 {
            break;
        }
    }
    let (reader, writer) = tokio::io::split(connection);
    Ok(tokio::io::join(Cursor::new(first).chain(reader), writer))
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
        hyper::service::service_fn(move |request| {
            answer(emulator.clone(), handle.clone(), patience, request)
        })
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
        // hyper would wait for the rest of a request, or for the answer to a ping.
        () = handle.idle_for(LAST_REQUEST) => {}
    }
}

async fn answer(
    emulator: Emulator,
    connection: Connection,
    patience: Patience,
    request: Request<Incoming>,
) -> Result<Response<Body>, BoxError> {
    let in_progress = connection.begin();
    let is_http1 = request.version() < Version::HTTP_2;
    let (head, body) = request.into_parts();
    // On HTTP/2, pings tell whether the client is there, and a stream can wait for long.
    let patience = (is_http1 && patience == Patience::Limited).then_some(PATIENCE);
    let body = RequestBody::new(body, connection.clone(), patience);
    let is_read = body.is_read();
    let mut request = Request::from_parts(head, Body::new(body));
    request.extensions_mut().insert(connection);
    #[cfg(feature = "http")]
    let response = super::http::answer(&emulator, request).await;
    #[cfg(not(feature = "http"))]
    let response = match emulator.service().call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if response.extensions().get::<Reset>().is_some() {
        return Err(h2::Error::from(h2::Reason::INTERNAL_ERROR).into());
    }
    let mut response = response.map(|body| Body::new(ResponseBody { body, _request: in_progress }));
    // The rest of the body would be read as the next request, so hyper closes the connection.
    if is_http1 && !is_read.load(Ordering::Relaxed) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
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
