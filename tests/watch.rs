//! A watch sees every state of every kind of resource, in virtual time.

mod support;

use livestream_client::{
    Watched,
    model::{
        Asset, Channel, Clip, Distribution, DistributionStream, DvrSession, Event,
        RtmpPushOutputEndpoint,
        asset::{self, Resource, VideoAsset},
        channel::StreamingState,
        clip,
        distribution::{self, Endpoint},
        dvr_session::{self, dvr_window::Kind},
        event::{self, AdBreakTask, ReturnToProgramTask, Task},
    },
    name::{AssetName, ChannelName, ClipName, DvrSessionName, EventName},
};
use livestream_emulator::Emulator;
use prost_types::FieldMask;
use std::{collections::BTreeSet, fmt::Debug};
use support::fixture::{Fixture, sleep_seconds};
use tonic::Status;

/// Asserts that the states are all states of the definition except the unspecified one.
fn assert_all<S: TryFrom<i32> + Into<i32> + Debug>(seen: impl IntoIterator<Item = S>) {
    let all = (1..100).filter(|number| S::try_from(*number).is_ok());
    let seen = seen.into_iter().map(Into::into);
    assert_eq!(
        seen.collect::<BTreeSet<i32>>(),
        all.collect(),
        "the states seen and all defined states"
    );
}

fn mask(path: &str) -> FieldMask {
    FieldMask { paths: vec![path.to_owned()] }
}

#[tokio::test(start_paused = true)]
async fn a_watch_sees_all_states_of_a_channel() {
    use StreamingState as S;
    let fixture = Fixture::with(Emulator::builder().encoder_delay(None));
    let Fixture { emulator, client, channel, .. } = &fixture;
    fixture.create_channel().await;
    let followed = fixture.follow(channel);
    sleep_seconds(60).await;

    client.start_channel(channel).wait().await.expect("it is stopped");
    sleep_seconds(60).await;
    emulator.connect_encoder(channel).expect("it exists");
    fixture.reach(channel, S::Streaming).await;
    emulator.fail(channel, Status::permission_denied("the bucket is closed")).expect("it runs");
    let failed = fixture.reach(channel, S::StreamingError).await;
    assert_eq!(failed.streaming_error.expect("a reason").message, "the bucket is closed");
    emulator.recover(channel).expect("it is in error");
    fixture.reach(channel, S::Streaming).await;
    emulator.set_streaming_state(channel, S::StreamingNoInput).expect("it exists");
    fixture.reach(channel, S::StreamingNoInput).await;
    client.stop_channel(channel).wait().await.expect("it runs");
    sleep_seconds(60).await;
    client.delete_channel(channel).wait().await.expect("it is stopped");

    let (states, end) = followed.end().await;
    let course = [
        S::Stopped,
        S::Starting,
        S::AwaitingInput,
        S::Streaming,
        S::StreamingError,
        S::Streaming,
        S::StreamingNoInput,
        S::Stopping,
        S::Stopped,
    ];
    assert_eq!(states, course);
    assert!(end.is_not_found(), "{end}");
    assert_all(states);
}

