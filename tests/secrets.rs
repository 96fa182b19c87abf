//! Secrets appear in no `Debug`, no `Display`, no log, and not on an unencrypted connection.

mod peer;

use google_cloud_auth::{
    credentials::{CacheableResource, Credentials, CredentialsProvider, EntityTag},
    errors::CredentialsError,
};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Uri, header::AUTHORIZATION};
use livestream_client::{
    Builder, LivestreamClient, Tls,
    methods::classify,
    model::{
        Channel, CreateChannelRequest, Distribution, DistributionStream, Input, ListInputsResponse,
        PreviewInputResponse, RtmpPushOutputEndpoint, SrtPushOutputEndpoint, channel, distribution,
        srt_push_output_endpoint,
    },
    name::{ChannelName, InputName, LocationName, OperationName},
    policy::{CallPolicy, RetryPolicy},
    proto::google::{
        cloud::location::Location,
        longrunning::{self, ListOperationsResponse, operation},
        rpc,
    },
    stack::{AuthLayer, HeadersLayer, PolicyLayer},
};
use peer::{Peer, chain, log::Log, proxy::Tape, tls::Authority};
use prost::{Message, Name};
use prost_types::Any;
use std::{
    fmt::{self, Debug},
    io,
};
use tokio_stream::StreamExt;
use tonic::{Code, Status};
use tower::{Layer, ServiceExt as _};

const TOKEN: &str = "t0ken-of-the-test";
const HEADER: &str = "h3ader-of-the-test";
const STREAM_KEY: &str = "str3am-key-of-the-test";
const PREVIEW: &str = "pr3view-of-the-test";
const PASSWORD: &str = "p4ssword-of-the-test";

/// A text of the service, which an error contains, but no span and no event.
const TEXT: &str = "t3xt-of-the-service";

const SECRETS: [&str; 5] = [TOKEN, HEADER, STREAM_KEY, PREVIEW, PASSWORD];

#[track_caller]
fn assert_keeps_quiet(text: &str, what: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{what} tells {secret}: {text}");
        // A list of the secret's bytes also reveals it.
        let bytes = format!("{:?}", secret.as_bytes());
        assert!(!text.contains(bytes.trim_matches(['[', ']'])), "{what} tells {secret}: {text}");
    }
}

#[track_caller]
fn assert_debug_keeps_quiet(value: &impl Debug, what: &str) {
    assert_keeps_quiet(&format!("{value:?}"), what);
    assert_keeps_quiet(&format!("{value:#?}"), what);
}

/// Credentials that neither redact their token nor mark it as sensitive.
#[derive(Clone)]
struct Careless(EntityTag);

impl Careless {
    fn credentials() -> Credentials {
        Credentials::from(Self(EntityTag::new()))
    }
}

impl Debug for Careless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Careless({TOKEN})")
    }
}

