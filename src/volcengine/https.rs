//! HTTP/1.1 connections to the service, encrypted unless they stay on this machine.

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
use std::time::Duration;
use tokio::time::timeout;
use tower::{Service, service_fn, util::BoxCloneSyncService};

/// Sends requests over connections that it opens as needed, and keeps.
pub(super) type Https = Client<Connect, Full<Bytes>>;

type Dialled = BoxCloneSyncService<Uri, TokioIo<BoxIo>, BoxError>;

type Connect = BoxCloneSyncService<Uri, MaybeHttpsStream<TokioIo<BoxIo>>, BoxError>;

/// A kept connection goes before the service is likely to close it: a request must not meet its end.
const IDLE: Duration = Duration::from_secs(15);

impl Connection for BoxIo {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

/// Opens connections by `dial`, each within `limit`, TLS included.
pub(super) fn https(dial: Dial, tls: &Tls, limit: Duration) -> Result<Https, Error> {
    let mut config = tls.config()?;
    // hyper-rustls sets what it offers by itself.
    config.alpn_protocols.clear();
    let dial: Dialled = BoxCloneSyncService::new(service_fn(move |target: Uri| {
        let dial = dial.clone();
        async move { dial.open(&target).await.map(TokioIo::new) }
    }));
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_http1()
        .wrap_connector(dial);
    let connect = service_fn(move |target: Uri| {
        let connecting = timeout(limit, https.clone().call(target));
        async move {
            let late = |_| Err(format!("no connection within {limit:?}").into());
            connecting.await.unwrap_or_else(late)
        }
    });
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(BoxCloneSyncService::new(connect)))
}
