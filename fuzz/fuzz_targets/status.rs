//! Responds to a call with any bytes and any status. The call must end with a response or with a readable
//! error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use livestream_client::{
    Error, LivestreamClient,
    model::{GetChannelRequest, livestream_service_client::LivestreamServiceClient},
    name::ChannelName,
    policy::RetryPolicy,
};
use livestream_client_fuzz::{Answer, run};
use std::convert::Infallible;
use tonic::Status;
use tower::service_fn;

fuzz_target!(|input: &[u8]| {
    if let Some(answer) = Answer::read(input) {
        run(call(answer));
    }
});

async fn call(answer: Answer) {
    let answers = service_fn(move |_| {
        let answer = answer.clone();
        async { Ok::<_, Infallible>(answer.into_response()) }
    });
    // Two attempts are enough, because every response is the same.
    let retry = RetryPolicy::default().with_max_attempts(2);
    let client =
        LivestreamClient::builder().channel(answers).retry(retry).build().expect("a client");
    let name = ChannelName::new("p", "l", "c").expect("a valid name");

    let typed = client.get_channel(&name).await;
    let mut stub = LivestreamServiceClient::new(client.stack());
    let raw = stub.get_channel(GetChannelRequest { name: name.to_string() }).await;
    // The typed call is stricter: it accepts exactly one message.
    assert!(typed.is_err() || raw.is_ok(), "{typed:?} {raw:?}");
    if let Err(error) = typed {
        look_at(error);
    }

    match client.start_channel(&name).await {
        Ok(mut operation) => {
            let _ = operation.metadata().map_err(look_at);
            let _ = operation.poll().await.map_err(look_at);
        }
        Err(error) => look_at(error),
    }
}

fn look_at(error: Error) {
    let text = format!("{error} {error:?} {:?} {:?}", error.details(), error.metadata());
    assert!(!text.is_empty());
    let code = error.code();
    assert_eq!(Status::from(error).code(), code);
}