impl CredentialsProvider for Careless {
    async fn headers(
        &self,
        _: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        let token = HeaderValue::try_from(format!("Bearer {TOKEN}")).expect("visible ASCII");
        let data = HeaderMap::from_iter([(AUTHORIZATION, token)]);
        Ok(CacheableResource::New { entity_tag: self.0.clone(), data })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

fn channel() -> Channel {
    let endpoint = RtmpPushOutputEndpoint {
        uri: "rtmp://live.test/app".into(),
        stream_key: STREAM_KEY.into(),
    };
    let distribution = Distribution {
        key: "partner".into(),
        endpoint: Some(distribution::Endpoint::RtmpPush(endpoint)),
        ..Default::default()
    };
    let stream = DistributionStream { key: "stream".into(), ..Default::default() };
    Channel {
        distributions: vec![distribution],
        distribution_streams: vec![stream],
        ..Default::default()
    }
}

fn location() -> LocationName {
    LocationName::new("p", "us-central1").expect("valid")
}

fn header() -> (HeaderName, HeaderValue) {
    (HeaderName::from_static("x-secret"), HeaderValue::from_static(HEADER))
}

fn builder() -> Builder<LivestreamClient> {
    let (chain, key) = Authority::new().client();
    let tls = Tls::new().with_identity_pem(chain, key).expect("they fit");
    LivestreamClient::builder()
        .endpoint("https://service.test")
        .credentials(Careless::credentials())
        .proxy(format!("http://me:{PASSWORD}@127.0.0.1:1"))
        .tls(tls)
        .retry(RetryPolicy::never())
}

#[tokio::test]
async fn debug_of_public_types_shows_no_secret() {
    assert_debug_keeps_quiet(&builder(), "the builder");
    assert_debug_keeps_quiet(
        &LivestreamClient::builder().endpoint(format!("https://me:{PASSWORD}@service.test")),
        "a builder with a bad endpoint",
    );
    let client = builder().build().expect("valid");
    assert_debug_keeps_quiet(&client, "the client");
    assert_debug_keeps_quiet(&client.stack(), "the stack");

    let (name, value) = header();
    let create = client.create_channel(&location(), channel(), "c").header(name, value);
    assert_debug_keeps_quiet(&create, "a call");
    assert_debug_keeps_quiet(create.request(), "a request");
    assert!(format!("{create:?}").contains("partner"), "the rest is shown: {create:?}");
    let error = create.await.expect_err("there is no such proxy");
    assert_debug_keeps_quiet(&error, "an error");
    assert_keeps_quiet(&chain(&error), "an error and its causes");
    let diagnostics = client.diagnostics();
    assert_eq!(diagnostics.last_errors.len(), 1, "{diagnostics}");
    assert_debug_keeps_quiet(&diagnostics, "the diagnostics");
    for text in [diagnostics.to_string(), diagnostics.to_json()] {
        assert_keeps_quiet(&text, "the diagnostics");
        assert!(text.contains("CreateChannel") && text.contains("UNAVAILABLE"), "{text}");
        assert!(!text.contains("partner") && !text.contains("us-central1"), "{text}");
    }

    let operation: OperationName = format!("{}/operations/o", location()).parse().expect("valid");
    let operation = client.resume::<CreateChannelRequest>(&operation);
    assert_debug_keeps_quiet(&operation, "an operation");
    assert_debug_keeps_quiet(&client.list_channels(&location()).items(), "a listing");

    let preview = PreviewInputResponse { bearer_token: PREVIEW.into(), ..Default::default() };
    assert_debug_keeps_quiet(&preview, "a preview");
    assert_debug_keeps_quiet(&channel(), "a channel");
}

/// Whatever a raw stub returns may be printed.
#[test]
fn debug_of_raw_operations_and_details_shows_no_packed_message() {
    let input =
        Input { uri: format!("srt://1.2.3.4:4201?streamid={STREAM_KEY}"), ..Input::default() };
    assert_debug_keeps_quiet(&input, "an input");
    let packed = || Any { type_url: Input::type_url(), value: input.encode_to_vec() };
    let status = rpc::Status { code: 3, message: "why".into(), details: vec![packed()] };
    let operation = |result| longrunning::Operation {
        name: "operations/o".into(),
        metadata: Some(packed()),
        done: true,
        result: Some(result),
    };
    let operations = vec![
        operation(operation::Result::Response(packed())),
        operation(operation::Result::Error(status.clone())),
    ];
    for operation in &operations {
        assert_debug_keeps_quiet(operation, "an operation");
        assert_debug_keeps_quiet(&operation.result, "its result");
        let shown = format!("{operation:?}");
        for part in ["operations/o", "done: true", "livestream.v1.Input", "[redacted]"] {
            assert!(shown.contains(part), "{part} is shown: {shown}");
        }
    }
    assert!(format!("{:?}", operations[1]).contains("\"why\""), "{:?}", operations[1]);
    let listed = ListOperationsResponse { operations, ..Default::default() };
    assert_debug_keeps_quiet(&listed, "a list of operations");
    assert_debug_keeps_quiet(&tonic::Response::new(listed), "a response of a stub");
    assert_debug_keeps_quiet(&status, "a status");
    let location = Location { metadata: Some(packed()), ..Location::default() };
    assert_debug_keeps_quiet(&location, "a location");
    let channel = Channel { streaming_error: Some(status), ..Channel::default() };
    assert_debug_keeps_quiet(&channel, "a channel that failed");
}

#[test]
fn debug_of_push_endpoints_shows_neither_streamid_nor_passphrase() {
    let source = srt_push_output_endpoint::PassphraseSource::PassphraseSecretVersion(
        "projects/p/secrets/s/versions/1".into(),
    );
    let srt = SrtPushOutputEndpoint {
        uri: format!("srt://h:1?streamid={STREAM_KEY}&passphrase={PASSWORD}"),
        passphrase_source: Some(source),
    };
    let rtmp = RtmpPushOutputEndpoint {
        uri: format!("rtmp://me:{PASSWORD}@live.test/app?key={STREAM_KEY}"),
        stream_key: STREAM_KEY.into(),
    };
    assert_debug_keeps_quiet(&srt, "an SRT endpoint");
    assert_debug_keeps_quiet(&rtmp, "an RTMP endpoint");
    assert!(format!("{srt:?}").contains("PassphraseSecretVersion(\"projects/p/"), "{srt:?}");
    for endpoint in [distribution::Endpoint::SrtPush(srt), distribution::Endpoint::RtmpPush(rtmp)] {
        let distribution = Distribution { endpoint: Some(endpoint), ..Default::default() };
        assert_debug_keeps_quiet(&distribution, "a distribution");
    }
}

#[test]
fn debug_of_layers_shows_no_secret() {
    let auth = AuthLayer::new(Careless::credentials());
    assert_debug_keeps_quiet(&auth, "the layer");
    let service = tower::service_fn(|_: http::Request<tonic::body::Body>| async {
        Err::<http::Response<tonic::body::Body>, _>(io::Error::other("not called"))
    });
    let service = service.map_request(|request| request);
    assert_debug_keeps_quiet(&auth.layer(service.clone()), "the layer over a service");
    let policy = PolicyLayer::new(CallPolicy::new(), classify);
    assert_debug_keeps_quiet(&policy, "the policy");
    assert_debug_keeps_quiet(&policy.layer(auth.layer(service.clone())), "the policy over a token");
    assert_debug_keeps_quiet(&HeadersLayer::new(&Uri::from_static("https://h")), "headers");
}

#[test]
fn an_invalid_tls_key_is_not_shown() {
    let key = format!("-----BEGIN PRIVATE KEY-----\n{PASSWORD}\n-----END PRIVATE KEY-----\n");
    let (chain_pem, _) = Authority::new().client();
    let error = Tls::new().with_identity_pem(chain_pem, &key).expect_err("not a key");
    assert_debug_keeps_quiet(&error, "the error");
    assert_keeps_quiet(&chain(&error), "the error");
}

#[tokio::test]
async fn a_token_is_in_no_log_and_is_encrypted_on_the_wire() {
    let (peer, authority) = (Peer::new(), Authority::new());
    let tape = Tape::default();
    let at = tape.listen(peer.listen_tls(authority.server(&["h2"])).await).await;
    let tls = Tls::without_roots().with_ca_pem(authority.pem()).expect("a certificate");
    let client = LivestreamClient::builder()
        .endpoint(format!("https://localhost:{}", at.port()))
        .credentials(Careless::credentials())
        .tls(tls)
        .propagator(|headers| drop(headers.insert("baggage", HeaderValue::from_static(HEADER))))
        .build()
        .expect("valid");

    let log = Log::start();
    let name = ChannelName::new("p", "us-central1", "c").expect("valid");
    for _ in 0..2 {
        client.get_channel(&name).await.expect("answered");
    }
    let input = InputName::new("p", "us-central1", "i").expect("valid");
    client.preview_input(&input).await.expect("answered");
    // The empty response is not a valid operation. Only the request matters here.
    let created = client.create_channel(&location(), channel(), "c").await;
    assert_keeps_quiet(&chain(&created.expect_err("no operation")), "the error");
    let log = log.text();

    let sent = peer.header("authorization");
    assert_eq!(sent, [const { "Bearer t0ken-of-the-test" }; 4], "the token itself arrived");
    assert_eq!(peer.header("baggage"), [HEADER; 4], "the propagator's header arrived");
    for source in ["h2::", "rustls::", "livestream_client::calls", "TRACE"] {
        assert!(log.contains(source), "the log holds what {source} has to say");
    }
    for span in ["span call", "span attempt", "rpc.status_code=\"OK\"", "CreateChannel"] {
        assert!(log.contains(span), "the log holds {span}");
    }
    assert_keeps_quiet(&log, "the log");
    let ours = log.lines().filter(|line| line.contains("livestream_client::"));
    for line in ours {
        for payload in ["partner", "live.test"] {
            assert!(!line.contains(payload), "what is sent is nobody's business: {line}");
        }
    }

    let wire = tape.bytes();
    assert!(wire.len() > 1_000, "the tap is on the right wire");
    for secret in SECRETS.into_iter().chain(["GetChannel", "us-central1"]) {
        let passed = wire.windows(secret.len()).any(|seen| seen == secret.as_bytes());
        assert!(!passed, "{secret} can be read on the wire");
    }
}

/// A peer with secrets in its responses, in the errors of calls and of operations, and in a response
/// that cannot be decoded.
fn careless_peer() -> Peer {
    Peer::new().answering(|path, request| {
        let input = Input {
            name: format!("{}/inputs/i", location()),
            uri: format!("srt://1.2.3.4:4201?streamid={STREAM_KEY}"),
            ..Input::default()
        };
        let packed = || Any { type_url: Input::type_url(), value: input.encode_to_vec() };
        let why = format!("{TEXT}: rtmp://me:{PASSWORD}@live.test/app");
        let failure = rpc::Status { code: 3, message: why.clone(), details: vec![packed()] };
        let operation = |id: &str, result: Option<operation::Result>| longrunning::Operation {
            name: format!("{}/operations/{id}", location()),
            metadata: Some(packed()),
            done: result.is_some(),
            result,
        };
        Ok(match path.rsplit('/').next().expect("a method") {
            "GetInput" => input.encode_to_vec(),
            "ListInputs" => {
                ListInputsResponse { inputs: vec![input], ..Default::default() }.encode_to_vec()
            }
            "PreviewInput" => {
                let uri = format!("https://live.test/preview?token={PREVIEW}");
                PreviewInputResponse { uri, bearer_token: PREVIEW.into() }.encode_to_vec()
            }
            "GetChannel" => Channel {
                streaming_state: channel::StreamingState::StreamingError.into(),
                streaming_error: Some(failure),
                ..channel()
            }
            .encode_to_vec(),
            "CreateInput" => operation("made", None).encode_to_vec(),
            "DeleteInput" => operation("failed", None).encode_to_vec(),
            "GetOperation" if request.ends_with(b"made") => {
                operation("made", Some(operation::Result::Response(packed()))).encode_to_vec()
            }
            "GetOperation" => {
                operation("failed", Some(operation::Result::Error(failure))).encode_to_vec()
            }
            "GetAsset" => [&[0xff], STREAM_KEY.as_bytes()].concat(),
            _ => {
                let details = failure.encode_to_vec().into();
                return Err(Status::with_details(Code::FailedPrecondition, why, details));
            }
        })
    })
}

#[tokio::test]
async fn responses_and_error_texts_of_the_service_are_in_no_log_and_no_diagnostics() {
    let client = careless_peer().client().build().expect("valid");
    let log = Log::start();
    let (input, channel) = (location().input("i").expect("valid"), peer::channel());
    let read = client.get_input(&input).await.expect("answered");
    assert!(read.uri.contains(STREAM_KEY), "the secret itself arrived");
    let preview = client.preview_input(&input).await.expect("answered");
    assert_eq!(preview.bearer_token, PREVIEW);
    client.list_inputs(&location()).items().collect().await.expect("answered");
    client.get_channel(&channel).await.expect("answered");
    let made = client.create_input(&location(), Input::default(), "i").await.expect("started");
    client.shared_waits(&location()).wait(made.clone()).await.expect("it is made");
    made.progress().map(|step| drop(step.expect("it is made"))).collect::<()>().await;

    let mut errors = vec![
        client.start_channel(&channel).await.expect_err("refused"),
        client.delete_input(&input).wait().await.expect_err("the operation fails"),
        client.get_asset(&location().asset("a").expect("valid")).await.expect_err("not a message"),
    ];
    let lost = client.wait_until(&channel, channel::StreamingState::Streaming).await;
    errors.push(lost.expect_err("it has failed"));
    let told = errors.iter().filter(|error| error.message().contains(TEXT)).count();
    assert_eq!(told, 3, "an error has the text of the service: {errors:?}");
    assert!(errors[2].code() == Code::Internal && !chain(&errors[2]).contains(STREAM_KEY));

    let log = log.text();
    for part in ["span wait", "StartChannel", "FAILED_PRECONDITION", "unreadable_response"] {
        assert!(log.contains(part), "the log holds {part}: {log}");
    }
    assert_keeps_quiet(&log, "the log");
    let ours = log.lines().filter(|line| line.contains("livestream_client::"));
    for line in ours {
        for text in [TEXT, "live.test", "1.2.3.4", "partner"] {
            assert!(!line.contains(text), "what the service sends is nobody's business: {line}");
        }
    }
    let diagnostics = client.diagnostics();
    assert_eq!(diagnostics.last_errors.len(), 2, "two calls failed: {diagnostics}");
    for text in [diagnostics.to_string(), diagnostics.to_json(), format!("{diagnostics:?}")] {
        assert_keeps_quiet(&text, "the diagnostics");
        assert!(!text.contains(TEXT), "{text}");
    }
}

#[tokio::test]
async fn a_token_over_plaintext_is_refused_before_any_connection() {
    let peer = Peer::new();
    let error = peer.client().credentials(Careless::credentials()).build();
    let error = error.expect_err("the service is not this machine");
    assert_eq!(error.code(), tonic::Code::FailedPrecondition, "{error:?}");
    assert_debug_keeps_quiet(&error, "the error");
    assert_eq!(peer.opened(), 0);
}
