//! The table of the Live Stream API. Requests are written without `request_id`, which the client
//! sets.

use crate::resources::*;
use livestream_client::{LivestreamClient, model::*};

type Case = crate::case::Case<LivestreamClient>;

pub(crate) fn livestream() -> Vec<Case> {
    let by_resource = [channels(), inputs(), events(), clips(), dvr_sessions(), assets(), pools()];
    by_resource.into_iter().flatten().collect()
}

fn channels() -> Vec<Case> {
    vec![
        Case::long_running(
            "CreateChannel",
            ("parent", LOCATION),
            |client| client.create_channel(&name(LOCATION), channel(), "news"),
            CreateChannelRequest {
                parent: LOCATION.into(),
                channel: Some(channel()),
                channel_id: "news".into(),
                ..Default::default()
            },
            channel(),
        ),
        Case::unary(
            "ListChannels",
            ("parent", LOCATION),
            |client| client.list_channels(&name(LOCATION)).filter(FILTER).order_by(ORDER),
            ListChannelsRequest {
                parent: LOCATION.into(),
                filter: FILTER.into(),
                order_by: ORDER.into(),
                ..Default::default()
            },
            ListChannelsResponse { channels: vec![channel()], ..Default::default() },
        ),
        Case::unary(
            "GetChannel",
            ("name", CHANNEL),
            |client| client.get_channel(&name(CHANNEL)),
            GetChannelRequest { name: CHANNEL.into() },
            channel(),
        ),
        Case::long_running(
            "DeleteChannel",
            ("name", CHANNEL),
            |client| client.delete_channel(&name(CHANNEL)).force(true),
            DeleteChannelRequest { name: CHANNEL.into(), force: true, ..Default::default() },
            (),
        ),
        Case::long_running(
            "UpdateChannel",
            ("channel.name", CHANNEL),
            |client| client.update_channel(channel(), mask("output")),
            UpdateChannelRequest {
                update_mask: Some(mask("output")),
                channel: Some(channel()),
                ..Default::default()
            },
            channel(),
        ),
        Case::long_running(
            "UpdateChannel",
            ("channel.name", CHANNEL),
            |client| client.update_channel(channel(), None),
            UpdateChannelRequest {
                update_mask: None,
                channel: Some(channel()),
                ..Default::default()
            },
            channel(),
        ),
        Case::long_running(
            "StartChannel",
            ("name", CHANNEL),
            |client| client.start_channel(&name(CHANNEL)),
            StartChannelRequest { name: CHANNEL.into(), ..Default::default() },
            ChannelOperationResponse {},
        ),
        Case::long_running(
            "StopChannel",
            ("name", CHANNEL),
            |client| client.stop_channel(&name(CHANNEL)),
            StopChannelRequest { name: CHANNEL.into(), ..Default::default() },
            ChannelOperationResponse {},
        ),
        Case::long_running(
            "StartDistribution",
            ("name", CHANNEL),
            |client| client.start_distribution(&name(CHANNEL), ["cdn", "partner"]),
            StartDistributionRequest {
                name: CHANNEL.into(),
                distribution_keys: vec!["cdn".into(), "partner".into()],
                ..Default::default()
            },
            ChannelOperationResponse {},
        ),
        Case::long_running(
            "StopDistribution",
            ("name", CHANNEL),
            |client| client.stop_distribution(&name(CHANNEL), ["cdn", "partner"]),
            StopDistributionRequest {
                name: CHANNEL.into(),
                distribution_keys: vec!["cdn".into(), "partner".into()],
                ..Default::default()
            },
            ChannelOperationResponse {},
        ),
    ]
}

