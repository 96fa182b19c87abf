//! Lists with any page token, filter and order. The emulator must list or refuse the request, and every
//! listing must end.

#![no_main]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use livestream_emulator::{Emulator, EmulatorService};
use livestream_client::model::{CreateInputRequest, Input, ListInputsRequest, input::Type, livestream_service_client::LivestreamServiceClient};
use livestream_client_fuzz::{run, split};
use std::{collections::HashSet, sync::LazyLock, time::Duration};
use tonic::Code;

const PARENT: &str = "projects/p/locations/us-central1";

const INPUTS: usize = 5;

static EMULATOR: LazyLock<Emulator> = LazyLock::new(|| {
    let emulator = Emulator::builder().manual_clock().build();
    run(async {
        for input_id in 0..INPUTS {
            let request = CreateInputRequest {
                parent: PARENT.to_owned(),
                input_id: format!("input-{input_id}"),
                input: Some(Input { r#type: Type::SrtPush.into(), ..Default::default() }),
                ..Default::default()
            };
            let mut stub = LivestreamServiceClient::new(emulator.service());
            stub.create_input(request).await.expect("an operation");
            emulator.advance(Duration::from_secs(600));
        }
    });
    emulator
});

// The input is the kind of the token, the page size, then three lines: the token, the filter, the order.
fuzz_target!(|input: &[u8]| {
    let [kind, size, rest @ ..] = input else { return };
    let Ok(rest) = std::str::from_utf8(rest) else { return };
    let (token, rest) = split(rest.as_bytes(), b"\n");
    let (filter, order_by) = split(rest, b"\n");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let request = ListInputsRequest {
        parent: PARENT.to_owned(),
        page_size: i32::from(size.cast_signed()),
        filter: text(filter),
        order_by: text(order_by),
        ..Default::default()
    };
    let stub = LivestreamServiceClient::new(EMULATOR.service());
    run(list(stub, request, kind % 3, text(token)));
});

async fn list(
    mut stub: LivestreamServiceClient<EmulatorService>,
    mut request: ListInputsRequest,
    kind: u8,
    token: String,
) {
    request.page_token = match kind {
        0 => token,
        1 => URL_SAFE_NO_PAD.encode(token),
        // A real token up to its first space, which identifies the listing.
        _ => {
            let first = ListInputsRequest { page_size: 1, ..request.clone() };
            let Ok(page) = stub.list_inputs(first).await else { return };
            let real = URL_SAFE_NO_PAD.decode(page.into_inner().next_page_token).expect("ours");
            let (print, _) = split(&real, b" ");
            URL_SAFE_NO_PAD.encode([print, b" ", token.as_bytes()].concat())
        }
    };
    let mut seen = HashSet::new();
    for _ in 0..=INPUTS {
        match stub.list_inputs(request.clone()).await {
            Ok(page) => {
                let page = page.into_inner();
                assert!(page.inputs.into_iter().all(|input| seen.insert(input.name)));
                request.page_token = page.next_page_token;
            }
            Err(refusal) => {
                assert_eq!(refusal.code(), Code::InvalidArgument, "{refusal}");
                return;
            }
        }
        if request.page_token.is_empty() {
            return;
        }
    }
    panic!("the listing does not end");
}
