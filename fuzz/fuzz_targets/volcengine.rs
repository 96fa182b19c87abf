//! Responds to each action with any bytes. The call must end with a response or with a readable error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use livestream_client::{
    policy::RetryPolicy,
    volcengine::{
        AccessKey, TimeShift,
        model::{
            CreateTimeShiftPresetRequest, DeleteTimeShiftPresetRequest,
            ListTimeShiftPresetsRequest, UpdateTimeShiftPresetRequest,
        },
    },
};
use livestream_client_fuzz::run;
use std::{io, sync::Arc};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tower::service_fn;

// The input is the action, then the form of the rest: a whole HTTP response, or the body of a response
// with one of these statuses.
const STATUSES: [&str; 6] = ["200", "400", "403", "429", "503", "204"];

fuzz_target!(|input: &[u8]| {
    let [action, how, rest @ ..] = input else { return };
    let answer = match STATUSES.get(usize::from(*how)) {
        Some(status) => {
            let length = rest.len();
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n");
            [head.as_bytes(), rest].concat()
        }
        None => rest.to_vec(),
    };
    run(act(action % 4, answer.into()));
});

async fn act(action: u8, answer: Arc<[u8]>) {
    let dial = service_fn(move |_| {
        let (ours, theirs) = duplex(1 << 16);
        tokio::spawn(send(theirs, answer.clone()));
        async { Ok::<_, io::Error>(ours) }
    });
    let mut client = TimeShift::builder()
        .access_key(AccessKey::new("AKLTEXAMPLE", "c2VjcmV0").expect("valid keys"))
        .endpoint("http://127.0.0.1:80")
        .connector(dial)
        .allow_plaintext_tokens()
        // Two attempts are enough, because every response is the same.
        .retry(RetryPolicy::default().with_max_attempts(2))
        .build()
        .expect("a client")
        .client();
    let (vhost, app) = ("push.example.com".to_owned(), "live".to_owned());
    let (pull_domain, max_shift_time) = ("pull.example.com".to_owned(), 86_400);
    let result = match action {
        0 => client.list_time_shift_presets(ListTimeShiftPresetsRequest::default()).await.map(drop),
        1 => {
            let stream = String::new();
            let request = UpdateTimeShiftPresetRequest { vhost, app, stream, max_shift_time };
            client.update_time_shift_preset(request).await.map(drop)
        }
        2 => {
            let request = DeleteTimeShiftPresetRequest { vhost, app };
            client.delete_time_shift_preset(request).await.map(drop)
        }
        _ => {
            let request = CreateTimeShiftPresetRequest {
                vhost,
                app,
                pull_domain,
                max_shift_time,
                ..Default::default()
            };
            client.create_time_shift_preset(request).await.map(drop)
        }
    };
    if let Err(status) = result {
        assert!(!format!("{status} {status:?}").is_empty());
    }
}

/// Responds when the request begins, then closes the connection.
async fn send(mut io: DuplexStream, answer: Arc<[u8]>) {
    let mut request = [0; 4096];
    let _ = io.read(&mut request).await;
    let _ = io.write_all(&answer).await;
    let _ = io.shutdown().await;
}