#[tokio::test(start_paused = true)]
async fn a_watch_sees_all_states_of_a_dvr_session() {
    use dvr_session::State as S;
    let fixture = Fixture::new();
    let Fixture { client, channel, .. } = &fixture;
    fixture.create_streaming_channel().await;
    let create = async |id: &str, session: DvrSession| -> DvrSessionName {
        let create = client.create_dvr_session(channel, session, id);
        drop(create.await.expect("a valid session"));
        channel.dvr_session(id).expect("a valid name")
    };

    // Shortened while it is live, which makes it pause before its manifest is written again.
    let short = create("short", fixture.session(60, 7200)).await;
    let followed = fixture.follow(&short);
    fixture.reach(&short, S::Live).await;
    sleep_seconds(60).await;
    let mut change = client.get_dvr_session(&short).await.expect("it exists");
    let Some(Kind::TimeInterval(interval)) = &mut change.dvr_windows[0].kind else {
        panic!("a time interval")
    };
    interval.end_time = fixture.at(-10);
    client.update_dvr_session(change, mask("dvr_windows")).wait().await.expect("a valid window");
    fixture.reach(&short, S::Finished).await;
    sleep_seconds(60).await;
    client.delete_dvr_session(&short).wait().await.expect("it has finished");
    let (states, end) = followed.end().await;
    let course = [
        S::Pending,
        S::Scheduled,
        S::Live,
        S::Updating,
        S::Cooldown,
        S::PostProcessing,
        S::Finished,
        S::Deleting,
    ];
    assert_eq!(states, course);
    assert!(end.is_not_found(), "{end}");
    let mut all = states;

    // Stopped by an update of the channel: one session has recorded something, the other has not.
    let begun = create("begun", fixture.session(0, 7200)).await;
    let to_come = create("to-come", fixture.session(7200, 9000)).await;
    let followed = [fixture.follow(&begun), fixture.follow(&to_come)];
    fixture.reach(&to_come, S::Scheduled).await;
    let change = Channel { name: channel.to_string(), ..Channel::default() };
    client.update_channel(change, mask("log_config")).wait().await.expect("a valid change");
    fixture.reach(&begun, S::Finished).await;
    let failed = fixture.reach(&to_come, S::Failed).await;
    assert!(failed.error.expect("a reason").message.contains("its channel was updated"));
    let [begun, to_come] = followed.map(|followed| followed.states());
    assert_eq!(begun, [S::Pending, S::Live, S::Stopping, S::PostProcessing, S::Finished]);
    assert_eq!(to_come, [S::Pending, S::Scheduled, S::Stopping, S::Failed]);
    all.extend(begun.into_iter().chain(to_come));
    assert_all(all);
}

#[tokio::test(start_paused = true)]
async fn a_watch_sees_all_states_of_an_event() {
    use event::State as S;
    let fixture = Fixture::new();
    let Fixture { emulator, client, channel, .. } = &fixture;
    fixture.create_streaming_channel().await;
    let create = async |id: &str, task: Task| {
        let event = Event { task: Some(task), execution_time: fixture.at(30), ..Event::default() };
        client.create_event(channel, event, id).await.expect("a valid event");
        channel.event(id).expect("a valid name")
    };
    let ad_break = |seconds| {
        let duration = Some(prost_types::Duration { seconds, nanos: 0 });
        Task::AdBreak(AdBreakTask { duration })
    };

    let shown = create("shown", ad_break(60)).await;
    let broken = create("broken", ad_break(60)).await;
    let followed = [fixture.follow(&shown), fixture.follow(&broken)];
    sleep_seconds(10).await;
    emulator.fail(&broken, Status::internal("no markers")).expect("it is scheduled");
    fixture.reach(&shown, S::Succeeded).await;

    let cut = create("cut", ad_break(3600)).await;
    let stopped = fixture.follow(&cut);
    fixture.reach(&cut, S::Running).await;
    create("back", Task::ReturnToProgram(ReturnToProgramTask {})).await;
    fixture.reach(&cut, S::Stopped).await;

    let [shown, broken] = followed.map(|followed| followed.states());
    let stopped = stopped.states();
    assert_eq!(shown, [S::Pending, S::Scheduled, S::Running, S::Succeeded]);
    assert_eq!(broken, [S::Pending, S::Scheduled, S::Failed]);
    assert_eq!(stopped, [S::Pending, S::Scheduled, S::Running, S::Stopped]);
    assert_all(shown.into_iter().chain(broken).chain(stopped));
}

#[tokio::test(start_paused = true)]
async fn a_watch_sees_all_states_of_a_clip() {
    use clip::State as S;
    let fixture = Fixture::new();
    let Fixture { emulator, client, channel, .. } = &fixture;
    fixture.create_streaming_channel().await;
    sleep_seconds(300).await;
    let create = async |id: &str| {
        let create = client.create_clip(channel, fixture.clip(60), id);
        drop(create.await.expect("a valid clip"));
        channel.clip(id).expect("a valid name")
    };
    let (goal, lost) = (create("goal").await, create("lost").await);
    let followed = [fixture.follow(&goal), fixture.follow(&lost)];
    fixture.reach(&lost, S::Creating).await;
    emulator.fail(&lost, Status::data_loss("a segment is gone")).expect("it is under way");
    fixture.reach(&goal, S::Succeeded).await;

    let [goal, lost] = followed.map(|followed| followed.states());
    assert_eq!(goal, [S::Pending, S::Creating, S::Succeeded]);
    assert_eq!(lost, [S::Pending, S::Creating, S::Failed]);
    assert_all(goal.into_iter().chain(lost));
}

