//! Metrics, through the `metrics` facade: the recorder that a program installs receives them.
//!
//! Labels are few and bounded: a method, a code, a server. Resource names are not labels.

use super::attributes::{host, parts_of, port};
use http::{Uri, request::Parts};
use metrics::{Gauge, SharedString, counter, gauge, histogram};
use std::fmt;
use tokio::time::Instant;
use tonic::Code;

pub(super) struct Call {
    service: SharedString,
    method: SharedString,
    begun: Instant,
    in_flight: Gauge,
    is_over: bool,
}

impl Call {
    pub(super) fn begin(head: &Parts) -> Self {
        let path = head.uri.path();
        let (service, method) = parts_of(path);
        let (service, method) = (service.to_owned().into(), method.to_owned().into());
        let in_flight = gauge!("rpc.client.calls");
        in_flight.increment(1.0);
        Self { service, method, begun: Instant::now(), in_flight, is_over: false }
    }

    pub(super) fn attempted(&self, code: Code) {
        counter!("rpc.client.attempts", &self.labels(code)).increment(1);
    }

    pub(super) fn ended(&mut self, code: Code) {
        self.is_over = true;
        histogram!("rpc.client.duration", &self.labels(code)).record(self.begun.elapsed());
    }

    fn labels(&self, code: Code) -> [(&'static str, SharedString); 3] {
        [
            ("rpc.service", self.service.clone()),
            ("rpc.method", self.method.clone()),
            ("rpc.grpc.status_code", (code as i32).to_string().into()),
        ]
    }
}

impl Drop for Call {
    /// A call that is dropped before its end is cancelled.
    fn drop(&mut self) {
        if !self.is_over {
            self.ended(Code::Cancelled);
        }
        self.in_flight.decrement(1.0);
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("method", &self.method).finish_non_exhaustive()
    }
}

pub(super) struct Connection(Gauge);

impl Connection {
    pub(super) fn opened(server: &Uri) -> Self {
        let address = host(server).unwrap_or_default().to_owned();
        let port = port(server).map(|port| port.to_string()).unwrap_or_default();
        let open = gauge!(
            "rpc.client.connections", "server.address" => address, "server.port" => port
        );
        open.increment(1.0);
        Self(open)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}