fn inputs() -> Vec<Case> {
    vec![
        Case::long_running(
            "CreateInput",
            ("parent", LOCATION),
            |client| client.create_input(&name(LOCATION), input(), "camera"),
            CreateInputRequest {
                parent: LOCATION.into(),
                input: Some(input()),
                input_id: "camera".into(),
                ..Default::default()
            },
            input(),
        ),
        Case::unary(
            "ListInputs",
            ("parent", LOCATION),
            |client| client.list_inputs(&name(LOCATION)).filter(FILTER).order_by(ORDER),
            ListInputsRequest {
                parent: LOCATION.into(),
                filter: FILTER.into(),
                order_by: ORDER.into(),
                ..Default::default()
            },
            ListInputsResponse { inputs: vec![input()], ..Default::default() },
        ),
        Case::unary(
            "GetInput",
            ("name", INPUT),
            |client| client.get_input(&name(INPUT)),
            GetInputRequest { name: INPUT.into() },
            input(),
        ),
        Case::long_running(
            "DeleteInput",
            ("name", INPUT),
            |client| client.delete_input(&name(INPUT)),
            DeleteInputRequest { name: INPUT.into(), ..Default::default() },
            (),
        ),
        Case::long_running(
            "UpdateInput",
            ("input.name", INPUT),
            |client| client.update_input(input(), mask("tier")),
            UpdateInputRequest {
                update_mask: Some(mask("tier")),
                input: Some(input()),
                ..Default::default()
            },
            input(),
        ),
        Case::long_running(
            "UpdateInput",
            ("input.name", INPUT),
            |client| client.update_input(input(), None),
            UpdateInputRequest { update_mask: None, input: Some(input()), ..Default::default() },
            input(),
        ),
        Case::unary(
            "PreviewInput",
            ("name", INPUT),
            |client| client.preview_input(&name(INPUT)),
            PreviewInputRequest { name: INPUT.into() },
            PreviewInputResponse { uri: "https://preview".into(), bearer_token: "secret".into() },
        ),
    ]
}

fn events() -> Vec<Case> {
    vec![
        Case::unary(
            "CreateEvent",
            ("parent", CHANNEL),
            |client| client.create_event(&name(CHANNEL), event(), "ad"),
            CreateEventRequest {
                parent: CHANNEL.into(),
                event: Some(event()),
                event_id: "ad".into(),
                ..Default::default()
            },
            event(),
        ),
        Case::unary(
            "ListEvents",
            ("parent", CHANNEL),
            |client| client.list_events(&name(CHANNEL)).filter(FILTER).order_by(ORDER),
            ListEventsRequest {
                parent: CHANNEL.into(),
                filter: FILTER.into(),
                order_by: ORDER.into(),
                ..Default::default()
            },
            ListEventsResponse { events: vec![event()], ..Default::default() },
        ),
        Case::unary(
            "GetEvent",
            ("name", EVENT),
            |client| client.get_event(&name(EVENT)),
            GetEventRequest { name: EVENT.into() },
            event(),
        ),
        Case::unary(
            "DeleteEvent",
            ("name", EVENT),
            |client| client.delete_event(&name(EVENT)),
            DeleteEventRequest { name: EVENT.into(), ..Default::default() },
            (),
        ),
    ]
}

fn clips() -> Vec<Case> {
    vec![
        Case::unary(
            "ListClips",
            ("parent", CHANNEL),
            |client| client.list_clips(&name(CHANNEL)).filter(FILTER).order_by(ORDER),
            ListClipsRequest {
                parent: CHANNEL.into(),
                filter: FILTER.into(),
                order_by: ORDER.into(),
                ..Default::default()
            },
            ListClipsResponse { clips: vec![clip()], ..Default::default() },
        ),
        Case::unary(
            "GetClip",
            ("name", CLIP),
            |client| client.get_clip(&name(CLIP)),
            GetClipRequest { name: CLIP.into() },
            clip(),
        ),
        Case::long_running(
            "CreateClip",
            ("parent", CHANNEL),
            |client| client.create_clip(&name(CHANNEL), clip(), "goal"),
            CreateClipRequest {
                parent: CHANNEL.into(),
                clip: Some(clip()),
                clip_id: "goal".into(),
                ..Default::default()
            },
            clip(),
        ),
        Case::long_running(
            "DeleteClip",
            ("name", CLIP),
            |client| client.delete_clip(&name(CLIP)),
            DeleteClipRequest { name: CLIP.into(), ..Default::default() },
            (),
        ),
    ]
}

