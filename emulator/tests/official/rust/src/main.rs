//! The official Rust client against the emulator, over HTTP/JSON.
//!
//! Usage: official-rust HOST:PORT

use google_cloud_auth::credentials::anonymous::Builder as Anonymous;
use google_cloud_gax::{
    error::{Error, rpc::StatusDetails},
    paginator::ItemPaginator as _,
};
use google_cloud_lro::Poller as _;
use google_cloud_video_livestream_v1::{client::LivestreamService, model};
use google_cloud_wkt::{Duration, FieldMask, Timestamp};
use serde_json::{Value, json};

const PARENT: &str = "projects/my-project/locations/us-central1";

struct Control(String);

impl Control {
    async fn post(&self, path: &str, body: Value) -> Value {
        let url = format!("http://{}/emulator/v1/{path}", self.0);
        let answer = reqwest::Client::new().post(url).json(&body).send().await.expect("sent");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.expect("JSON")
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("http://{}/emulator/v1/{path}", self.0);
        reqwest::get(url).await.expect("sent").json().await.expect("JSON")
    }

    /// The virtual time in seconds.
    async fn now(&self) -> i64 {
        let clock = self.get("clock").await;
        let time = clock["time"].as_str().expect("a time");
        Timestamp::try_from(time).expect("RFC 3339").seconds()
    }
}

fn channel() -> model::Channel {
    model::Channel::new()
        .set_output(model::channel::Output::new().set_uri("gs://bucket/news/"))
        .set_elementary_streams([model::ElementaryStream::new()
            .set_key("sound")
            .set_audio_stream(model::AudioStream::new().set_bitrate_bps(128_000))])
        .set_mux_streams([model::MuxStream::new()
            .set_key("sound")
            .set_elementary_streams(["sound"])])
        .set_manifests([model::Manifest::new()
            .set_key("main")
            .set_type(model::manifest::ManifestType::Hls)
            .set_mux_streams(["sound"])])
        .set_retention_config(
            model::RetentionConfig::new().set_retention_window_duration(Duration::clamp(86_400, 0)),
        )
}

/// Checks the code, and the reason and the domain in the details.
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, code: &str, reason: &str) {
    let error = result.expect_err(code);
    let status = error.status().unwrap_or_else(|| panic!("no status: {error:?}"));
    assert_eq!(status.code.name(), code, "{error:?}");
    let infos = status.details.iter().filter_map(|detail| match detail {
        StatusDetails::ErrorInfo(info) => Some((&*info.reason, &*info.domain)),
        _ => None,
    });
    let infos: Vec<_> = infos.collect();
    assert_eq!(infos, [(reason, "livestream.googleapis.com")], "{error:?}");
}

fn window(start: i64, end: i64) -> model::dvr_session::DvrWindow {
    let interval = model::TimeInterval::new()
        .set_start_time(Timestamp::clamp(start, 0))
        .set_end_time(Timestamp::clamp(end, 0));
    model::dvr_session::DvrWindow::new().set_time_interval(interval)
}

