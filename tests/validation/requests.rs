//! Requests: paths begin at the request, and an update is validated only in the fields that it
//! changes.

use super::{
    broken,
    channel::whole,
    resources::{at, pool, session, window},
};
use livestream_client::{
    LivestreamClient,
    model::{
        Channel, CreateChannelRequest, DvrSession, ElementaryStream, Input, LogConfig, Manifest,
        MuxStream, TextStream, UpdateChannelRequest, UpdateDvrSessionRequest, UpdateInputRequest,
        UpdatePoolRequest, channel::Output, elementary_stream, input::SecurityRule,
    },
    name::{ChannelName, LocationName},
    validation::{Context, Validate},
};
use prost_types::FieldMask;

fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

#[test]
fn a_create_request_is_validated_with_the_rules_of_its_resource() {
    let create = || CreateChannelRequest { channel: Some(whole()), ..Default::default() };
    broken(&create, |r| r.channel = None, &["`channel` is required"]);
    broken(
        &create,
        |r| r.channel.as_mut().unwrap().output = None,
        &["`channel.output.uri` is required"],
    );
}

/// An update of the log configuration alone.
fn update() -> UpdateChannelRequest {
    let channel = Channel { log_config: Some(LogConfig::default()), ..Default::default() };
    UpdateChannelRequest {
        update_mask: mask(&["log_config"]),
        channel: Some(channel),
        ..Default::default()
    }
}

fn channel(request: &mut UpdateChannelRequest) -> &mut Channel {
    request.channel.as_mut().unwrap()
}

#[test]
fn an_update_is_validated_only_in_the_fields_that_it_changes() {
    let no_folder = Some(Output { uri: "news".into() });
    let wrong = "`channel.output.uri` is `news`, but must be a Cloud Storage folder such as \
     `gs://my-bucket/folder`";
    broken(&update, |r| channel(r).output = no_folder.clone(), &[]);
    let edit = |r: &mut UpdateChannelRequest| {
        channel(r).output = no_folder.clone();
        r.update_mask = None;
    };
    broken(&update, edit, &[wrong]);
    broken(&update, |r| r.update_mask = None, &[]);
    broken(&update, |r| r.update_mask = mask(&["output"]), &["`channel.output.uri` is required"]);

    // Fields that no update changes are not validated.
    broken(&update, |r| channel(r).static_overlays = vec![Default::default()], &[]);
    broken(
        &update,
        |r| channel(r).name = "c".into(),
        &["`channel.name` is not a channel name \
         (`projects/{project}/locations/{location}/channels/{channel}`): \"c\": expected \
         `projects`, found \"c\""],
    );
}

