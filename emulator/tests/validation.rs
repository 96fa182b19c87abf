//! Validation: requests that the emulator refuses, with the paths of the invalid fields.

mod support;

use livestream_client::model::{
    self, Channel, Input, channel::Output, input::SecurityRule, manifest::ManifestType,
};
use prost_types::FieldMask;
use support::{CHANNEL, INPUT, LOCATION, Service, channel, code, input, name};
use tonic::{Code, Status};
use tonic_types::{FieldViolation, StatusExt as _};

#[tokio::test]
async fn an_invalid_channel_is_refused_with_the_field_path() {
    let mut service = Service::new();
    service.make_input().await;
    let attached = |input: &str| model::InputAttachment {
        key: "main".to_owned(),
        input: input.to_owned(),
        automatic_failover: None,
    };
    let bad: [(&str, &str, Channel); 6] = [
        ("Evening", "channel_id", channel()),
        ("news", "channel.output.uri", Channel { output: None, ..channel() }),
        (
            "news",
            "channel.output.uri",
            Channel { output: Some(Output { uri: "s3://bucket".to_owned() }), ..channel() },
        ),
        (
            "news",
            "channel.input_attachments[1].key",
            Channel { input_attachments: vec![attached(INPUT), attached(INPUT)], ..channel() },
        ),
        (
            "news",
            "channel.input_attachments[0].input",
            Channel {
                input_attachments: vec![attached("projects/p/locations/other/inputs/camera")],
                ..channel()
            },
        ),
        (
            "news",
            "channel.mux_streams[0].elementary_streams[0]",
            Channel {
                mux_streams: vec![model::MuxStream {
                    key: "sound".to_owned(),
                    elementary_streams: vec!["absent".to_owned()],
                    ..Default::default()
                }],
                ..channel()
            },
        ),
    ];
    for (id, field, channel) in bad {
        let refusal = service.create_channel(id, channel).await.expect_err(field);
        assert_eq!(refusal.code(), Code::InvalidArgument, "{field}");
        let details = refusal.get_details_bad_request().expect("a BadRequest");
        assert_eq!(details.field_violations[0].field, field);
    }
    let absent = format!("{LOCATION}/inputs/absent");
    let refused = Channel { input_attachments: vec![attached(&absent)], ..channel() };
    assert_eq!(code(service.create_channel("news", refused).await), Code::NotFound);
}

#[tokio::test]
async fn an_invalid_channel_is_refused_with_every_violation() {
    let mut service = Service::new();
    let mut channel = channel();
    channel.output = None;
    channel.mux_streams[0].key.clear();
    channel.manifests[0].max_segment_count = 2;
    let refusal =
        service.create_channel("news", channel.clone()).await.expect_err("four violations");
    assert_eq!(refusal.code(), Code::InvalidArgument);
    let found = refusal.get_details_bad_request().expect("a BadRequest").field_violations;
    let fields = |found: &[FieldViolation]| {
        found.iter().map(|violation| violation.field.clone()).collect::<Vec<_>>()
    };
    let expected = [
        "channel.output.uri",
        "channel.mux_streams[0].key",
        "channel.manifests[0].max_segment_count",
        "channel.manifests[0].mux_streams[0]",
    ];
    assert_eq!(fields(&found), expected);
    assert_eq!(found[0].description, "is required");

    service.make_channel().await;
    channel.name = CHANNEL.to_owned();
    let paths = ["output", "mux_streams", "manifests"].map(str::to_owned).into();
    let update = model::UpdateChannelRequest {
        channel: Some(channel),
        update_mask: Some(FieldMask { paths }),
        request_id: String::new(),
    };
    let refusal = service.live.update_channel(update).await.expect_err("four violations");
    let found = refusal.get_details_bad_request().expect("a BadRequest").field_violations;
    assert_eq!(fields(&found), expected);
}