/// A DVR session that is shortened while it is live, and a clip of what was on air.
async fn record(
    client: &LivestreamService,
    control: &Control,
    channel: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    // Two hours of video.
    control.post("clock:advance", json!({"by": "7200s"})).await;
    let now = control.now().await;
    let manifest = model::dvr_session::DvrManifest::new().set_manifest_key("main");
    let session = model::DvrSession::new()
        .set_dvr_manifests([manifest])
        .set_dvr_windows([window(now - 3600, now + 3600)]);
    let create = client.create_dvr_session().set_parent(channel).set_dvr_session_id("evening");
    let session = create.set_dvr_session(session).poller().until_done().await?;
    assert_eq!(session.state.name(), Some("LIVE"), "{session:?}");
    let shorter = model::DvrSession::new()
        .set_name(&session.name)
        .set_dvr_windows([window(now - 3600, now - 60)]);
    let mask = FieldMask::default().set_paths(["dvr_windows"]);
    let update = client.update_dvr_session().set_dvr_session(shorter).set_update_mask(mask);
    let updated = update.poller().until_done().await?;
    assert_eq!(updated.dvr_windows.len(), 1, "{updated:?}");
    control.post("clock:advance", json!({"by": "120s"})).await;
    let read = client.get_dvr_session().set_name(&session.name).send().await?;
    assert_eq!(read.state.name(), Some("FINISHED"), "{read:?}");
    client.delete_dvr_session().set_name(&session.name).poller().until_done().await?;
    let gone = client.get_dvr_session().set_name(&session.name).send().await;
    refused(gone, "NOT_FOUND", "RESOURCE_NOT_FOUND");

    let slice = model::clip::TimeSlice::new()
        .set_markin_time(Timestamp::clamp(now - 600, 0))
        .set_markout_time(Timestamp::clamp(now - 300, 0));
    let clip = model::Clip::new()
        .set_slices([model::clip::Slice::new().set_time_slice(slice)])
        .set_clip_manifests([model::clip::ClipManifest::new().set_manifest_key("main")]);
    let create = client.create_clip().set_parent(channel).set_clip_id("goal").set_clip(clip);
    let clip = create.poller().until_done().await?;
    assert_eq!(clip.state.name(), Some("SUCCEEDED"), "{clip:?}");
    client.delete_clip().set_name(clip.name).poller().until_done().await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let host = std::env::args().nth(1).ok_or("usage: official-rust HOST:PORT")?;
    let control = Control(host.clone());
    let client = LivestreamService::builder()
        .with_endpoint(format!("http://{host}"))
        .with_credentials(Anonymous::new().build())
        .build()
        .await?;
    control.post("state:reset", json!({})).await;

    let input = model::Input::new().set_type(model::input::Type::RtmpPush);
    let create = client.create_input().set_parent(PARENT).set_input_id("camera").set_input(input);
    let input = create.poller().until_done().await?;
    assert!(input.uri.starts_with("rtmp://"), "{input:?}");
    for id in ["news", "late", "noon"] {
        let create = client.create_channel().set_parent(PARENT).set_channel_id(id);
        create.set_channel(channel()).poller().until_done().await?;
    }
    let list = client.list_channels().set_parent(PARENT).set_page_size(1).set_order_by("name desc");
    let (mut items, mut names) = (list.by_item(), Vec::new());
    while let Some(item) = items.next().await {
        names.push(item?.name.rsplit('/').next().unwrap_or_default().to_owned());
    }
    assert_eq!(names, ["noon", "news", "late"]);

    let news = format!("{PARENT}/channels/news");
    let absent = client.get_channel().set_name(format!("{news}s")).send().await;
    refused(absent, "NOT_FOUND", "RESOURCE_NOT_FOUND");
    let nowhere = "projects/my-project/locations/nowhere/channels/news";
    let nowhere = client.get_channel().set_name(nowhere).send().await;
    refused(nowhere, "NOT_FOUND", "LOCATION_NOT_FOUND");
    let again = client.create_channel().set_parent(PARENT).set_channel_id("news");
    let again = again.set_channel(channel()).send().await;
    refused(again, "ALREADY_EXISTS", "RESOURCE_ALREADY_EXISTS");
    let empty = client.create_channel().set_parent(PARENT).set_channel_id("x");
    let empty = empty.set_channel(model::Channel::new()).send().await;
    refused(empty, "INVALID_ARGUMENT", "INVALID_FIELD");
    let stopped = client.stop_channel().set_name(&news).send().await;
    refused(stopped, "FAILED_PRECONDITION", "WRONG_STATE");
    for at in 0..7 {
        let id = format!("n{at}");
        let create = client.create_channel().set_parent(PARENT).set_channel_id(&id);
        create.set_channel(channel()).poller().until_done().await?;
        names.push(id);
    }
    let eleventh = client.create_channel().set_parent(PARENT).set_channel_id("n7");
    let eleventh = eleventh.set_channel(channel()).send().await;
    refused(eleventh, "RESOURCE_EXHAUSTED", "RESOURCE_LIMIT_EXCEEDED");

    client.start_channel().set_name(&news).poller().until_done().await?;
    control.post("clock:advance", json!({"by": "60s"})).await;
    let read = client.get_channel().set_name(&news).send().await?;
    assert_eq!(read.streaming_state.name(), Some("STREAMING"));
    let ad_break = model::event::AdBreakTask::new().set_duration(Duration::clamp(30, 0));
    let event = model::Event::new().set_ad_break(ad_break).set_execute_now(true);
    let create = client.create_event().set_parent(&news).set_event_id("break").set_event(event);
    let event = create.send().await?;
    control.post("clock:advance", json!({"by": "3600s"})).await;
    let event = client.get_event().set_name(event.name).send().await?;
    assert_eq!(event.state.name(), Some("SUCCEEDED"));
    record(&client, &control, &news).await?;
    client.stop_channel().set_name(&news).poller().until_done().await?;

    let changed = model::Channel::new()
        .set_name(&news)
        .set_output(model::channel::Output::new().set_uri("gs://bucket/late/"));
    let mask = FieldMask::default().set_paths(["output"]);
    let update = client.update_channel().set_channel(changed).set_update_mask(mask);
    let updated = update.poller().until_done().await?;
    assert_eq!(updated.output.map(|output| output.uri).as_deref(), Some("gs://bucket/late/"));
    assert_eq!(updated.manifests.len(), 1);

    control.post("clock:pause", json!({})).await;
    let input = model::Input::new().set_type(model::input::Type::SrtPush);
    let create = client.create_input().set_parent(PARENT).set_input_id("third").set_input(input);
    let operation = create.send().await?;
    client.cancel_operation().set_name(&operation.name).send().await?;
    control.post("clock:advance", json!({"by": "0.5s"})).await;
    let resumed = client.get_operation().set_name(&operation.name).send().await?;
    assert!(resumed.done && resumed.error().is_some_and(|error| error.code == 1), "{resumed:?}");
    control.post("clock:resume", json!({})).await;

    control.post("requests:clear", json!({})).await;
    let down =
        json!({"method": "GetChannel", "times": 1, "status": {"code": 14, "message": "down"}});
    control.post("faults", down).await;
    let once = client.get_channel().set_name(&news).send().await;
    let log = control.get("requests?method=GetChannel").await;
    let attempts = log["requests"].as_array().map_or(0, Vec::len);
    // The client retries reads only if a policy is set.
    assert!(once.is_err() && attempts == 1 || once.is_ok() && attempts == 2, "{attempts}");
    assert_eq!(log["requests"][0]["json"], true);

    for name in names {
        let name = format!("{PARENT}/channels/{name}");
        client.delete_channel().set_name(name).set_force(true).poller().until_done().await?;
    }
    client.delete_input().set_name(format!("{PARENT}/inputs/camera")).poller().until_done().await?;
    println!("ok: Rust JSON");
    Ok(())
}