fn dvr_sessions() -> Vec<Case> {
    vec![
        Case::long_running(
            "CreateDvrSession",
            ("parent", CHANNEL),
            |client| client.create_dvr_session(&name(CHANNEL), dvr_session(), "Late_Show"),
            CreateDvrSessionRequest {
                parent: CHANNEL.into(),
                dvr_session: Some(dvr_session()),
                dvr_session_id: "Late_Show".into(),
                ..Default::default()
            },
            dvr_session(),
        ),
        Case::unary(
            "ListDvrSessions",
            ("parent", CHANNEL),
            |client| client.list_dvr_sessions(&name(CHANNEL)).filter(FILTER).order_by(ORDER),
            ListDvrSessionsRequest {
                parent: CHANNEL.into(),
                filter: FILTER.into(),
                order_by: ORDER.into(),
                ..Default::default()
            },
            ListDvrSessionsResponse { dvr_sessions: vec![dvr_session()], ..Default::default() },
        ),
        Case::unary(
            "GetDvrSession",
            ("name", DVR_SESSION),
            |client| client.get_dvr_session(&name(DVR_SESSION)),
            GetDvrSessionRequest { name: DVR_SESSION.into() },
            dvr_session(),
        ),
        Case::long_running(
            "DeleteDvrSession",
            ("name", DVR_SESSION),
            |client| client.delete_dvr_session(&name(DVR_SESSION)),
            DeleteDvrSessionRequest { name: DVR_SESSION.into(), ..Default::default() },
            (),
        ),
        Case::long_running(
            "UpdateDvrSession",
            ("dvr_session.name", DVR_SESSION),
            |client| client.update_dvr_session(dvr_session(), mask("dvr_windows")),
            UpdateDvrSessionRequest {
                update_mask: Some(mask("dvr_windows")),
                dvr_session: Some(dvr_session()),
                ..Default::default()
            },
            dvr_session(),
        ),
    ]
}

fn assets() -> Vec<Case> {
    vec![
        Case::long_running(
            "CreateAsset",
            ("parent", LOCATION),
            |client| client.create_asset(&name(LOCATION), asset(), "slate"),
            CreateAssetRequest {
                parent: LOCATION.into(),
                asset: Some(asset()),
                asset_id: "slate".into(),
                ..Default::default()
            },
            asset(),
        ),
        Case::long_running(
            "DeleteAsset",
            ("name", ASSET),
            |client| client.delete_asset(&name(ASSET)),
            DeleteAssetRequest { name: ASSET.into(), ..Default::default() },
            (),
        ),
        Case::unary(
            "GetAsset",
            ("name", ASSET),
            |client| client.get_asset(&name(ASSET)),
            GetAssetRequest { name: ASSET.into() },
            asset(),
        ),
        Case::unary(
            "ListAssets",
            ("parent", LOCATION),
            |client| client.list_assets(&name(LOCATION)).filter(FILTER).order_by(ORDER),
            ListAssetsRequest {
                parent: LOCATION.into(),
                filter: FILTER.into(),
                order_by: ORDER.into(),
                ..Default::default()
            },
            ListAssetsResponse { assets: vec![asset()], ..Default::default() },
        ),
    ]
}

fn pools() -> Vec<Case> {
    vec![
        Case::unary(
            "GetPool",
            ("name", POOL),
            |client| client.get_pool(&name(POOL)),
            GetPoolRequest { name: POOL.into() },
            pool(),
        ),
        Case::long_running(
            "UpdatePool",
            ("pool.name", POOL),
            |client| client.update_pool(pool(), mask("network_config")),
            UpdatePoolRequest {
                update_mask: Some(mask("network_config")),
                pool: Some(pool()),
                ..Default::default()
            },
            pool(),
        ),
        Case::long_running(
            "UpdatePool",
            ("pool.name", POOL),
            |client| client.update_pool(pool(), None),
            UpdatePoolRequest { update_mask: None, pool: Some(pool()), ..Default::default() },
            pool(),
        ),
    ]
}
