//! One case: a call of a client, the expected request, and the expected result.

use crate::recorder::{Recorder, Sent};
use livestream_client::{
    Call, Client, Error, Operation,
    proto::google::longrunning::{Operation as RawOperation, operation::Result::Response},
    rpc::{LongRunning, Rpc},
};
use prost_types::Any;
use std::{
    fmt::Debug,
    future::{Future, IntoFuture},
    marker::PhantomData,
    mem,
    pin::Pin,
};
use uuid::Uuid;

pub(crate) type Run = Pin<Box<dyn Future<Output = Sent>>>;

/// One call of a client, not sent yet.
pub(crate) struct Case<C> {
    /// The RPC's name.
    pub(crate) name: &'static str,
    /// The expected value of `x-goog-request-params`.
    pub(crate) route: String,
    /// The resource that the request is routed by.
    pub(crate) resource: String,
    /// Sends the call, checks request and result, and returns the sent request. Sends the call again, and
    /// the service refuses it.
    pub(crate) run: Run,
    client: PhantomData<C>,
}

impl<C: Client + 'static> Case<C> {
    /// An RPC that returns its result directly.
    pub(crate) fn unary<R>(
        name: &'static str,
        (field, value): (&str, &str),
        call: impl FnOnce(&C) -> Call<R> + 'static,
        request: R,
        answer: R::Response,
    ) -> Self
    where
        R: Rpc + Debug + PartialEq,
        R::Response: Debug + PartialEq,
        Call<R>: IntoFuture<Output = Result<R::Response, Error>>,
    {
        let run = Box::pin(async move {
            let (recorder, client) = connect(&answer);
            let call = call(&client);
            assert_eq!(call.clone().await.expect(name), answer, "{name}");
            let sent = check_request(name, &recorder, request);
            fail(&recorder, call).await;
            sent
        });
        Self::new(name, field, value, run)
    }

    /// An RPC that starts an operation, which is done at once here.
    pub(crate) fn long_running<R>(
        name: &'static str,
        (field, value): (&str, &str),
        call: impl FnOnce(&C) -> Call<R> + 'static,
        request: R,
        output: <R as LongRunning>::Output,
    ) -> Self
    where
        R: LongRunning + Debug + PartialEq,
        <R as LongRunning>::Output: Debug + PartialEq,
        Call<R>:
            IntoFuture<Output = Result<Operation<<R as LongRunning>::Output, R::Metadata>, Error>>,
    {
        let run = Box::pin(async move {
            let response = Any::from_msg(&output).expect("an answer can be packed");
            let (recorder, client) = connect(&RawOperation {
                name: "projects/1/locations/us-central1/operations/operation-1".into(),
                done: true,
                result: Some(Response(response)),
                ..Default::default()
            });
            let call = call(&client);
            let mut operation = call.clone().await.expect(name);
            assert_eq!(operation.wait().await.expect(name), output, "{name}");
            let sent = check_request(name, &recorder, request);
            fail(&recorder, call).await;
            sent
        });
        Self::new(name, field, value, run)
    }

    fn new(name: &'static str, field: &str, value: &str, run: Run) -> Self {
        let (route, resource) = (route(field, value), value.to_owned());
        Self { name, route, resource, run, client: PhantomData }
    }
}

/// The routing header of a resource name, in which only `/` and `:` need escaping.
fn route(field: &str, value: &str) -> String {
    format!("{field}={}", value.replace('/', "%2F").replace(':', "%3A"))
}

fn connect<C: Client + 'static>(answer: &impl prost::Message) -> (Recorder, C) {
    let recorder = Recorder::answering(answer);
    let client = C::builder().channel(recorder.clone()).build();
    (recorder, client.expect("a client over a channel of one's own needs nothing else"))
}

async fn fail<T>(recorder: &Recorder, call: impl IntoFuture<Output = Result<T, Error>>) {
    recorder.fail();
    let Err(error) = call.await else { panic!("the service refuses it") };
    assert!(error.is_not_found(), "{error}");
    recorder.take_only();
}

/// Asserts that the request is as expected, except for a `request_id` that the client has set.
fn check_request<R: Rpc + Debug + PartialEq>(name: &str, recorder: &Recorder, expected: R) -> Sent {
    let mut sent = recorder.take_only();
    let mut request = sent.message::<R>();
    sent.request_id = request.request_id().map(str::to_owned);
    if let Some(id) = request.request_id_mut() {
        let id = Uuid::try_parse(&mem::take(id)).expect(name);
        assert_eq!(id.get_version_num(), 4, "{name}: {id}");
    }
    assert_eq!(request, expected, "{name}");
    sent
}