#[test]
fn an_update_can_refer_to_streams_outside_of_its_mask() {
    let manifest = Manifest { r#type: 1, mux_streams: vec!["hd".into()], ..Default::default() };
    let edit = |r: &mut UpdateChannelRequest| {
        channel(r).manifests = vec![manifest.clone()];
        r.update_mask = mask(&["manifests"]);
    };
    broken(&update, edit, &[]);
    let sd = MuxStream { key: "sd".into(), ..Default::default() };
    let both = |r: &mut UpdateChannelRequest| {
        edit(r);
        channel(r).mux_streams = vec![sd];
    };
    broken(
        &update,
        both,
        &["`channel.manifests[0].mux_streams[0]` is `hd`, but the channel has no such mux \
             stream; it has `sd`"],
    );
}

#[test]
fn an_update_of_elementary_streams_does_not_know_whether_captions_are_distributed() {
    let text = TextStream {
        codec: "cea608".into(),
        output_cea_channel: "CC1".into(),
        ..Default::default()
    };
    let track = ElementaryStream {
        key: "text".into(),
        elementary_stream: Some(elementary_stream::ElementaryStream::TextStream(text)),
    };
    let edit = |r: &mut UpdateChannelRequest| {
        channel(r).elementary_streams = vec![track.clone()];
        r.update_mask = mask(&["elementary_streams"]);
    };
    broken(&update, edit, &[]);
}

#[test]
fn an_update_mask_names_only_mutable_fields() {
    let list = "`input_attachments`, `input_config`, `output`, `elementary_streams`, \
                `mux_streams`, `manifests`, `sprite_sheets`, `log_config`, `timecode_config`, \
                `encryptions`, `retention_config`";
    broken(
        &update,
        |r| r.update_mask = mask(&["log_config", "labels", "log_conf"]),
        &[
            &format!("`update_mask.paths[1]` is `labels`, but an update can change only {list}"),
            "`update_mask.paths[2]` is invalid: `Channel` has no field `log_conf`; did you mean \
             `log_config`?",
        ],
    );
    broken(
        &update,
        |r| r.update_mask = mask(&["log_config", "log_config"]),
        &["`update_mask.paths[1]` is a duplicate: `update_mask.paths[0]` is also `log_config`"],
    );
    broken(&update, |r| r.update_mask = mask(&[]), &["`update_mask.paths` is required"]);
}

#[test]
fn updates_of_dvr_sessions_inputs_and_pools_are_validated() {
    let update = || UpdateDvrSessionRequest {
        update_mask: mask(&["dvr_windows"]),
        dvr_session: Some(DvrSession { dvr_manifests: Vec::new(), ..session() }),
        ..Default::default()
    };
    broken(&update, |r| r.update_mask = None, &["`update_mask` is required"]);
    broken(
        &update,
        |r| r.update_mask = mask(&["dvr_windows", "labels"]),
        &["`update_mask.paths[1]` is `labels`, but an update can change only `dvr_windows`"],
    );
    let empty = DvrSession { dvr_windows: vec![window(at(5), at(5))], ..Default::default() };
    broken(
        &update,
        |r| r.dvr_session = Some(empty),
        &["`dvr_session.dvr_windows[0].time_interval.end_time` must be after `start_time`"],
    );

    let rules = SecurityRule { ip_ranges: vec!["10.0.0.0/8".into()] };
    let update = || UpdateInputRequest {
        update_mask: mask(&["security_rules"]),
        input: Some(Input { security_rules: Some(rules.clone()), ..Default::default() }),
        ..Default::default()
    };
    let wrong = SecurityRule { ip_ranges: vec!["10.0.0.0".into()] };
    broken(
        &update,
        |r| r.input.as_mut().unwrap().security_rules = Some(wrong),
        &["`input.security_rules.ip_ranges[0]` is `10.0.0.0`, but must be a CIDR block such as \
         `192.0.1.0/24`"],
    );

    let update = || UpdatePoolRequest { pool: Some(pool()), ..Default::default() };
    broken(
        &update,
        |r| r.update_mask = mask(&["network_config", "labels"]),
        &["`update_mask.paths[1]` is `labels`, but an update can change only `network_config`"],
    );
    broken(
        &update,
        |r| r.pool.as_mut().unwrap().network_config.as_mut().unwrap().peered_network = "n".into(),
        &["`pool.network_config.peered_network` is not a network name \
         (`projects/{project}/global/networks/{network}`): \"n\": expected `projects`, found \"n\""],
    );
}

#[tokio::test]
async fn a_validated_call_reports_every_invalid_field_and_is_not_sent() {
    let builder = LivestreamClient::builder().endpoint("http://127.0.0.1:1");
    let client = builder.anonymous().build().unwrap();
    let location = LocationName::new("p", "us-central1").unwrap();
    assert!(client.create_channel(&location, whole(), "news").validated().is_ok());

    let call = client.create_channel(&location, Channel::default(), "news");
    let error = call.with(|r| r.channel.as_mut().unwrap().manifests.push(Manifest::default()));
    let error = error.validated().unwrap_err();
    assert!(error.is_invalid_request());
    assert_eq!(error.field(), Some("channel.output.uri"));
    assert_eq!(error.attempts(), 0);
    assert_eq!(
        error.to_string(),
        "CreateChannel projects/p/locations/us-central1/channels/news: InvalidArgument: \
         `channel.output.uri` is required; `channel.manifests[0].type` is required; \
         `channel.manifests[0].mux_streams` is required"
    );

    let name = ChannelName::new("p", "us-central1", "news").unwrap();
    let channel = Channel { manifests: Vec::new(), ..whole() };
    let call = client.create_dvr_session(&name, session(), "evening");
    let error = call.clone().validated_in(Context::new().on(&channel)).unwrap_err();
    assert_eq!(error.field(), Some("dvr_session.dvr_manifests[0].manifest_key"));
    assert!(call.validated().is_ok());
}

#[test]
fn a_complete_request_is_valid() {
    let request = UpdateChannelRequest { channel: Some(whole()), ..Default::default() };
    assert_eq!(request.violations(), []);
}
