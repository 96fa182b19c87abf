//! A caller of the backend, for the tour and the tests.

use axum::{body::Body, http::Request};
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use std::{error::Error, net::SocketAddr};

pub type Failure = Box<dyn Error + Send + Sync>;
pub type Result<T = (), E = Failure> = std::result::Result<T, E>;

#[derive(Clone, Debug)]
pub struct Caller {
    client: Client<HttpConnector, Body>,
    backend: SocketAddr,
}

impl Caller {
    pub fn new(backend: SocketAddr) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), backend }
    }

    /// Sends a request, and returns the status and the body of the response.
    pub async fn send(&self, method: &str, path: &str) -> Result<(u16, String)> {
        let response = self.client.request(self.request(method, path)?).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8(body.to_vec())?))
    }

    /// Follows an event. Dropping the stream closes its connection.
    pub async fn watch(&self, id: &str) -> Result<Messages> {
        let request = self.request("GET", &format!("/events/{id}/watch"))?;
        let body = Body::new(self.client.request(request).await?.into_body());
        Ok(Messages { body, text: String::new() })
    }

    fn request(&self, method: &str, path: &str) -> Result<Request<Body>> {
        let uri = format!("http://{}{path}", self.backend);
        Ok(Request::builder().method(method).uri(uri).body(Body::empty())?)
    }
}

/// Server-sent events.
#[derive(Debug)]
pub struct Messages {
    body: Body,
    text: String,
}

impl Messages {
    /// The name and the data of the next message, or `None` at the end of the stream.
    pub async fn next(&mut self) -> Result<Option<(String, String)>> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name| block.lines().find_map(|line| line.strip_prefix(name));
                let message = field("event: ").zip(field("data: "));
                let message = message.map(|(event, data)| (event.to_owned(), data.to_owned()));
                self.text = rest.to_owned();
                // A block without a message keeps the connection alive.
                if message.is_some() {
                    return Ok(message);
                }
            }
            let Some(frame) = self.body.frame().await.transpose()? else { return Ok(None) };
            self.text.push_str(str::from_utf8(&frame.into_data().unwrap_or_default())?);
        }
    }
}
