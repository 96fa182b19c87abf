//! Opens encrypted byte streams to one endpoint.
//!
//! One limit covers everything from DNS to the HTTP/2 settings, the TLS handshake included: a limit
//! on TCP alone lets a stalled handshake hang.

use super::{
    dial::{Dial, Dialled},
    endpoint::Endpoint,
    tls::Tls,
};
use crate::gax::{error::Error, policy::Sent, transport_error::TransportError};
use http::Uri;
use std::{fmt, sync::Arc, time::Duration};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self,
        pki_types::{InvalidDnsNameError, ServerName},
    },
};
use tonic::Code;

/// Opens byte streams to one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    endpoint: Endpoint,
    dial: Dial,
    tls: Option<TlsTo>,
    limit: Duration,
    user_timeout: Option<Duration>,
}

#[derive(Clone)]
struct TlsTo {
    connector: TlsConnector,
    server: ServerName<'static>,
}

impl fmt::Debug for TlsTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsTo").field(&self.server).finish()
    }
}

impl Connector {
    /// Dials by TCP, or through the proxy that the environment names.
    pub(crate) fn new(endpoint: Endpoint, tls: &Tls, limit: Duration) -> Result<Self, Error> {
        let tls = endpoint.is_encrypted().then(|| TlsTo::new(&endpoint, tls)).transpose()?;
        let dial = Dial::to(&endpoint);
        Ok(Self { endpoint, dial, tls, limit, user_timeout: None })
    }

    /// Dials by TCP through this proxy, whatever the environment says.
    pub(crate) fn with_proxy(mut self, proxy: &str) -> Result<Self, Error> {
        self.dial = Dial::through(proxy, &self.endpoint)?;
        Ok(self)
    }

    /// Opens byte streams in this way. TLS runs over them if the endpoint is `https`.
    pub(crate) fn with_dial(mut self, dial: Dial) -> Self {
        self.dial = dial;
        self
    }

    /// Has TCP give a connection up if bytes stay unacknowledged for this long.
    pub(crate) fn with_user_timeout(mut self, limit: Option<Duration>) -> Self {
        self.user_timeout = limit;
        self
    }

    pub(crate) async fn connect(&self) -> Result<Dialled, TransportError> {
        let dialled = self.dial.open(self.endpoint.uri(), self.user_timeout).await;
        let unreachable = |e| self.unreachable("no connection to").with_source(e);
        let Dialled { io, peer } = dialled.map_err(unreachable)?;
        let Some(tls) = &self.tls else { return Ok(Dialled { io, peer }) };
        let encrypted = tls.connector.connect(tls.server.clone(), io).await;
        let encrypted = encrypted.map_err(|e| {
            let error = self.unreachable("no TLS connection to");
            if is_distrust(&e) { error.permanent() } else { error }.with_source(e)
        })?;
        match encrypted.get_ref().1.alpn_protocol() {
            Some(b"h2") => Ok(Dialled { io: Box::new(encrypted), peer }),
            _ => Err(self.unreachable("no HTTP/2 by ALPN at").permanent()),
        }
    }

    /// The limit on connecting, DNS to HTTP/2 settings.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    pub(crate) fn server(&self) -> &Uri {
        self.endpoint.uri()
    }

    pub(crate) fn unreachable(&self, what: &str) -> TransportError {
        TransportError::new(Code::Unavailable, Sent::No, format!("{what} {}", self.endpoint))
    }
}

/// Whether the server's certificate is not trusted: it will not be at the next attempt either.
fn is_distrust(error: &std::io::Error) -> bool {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
}

impl TlsTo {
    fn new(endpoint: &Endpoint, tls: &Tls) -> Result<Self, Error> {
        let connector = TlsConnector::from(Arc::new(tls.config()?));
        let server = ServerName::try_from(endpoint.host().to_owned()).map_err(
            |e: InvalidDnsNameError| {
                let message = format!("no certificate can name {:?}", endpoint.host());
                Error::new(Code::InvalidArgument, message).with_source(e)
            },
        )?;
        Ok(Self { connector, server })
    }
}
