//! The bodies on a connection: requests whose client falls silent, and responses that are counted.

use super::gate::{Connection, InProgress};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use std::{
    future::pending,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tonic::body::Body;
use tower::BoxError;

/// How long a client may be silent within a body after the server was asked to stop.
const STOPPING: Duration = Duration::from_secs(1);

/// The body of a request. It ends with an error if the client falls silent.
pub(super) struct RequestBody {
    body: Incoming,
    connection: Connection,
    patience: Option<Duration>,
    /// The end of the present silence.
    silence: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    is_read: Arc<AtomicBool>,
}

impl RequestBody {
    pub(super) fn new(body: Incoming, connection: Connection, patience: Option<Duration>) -> Self {
        let is_read = Arc::new(AtomicBool::new(body.is_end_stream()));
        Self { body, connection, patience, silence: None, is_read }
    }

    /// Whether everything of the body was read.
    pub(super) fn is_read(&self) -> Arc<AtomicBool> {
        self.is_read.clone()
    }
}

async fn silence(connection: Connection, patience: Option<Duration>) {
    let patience = async {
        match patience {
            Some(patience) => tokio::time::sleep(patience).await,
            None => pending().await,
        }
    };
    let stopping = async {
        connection.ending().await;
        tokio::time::sleep(STOPPING).await;
    };
    tokio::select! {
        () = patience => {}
        () = stopping => {}
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { body, connection, patience, silence: silent, is_read } = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) {
            *silent = None;
            is_read.store(frame.is_none() || body.is_end_stream(), Ordering::Relaxed);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let end = silent.get_or_insert_with(|| Box::pin(silence(connection.clone(), *patience)));
        ready!(end.as_mut().poll(cx));
        *silent = None;
        Poll::Ready(Some(Err("the client stopped within the body".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a response. Its request is in progress until it ends.
pub(super) struct ResponseBody {
    pub(super) body: Body,
    pub(super) _request: InProgress,
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