#[tokio::test(start_paused = true)]
async fn a_watch_sees_all_states_of_an_asset() {
    use asset::State as S;
    let fixture = Fixture::new();
    let Fixture { emulator, client, location, .. } = &fixture;
    emulator.put_object("gs://bucket/broken.mp4", 1000, 1);
    let create = async |id: &str, crc32c: &str| -> AssetName {
        let video = VideoAsset { uri: format!("gs://bucket/{id}.mp4") };
        let (resource, crc32c) = (Some(Resource::Video(video)), crc32c.to_owned());
        let asset = Asset { resource, crc32c, ..Asset::default() };
        drop(client.create_asset(location, asset, id).await.expect("a valid asset"));
        location.asset(id).expect("a valid name")
    };
    let (slate, broken) = (create("slate", "").await, create("broken", "AAAAAg==").await);
    let followed = [fixture.follow(&slate), fixture.follow(&broken)];
    fixture.reach(&slate, S::Active).await;
    let failed = fixture.reach(&broken, S::Error).await;
    assert!(failed.error.expect("a reason").message.contains("checksum"));
    for name in [&slate, &broken] {
        client.delete_asset(name).wait().await.expect("no channel uses it");
    }

    let [slate, broken] = followed;
    let (slate, end) = slate.end().await;
    assert!(end.is_not_found(), "{end}");
    let (broken, _) = broken.end().await;
    assert_eq!(slate, [S::Creating, S::Active, S::Deleting]);
    assert_eq!(broken, [S::Creating, S::Error, S::Deleting]);
    assert_all(slate.into_iter().chain(broken));
}

#[tokio::test(start_paused = true)]
async fn a_watch_sees_all_states_of_a_distribution() {
    use distribution::State as S;
    let fixture = Fixture::with(Emulator::builder().encoder_delay(None));
    let Fixture { emulator, client, channel, location, .. } = &fixture;
    let config = Channel {
        distribution_streams: vec![DistributionStream {
            key: "all".into(),
            container: "flv".into(),
            elementary_streams: vec!["sound".into()],
        }],
        distributions: vec![Distribution {
            key: "partner".into(),
            distribution_stream: "all".into(),
            endpoint: Some(Endpoint::RtmpPush(RtmpPushOutputEndpoint {
                uri: "rtmp://example.com/live".into(),
                stream_key: "key".into(),
            })),
            ..Default::default()
        }],
        ..support::fixture::channel()
    };
    client.create_channel(location, config, "news").wait().await.expect("a valid channel");
    let followed = fixture.follow_by(channel, |channel| channel.distributions[0].state());
    sleep_seconds(10).await;
    client.start_channel(channel).wait().await.expect("it is stopped");
    sleep_seconds(10).await;
    client.start_distribution(channel, ["partner"]).wait().await.expect("it is ready");
    sleep_seconds(10).await;
    emulator.connect_encoder(channel).expect("it exists");
    sleep_seconds(10).await;
    emulator
        .fail_distribution(channel, "partner", Status::unavailable("it hangs up"))
        .expect("it is distributing");
    sleep_seconds(10).await;

    let mut states = followed.states();
    // The watch also reports changes of the channel's own state.
    states.dedup();
    let course = [S::NotReady, S::Ready, S::AwaitingInput, S::Distributing, S::Error];
    assert_eq!(states, course);
    assert_all(states);
}

#[test]
fn only_a_channel_has_parts_with_states_of_their_own() {
    let state = distribution::State::Ready.into();
    let distribution = Distribution { state, ..Default::default() };
    let channel = Channel { distributions: vec![distribution; 2], ..Default::default() };
    assert_eq!(ChannelName::part_states(&channel), [state; 2]);
    assert_eq!(AssetName::part_states(&Asset::default()), [0; 0]);
    assert_eq!(ClipName::part_states(&Clip::default()), [0; 0]);
    assert_eq!(DvrSessionName::part_states(&DvrSession::default()), [0; 0]);
    assert_eq!(EventName::part_states(&Event::default()), [0; 0]);
}