#[tokio::test]
async fn an_update_is_refused_if_the_resulting_channel_is_invalid() {
    let mut service = Service::new();
    service.make_channel().await;
    // The mux stream that this manifest names is not in the request but in the stored channel.
    let manifests = vec![support::manifest("second", ManifestType::Hls)];
    let new = Channel { name: CHANNEL.to_owned(), manifests, ..Default::default() };
    let update = |paths: &[&str]| model::UpdateChannelRequest {
        channel: Some(new.clone()),
        update_mask: Some(FieldMask { paths: paths.iter().map(|&path| path.to_owned()).collect() }),
        request_id: String::new(),
    };
    let refusal = service.live.update_channel(update(&["manifests", "mux_streams"])).await;
    let refusal = refusal.expect_err("the manifest's mux stream is removed");
    let found = refusal.get_details_bad_request().expect("a BadRequest").field_violations;
    assert_eq!(found[0].field, "channel.manifests[0].mux_streams[0]");
    service.live.update_channel(update(&["manifests"])).await.expect("valid as a whole");
}

#[tokio::test]
async fn malformed_names_request_ids_and_inputs_are_refused() {
    let mut service = Service::new();
    let malformed = service.live.get_channel(name("projects/p/channels/c")).await;
    assert_eq!(code(malformed), Code::InvalidArgument);
    let mut request = service.create_input_request("camera");
    request.request_id = "not-a-uuid".to_owned();
    assert_eq!(code(service.live.create_input(request).await), Code::InvalidArgument);
    let mut request = service.create_input_request("camera");
    request.input = Some(Input::default());
    assert_eq!(code(service.live.create_input(request).await), Code::InvalidArgument);
    for range in ["192.0.2.0", "192.0.2.0/33", "192.0.2.0/+24", "::/129", "host/8"] {
        let mut request = service.create_input_request("camera");
        let rules = SecurityRule { ip_ranges: vec![range.to_owned()] };
        request.input = Some(Input { security_rules: Some(rules), ..input() });
        assert_eq!(
            code(service.live.create_input(request).await),
            Code::InvalidArgument,
            "{range}"
        );
    }
}

/// gRPC clients refuse responses whose headers or trailers are longer than 8 KiB.
#[tokio::test]
async fn the_trailers_of_an_error_stay_below_8_kib() {
    fn size(refusal: &Status) -> usize {
        let response = refusal.clone().into_http::<tonic::body::Body>();
        let headers = response.headers().iter();
        headers.map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
    }

    let mut service = Service::new();
    for (count, key) in [(2, "x"), (30, "x"), (3000, "x"), (3000, "\u{2603}"), (40, "x\u{e9} %")] {
        let stream = |at| model::MuxStream {
            key: format!("{}{at}", key.repeat(30)),
            elementary_streams: vec![key.repeat(100)],
            ..Default::default()
        };
        let mux_streams = (0..count).map(stream).collect();
        let refusal = service.create_channel("news", Channel { mux_streams, ..channel() }).await;
        let refusal = refusal.expect_err("unknown elementary streams");
        let details = refusal.get_details_bad_request().expect("a BadRequest");
        let shown = details.field_violations.len();
        assert!(shown > 0 && size(&refusal) < 7 * 1024, "{count}, {key}: {}", size(&refusal));
        if count > 30 {
            let (_, more) = refusal.message().rsplit_once("; and ").expect("there are more");
            let more: usize = more.trim_end_matches(" more").parse().expect("a number");
            assert!(more > 0 && shown + more >= count, "{shown} and {more}");
        } else if count == 2 {
            assert!(!refusal.message().contains(" more"), "{}", refusal.message());
        }
    }

    let long = "\u{2603}".repeat(5000);
    let absent = format!("{LOCATION}/channels/{long}");
    let filter = model::ListChannelsRequest {
        parent: LOCATION.to_owned(),
        filter: format!("{long} = 3"),
        ..Default::default()
    };
    let refusals = [
        service.live.get_channel(name(&absent)).await.map(drop),
        service.live.list_channels(filter).await.map(drop),
        service.create_channel(&long, channel()).await.map(drop),
        service
            .live
            .get_input(name(&format!("projects/p/locations/{long}/inputs/i")))
            .await
            .map(drop),
    ];
    for refusal in refusals {
        let refusal = refusal.expect_err("no such thing");
        assert!(size(&refusal) < 7 * 1024, "{:?}: {}", refusal.code(), size(&refusal));
    }
}
