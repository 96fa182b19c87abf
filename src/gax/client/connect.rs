//! Prepares a client for traffic: a token, and an open connection.

use crate::gax::{
    context::{after, before_sending, require_runtime},
    error::Error,
    net::pool::Connections,
    stack::auth::AuthLayer,
    transport_error::TransportError,
};
use std::time::Duration;
use tokio::time::Instant;

/// What a client needs before its first call.
#[derive(Clone, Debug)]
pub struct Preparation {
    pub(super) auth: AuthLayer,
    /// None if the user brings a channel.
    pub(super) connections: Option<Connections>,
    pub(super) limit: Duration,
}

impl Preparation {
    /// Fetches a token and opens a connection, side by side.
    pub(crate) async fn run(&self) -> Result<(), Error> {
        require_runtime().map_err(TransportError::into_error)?;
        let deadline = after(Instant::now(), self.limit);
        let token = before_sending(Some(deadline), "a token", self.auth.prepare());
        let connection = async {
            match &self.connections {
                Some(connections) => connections.connect(deadline).await,
                None => Ok(()),
            }
        };
        tokio::try_join!(token, connection).map(drop).map_err(TransportError::into_error)
    }
}
