//! HTTP/1.1 connections to the service, with TLS unless the endpoint is a loopback address.

use crate::gax::{
    error::{BoxError, Error},
    net::{
        dial::{BoxIo, Dial},
        tls::Tls,
    },
};
use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::{HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    runtime::{self, Handle},
    time::timeout,
};
use tower::{Service, service_fn, util::BoxCloneSyncService};

/// HTTP clients, which open connections as needed and keep them. Each Tokio runtime has its own: the
/// connections of another one stand still when nothing drives it.
pub(super) struct Https {
    connect: Connect,
    clients: Mutex<HashMap<Option<runtime::Id>, HttpClient>>,
}

type HttpClient = Client<Connect, Full<Bytes>>;

type Dialer = BoxCloneSyncService<Uri, TokioIo<BoxIo>, BoxError>;

type Connect = BoxCloneSyncService<Uri, MaybeHttpsStream<TokioIo<BoxIo>>, BoxError>;

/// How long an idle connection is kept. The client closes an idle connection before the service is
/// likely to close it, so that a request does not fail on a closed connection.
const IDLE: Duration = Duration::from_secs(15);

/// Runtimes that have ended are not known as such. With so many, all clients are created anew.
const MAX_RUNTIMES: usize = 64;

impl Https {
    /// The client of this runtime.
    pub(super) fn client(&self) -> HttpClient {
        let runtime = Handle::try_current().ok().map(|runtime| runtime.id());
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() == MAX_RUNTIMES && !clients.contains_key(&runtime) {
            clients.clear();
        }
        let create = || {
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE)
                .build(self.connect.clone())
        };
        clients.entry(runtime).or_insert_with(create).clone()
    }
}

impl Connection for BoxIo {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

/// Creates clients that open connections with `dial`. `limit` is the maximum time for a
/// connection, including the TLS handshake.
pub(super) fn https(dial: Dial, tls: &Tls, limit: Duration) -> Result<Https, Error> {
    let mut config = tls.config()?;
    // hyper-rustls requires an empty list and sets ALPN itself.
    config.alpn_protocols.clear();
    let dial: Dialer = BoxCloneSyncService::new(service_fn(move |target: Uri| {
        let dial = dial.clone();
        async move { dial.open(&target, None).await.map(|dialled| TokioIo::new(dialled.io)) }
    }));
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_http1()
        .wrap_connector(dial);
    let connect = service_fn(move |target: Uri| {
        let connecting = timeout(limit, https.clone().call(target));
        async move {
            let timed_out = |_| Err(format!("no connection within {limit:?}").into());
            connecting.await.unwrap_or_else(timed_out)
        }
    });
    Ok(Https { connect: BoxCloneSyncService::new(connect), clients: Mutex::default() })
}
