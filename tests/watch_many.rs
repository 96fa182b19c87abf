//! `watch_channels` and its siblings: one listing a tick for all watches and waits of a parent.

#![allow(clippy::unwrap_used)]

mod support;

use livestream_client::{
    Changes, LivestreamClient, WatchEvent, Watched,
    model::{
        Asset, Channel, Event, GetChannelRequest, ListChannelsRequest, ListChannelsResponse,
        asset::{Resource, VideoAsset},
        channel::StreamingState as S,
        dvr_session,
        event::{ReturnToProgramTask, Task},
    },
    name::{ChannelName, LocationName},
    policy::{PollPolicy, RetryPolicy},
    rpc::Rpc,
};
use livestream_emulator::{Emulator, Latency, Limit};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use support::{
    Observed, Scripted,
    fixture::{Fixture, channel, frequent_polls, sleep_seconds},
};
use tokio::{task::JoinSet, time::Instant};
use tokio_stream::StreamExt;
use tonic::{Code, Status};

const SECOND: Duration = Duration::from_secs(1);

async fn create(
    client: &LivestreamClient,
    location: &LocationName,
    count: usize,
) -> Vec<ChannelName> {
    let names = (0..count).map(|i| location.channel(format!("c{i:03}")).unwrap());
    let names = names.collect::<Vec<_>>();
    let mut creations = JoinSet::new();
    for name in &names {
        creations.spawn(client.create_channel(location, channel(), name.id()).send());
    }
    for creation in creations.join_all().await {
        drop(creation.unwrap());
    }
    sleep_seconds(60).await;
    names
}

#[tokio::test(start_paused = true)]
async fn two_hundred_channels_are_started_and_watched_with_one_listing_a_tick() {
    let emulator = Emulator::builder()
        .limit(Limit::Channels, 200)
        .limit(Limit::RunningChannels, 200)
        .latency(Latency::StartChannel, 60 * SECOND);
    let Fixture { client, location, log, .. } = &Fixture::with(emulator);
    let names = create(client, location, 200).await;
    let watches = client.watch_channels(location).states_only();
    let mut starts = JoinSet::new();
    for name in &names {
        starts.spawn(client.start_channel(name).send());
    }
    for start in starts.join_all().await {
        drop(start.unwrap());
    }
    let (before, begun) = (log.total(), Instant::now());
    let mut waits = JoinSet::new();
    for name in names {
        let watches = watches.clone();
        waits.spawn(
            async move { watches.wait_until(&name, [S::AwaitingInput, S::Streaming]).await },
        );
    }
    for channel in waits.join_all().await {
        let channel = channel.unwrap();
        assert_ne!(channel.name, "");
        assert!(channel.output.is_none(), "only the polled fields");
    }
    assert!(begun.elapsed() >= 60 * SECOND);
    let lists = log.count(ListChannelsRequest::METHOD);
    assert_eq!(log.total() - before, lists, "there are listings only");
    // A listing is one page here, and a page is followed by a rest of 400 ms.
    let gaps = log.gaps(ListChannelsRequest::METHOD);
    assert!(gaps.iter().all(|gap| *gap >= Duration::from_millis(400)), "{gaps:?}");
    assert!(lists > 50, "{lists}");
    sleep_seconds(600).await;
    assert!(log.count(ListChannelsRequest::METHOD) <= lists + 1, "nobody waits any more");
}

#[tokio::test(start_paused = true)]
async fn changes_contain_all_channels_and_then_each_change_and_each_deletion() {
    let Fixture { client, location, log, .. } = &Fixture::new();
    let names = create(client, location, 3).await;
    let mut changes = client.watch_channels(location).changes();
    let mut states = BTreeMap::new();
    for _ in &names {
        let WatchEvent::Changed(channel) = changes.next().await.unwrap().unwrap() else { panic!() };
        states.insert(channel.name.clone(), channel.streaming_state());
        assert!(channel.output.is_some(), "the whole channel");
    }
    assert!(names.iter().all(|name| states[name.as_str()] == S::Stopped));

    drop(client.start_channel(&names[1]).await.unwrap());
    for state in [S::Starting, S::AwaitingInput, S::Streaming] {
        let WatchEvent::Changed(channel) = changes.next().await.unwrap().unwrap() else { panic!() };
        assert_eq!((&*channel.name, channel.streaming_state()), (names[1].as_str(), state));
    }
    drop(client.delete_channel(&names[2]).await.unwrap());
    let gone = changes.next().await.unwrap().unwrap();
    assert_eq!(gone, WatchEvent::Deleted(names[2].clone()));
    assert_eq!(log.count(GetChannelRequest::METHOD), 1, "the deletion is confirmed");
}

#[tokio::test(start_paused = true)]
async fn changes_contain_a_deletion_between_their_creation_and_their_first_poll() {
    let Fixture { client, location, .. } = &Fixture::new();
    let names = create(client, location, 2).await;
    let channels = client.watch_channels(location);
    for name in &names {
        channels.wait_until(name, S::Stopped).await.unwrap();
    }

    let mut changes = channels.changes();
    client.delete_channel(&names[1]).wait().await.unwrap();
    // The listings of an hour, none of which the stream has seen.
    sleep_seconds(3600).await;

    let deleted = changes.next().await.unwrap().unwrap();
    assert_eq!(deleted, WatchEvent::Deleted(names[1].clone()));
    let WatchEvent::Changed(there) = changes.next().await.unwrap().unwrap() else { panic!() };
    assert_eq!(there.name, names[0].as_str());
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_many_ends_as_a_wait_of_one_does() {
    let fixture = Fixture::with(Emulator::builder().encoder_delay(None));
    let Fixture { emulator, client, location, channel: name, .. } = &fixture;
    let watches = client.watch_channels(location);
    let error = watches.wait_until(name, S::Streaming).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(error.message(), "cannot reach Streaming: the resource does not exist");
    fixture.create_channel().await;
    client.start_channel(name).wait().await.unwrap();

    let limited = watches.clone().poll_policy(frequent_polls().with_limit(30 * SECOND));
    let error = limited.wait_until(name, [S::Streaming, S::Stopped]).await.unwrap_err();
    let message = "the wait for Streaming or Stopped ended after 30s, and the state is still \
                   AwaitingInput";
    assert_eq!((error.code(), error.message()), (Code::DeadlineExceeded, message));

    let has_name = |channel: &Channel| channel.name.ends_with("/news");
    watches.wait_until(name, has_name).await.unwrap();
    emulator.fail(name, Status::permission_denied("the bucket is closed")).unwrap();
    let error = watches.wait_until(name, S::Streaming).await.unwrap_err();
    let message = "cannot reach Streaming: the state is StreamingError: the bucket is closed";
    assert_eq!(error.message(), message);

    client.stop_channel(name).wait().await.unwrap();
    let wait = watches.wait_until(name, S::Streaming);
    let delete = async {
        sleep_seconds(5).await;
        client.delete_channel(name).wait().await.unwrap();
    };
    let (waited, ()) = tokio::join!(wait, delete);
    let message = "cannot reach Streaming: the resource was deleted";
    assert_eq!(waited.unwrap_err().message(), message);
}

#[tokio::test(start_paused = true)]
async fn a_wait_does_not_end_by_a_listing_that_began_before_it() {
    let fixture = Fixture::new();
    let Fixture { client, location, channel: name, .. } = &fixture;
    fixture.create_channel().await;
    let watches = client.watch_channels(location);
    let mut changes = watches.changes();
    changes.next().await.unwrap().unwrap();
    // The last listing shows the channel as stopped.
    drop(client.start_channel(name).await.unwrap());
    let channel = watches.wait_until(name, |_: &Channel| true).await.unwrap();
    assert_eq!(channel.streaming_state(), S::Starting);
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_end_a_watch_of_many_and_a_refusal_does() {
    let emulator = Emulator::builder().speed(1).build();
    let (is_out, is_refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (out, refused) = (is_out.clone(), is_refused.clone());
    let observed = Observed::new(emulator.service()).failing(move |path| {
        if refused.load(Ordering::Relaxed) && path.ends_with("ListChannels") {
            return Some(Status::permission_denied("no"));
        }
        out.load(Ordering::Relaxed).then(|| Status::unavailable("an outage"))
    });
    let client = observed.client_builder().poll_policy(frequent_polls()).build().unwrap();
    let fixture = Fixture { client, ..Fixture::new() };
    let Fixture { client, location, channel: name, .. } = &fixture;
    fixture.create_channel().await;
    let watches = client.watch_channels(location);
    drop(client.start_channel(name).await.unwrap());
    is_out.store(true, Ordering::Relaxed);
    let repair = async {
        sleep_seconds(1200).await;
        is_out.store(false, Ordering::Relaxed);
    };
    let (waited, ()) = tokio::join!(watches.wait_until(name, S::Streaming), repair);
    waited.unwrap();

    let mut changes = watches.changes();
    changes.next().await.unwrap().unwrap();
    is_refused.store(true, Ordering::Relaxed);
    assert_eq!(changes.next().await.unwrap().unwrap_err().code(), Code::PermissionDenied);
    assert!(changes.next().await.is_none());
    let wait = watches.wait_until(name, S::Stopped).await;
    assert_eq!(wait.unwrap_err().code(), Code::PermissionDenied);
    // The next wait polls again.
    is_refused.store(false, Ordering::Relaxed);
    watches.wait_until(name, S::Streaming).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_a_listing_misses_is_not_reported_as_deleted() {
    let listings = AtomicUsize::new(0);
    let name = LocationName::new("p", "us-central1").unwrap().channel("news").unwrap();
    let state = |state: S| {
        let mut channel = Channel { name: name.to_string(), ..Default::default() };
        channel.set_streaming_state(state);
        channel
    };
    let (stopped, starting) = (state(S::Stopped), state(S::Starting));
    let read = stopped.clone();
    let service = Scripted::new().on(move |_: GetChannelRequest| Ok(read.clone())).on(
        move |_: ListChannelsRequest| {
            let channels = match listings.fetch_add(1, Ordering::Relaxed) {
                0 => vec![stopped.clone()],
                1..5 => Vec::new(),
                _ => vec![starting.clone()],
            };
            Ok(ListChannelsResponse { channels, ..Default::default() })
        },
    );
    let client = Observed::new(service).client();
    let mut changes = client.watch_channels(&name.parent()).changes();
    for expected in [S::Stopped, S::Starting] {
        let WatchEvent::Changed(channel) = changes.next().await.unwrap().unwrap() else { panic!() };
        assert_eq!(channel.streaming_state(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn channels_without_input_are_listed_from_the_data_of_the_watch() {
    let fixture = Fixture::with(Emulator::builder().encoder_delay(None));
    let Fixture { emulator, client, location, channel: name, log, .. } = &fixture;
    fixture.create_channel().await;
    client.start_channel(name).wait().await.unwrap();
    let mut changes: Changes<ChannelName> = client.watch_channels(location).changes();
    changes.next().await.unwrap().unwrap();
    assert!(changes.without_input(60 * SECOND).is_empty());
    sleep_seconds(90).await;
    let requests = log.total();
    let idle = changes.without_input(60 * SECOND);
    assert_eq!(idle.iter().map(|channel| &*channel.name).collect::<Vec<_>>(), [name.as_str()]);
    assert_eq!(log.total(), requests, "nothing is sent");
    emulator.connect_encoder(name).unwrap();
    changes.next().await.unwrap().unwrap();
    assert!(changes.without_input(Duration::ZERO).is_empty());
}

#[tokio::test(start_paused = true)]
async fn dvr_sessions_and_clips_of_a_channel_are_watched_together() {
    let fixture = Fixture::new();
    let Fixture { client, channel: name, .. } = &fixture;
    fixture.create_streaming_channel().await;
    let sessions = client.watch_dvr_sessions(name);
    let mut waits = JoinSet::new();
    for id in ["one", "two", "three"] {
        let wanted = fixture.session(60, 120);
        client.create_dvr_session(name, wanted, id).wait().await.unwrap();
        let (sessions, session) = (sessions.clone(), name.dvr_session(id).unwrap());
        let wait = async move { sessions.wait_until(&session, dvr_session::State::Finished).await };
        waits.spawn(wait);
    }
    assert!(waits.join_all().await.iter().all(Result::is_ok));
    client.create_clip(name, fixture.clip(30), "goal").wait().await.unwrap();
    let mut clips = client.watch_clips(name).changes();
    let WatchEvent::Changed(clip) = clips.next().await.unwrap().unwrap() else { panic!() };
    assert_eq!(clip.state().as_str_name(), "SUCCEEDED");
}

#[test]
fn a_watch_of_many_goes_on_when_the_runtime_that_polled_has_ended() {
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let (first, second) = (runtime().unwrap(), runtime().unwrap());
    let service = Scripted::new().on(|_: ListChannelsRequest| {
        let name = "projects/p/locations/us-central1/channels/news".to_owned();
        let channels = vec![Channel { name, ..Default::default() }];
        Ok(ListChannelsResponse { channels, ..Default::default() })
    });
    let client = Observed::new(service).client();
    let location = LocationName::new("p", "us-central1").unwrap();
    let watches = client.watch_channels(&location);
    let mut changes = first.block_on(async { watches.changes() });
    first.block_on(changes.next()).unwrap().unwrap();
    drop(first);
    second.block_on(async {
        let news = location.channel("news").unwrap();
        watches.wait_until(&news, |_: &Channel| true).await.unwrap();
    });
}

/// The names of the first two resources that have changed.
async fn first_two<N: Watched>(
    changes: &mut Changes<N>,
    name: fn(&N::Resource) -> &String,
) -> [String; 2] {
    let mut names = Vec::new();
    while names.len() < 2 {
        match changes.next().await.unwrap().unwrap() {
            WatchEvent::Changed(resource) => names.push(name(&resource).clone()),
            event => panic!("{event:?}"),
        }
    }
    names.try_into().unwrap()
}

async fn first_deleted<N: Watched>(changes: &mut Changes<N>) -> String {
    loop {
        if let WatchEvent::Deleted(name) = changes.next().await.unwrap().unwrap() {
            return name.to_string();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn changes_of_assets_events_and_dvr_sessions_name_each_resource_and_its_deletion() {
    let fixture = Fixture::new();
    let Fixture { client, location, channel: name, .. } = &fixture;
    fixture.create_streaming_channel().await;
    let resource = Some(Resource::Video(VideoAsset { uri: "gs://b/slate.mp4".to_owned() }));
    let asset = Asset { resource, ..Default::default() };
    let task = Some(Task::ReturnToProgram(ReturnToProgramTask {}));
    let event = Event { task, execution_time: fixture.at(86_400), ..Default::default() };
    for id in ["one", "two"] {
        client.create_asset(location, asset.clone(), id).wait().await.unwrap();
        client.create_event(name, event.clone(), id).await.unwrap();
        let session = fixture.session(43_200, 86_400);
        client.create_dvr_session(name, session, id).wait().await.unwrap();
    }
    sleep_seconds(60).await;

    let mut changes = client.watch_assets(location).changes();
    let [one, two] = ["one", "two"].map(|id| location.asset(id).unwrap());
    let seen = first_two(&mut changes, |asset| &asset.name).await;
    assert_eq!(seen, [one.to_string(), two.to_string()]);
    client.delete_asset(&two).wait().await.unwrap();
    assert_eq!(first_deleted(&mut changes).await, two.to_string());

    let mut changes = client.watch_events(name).changes();
    let [one, two] = ["one", "two"].map(|id| name.event(id).unwrap());
    let seen = first_two(&mut changes, |event| &event.name).await;
    assert_eq!(seen, [one.to_string(), two.to_string()]);
    client.delete_event(&two).await.unwrap();
    assert_eq!(first_deleted(&mut changes).await, two.to_string());

    let mut changes = client.watch_dvr_sessions(name).changes();
    let [one, two] = ["one", "two"].map(|id| name.dvr_session(id).unwrap());
    let seen = first_two(&mut changes, |session| &session.name).await;
    assert_eq!(seen, [one.to_string(), two.to_string()]);
    client.delete_dvr_session(&two).wait().await.unwrap();
    assert_eq!(first_deleted(&mut changes).await, two.to_string());
}

fn news() -> ChannelName {
    LocationName::new("p", "us-central1").unwrap().channel("news").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_channel_that_no_listing_shows_reads_it_through_an_outage_but_not_a_refusal() {
    let service = |code: Code| {
        let reads = AtomicUsize::new(0);
        let service = Scripted::new()
            .on(|_: ListChannelsRequest| Ok(ListChannelsResponse::default()))
            .on(move |_: GetChannelRequest| match reads.fetch_add(1, Ordering::Relaxed) {
                0..3 => Err(Status::new(code, "not now")),
                _ => Ok(Channel { streaming_state: S::Stopped.into(), ..Default::default() }),
            });
        Observed::new(service)
    };
    for (code, reads) in [(Code::Unavailable, 4), (Code::PermissionDenied, 1)] {
        let observed = service(code);
        let client = observed.client_builder().retry(RetryPolicy::never()).build().unwrap();
        let end = client.watch_channels(&news().parent()).wait_until(&news(), S::Stopped).await;
        assert_eq!(end.err().map(|e| e.code()), (reads == 1).then_some(code));
        assert_eq!(observed.log().count(GetChannelRequest::METHOD), reads, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_with_an_unreachable_location_shows_no_deletion() {
    let listings = AtomicUsize::new(0);
    let service = Scripted::new()
        .on(|_: GetChannelRequest| Err(Status::not_found("there is no such channel")))
        .on(move |_: ListChannelsRequest| {
            let channel = Channel { name: news().to_string(), ..Default::default() };
            let unreachable = vec![news().parent().to_string()];
            Ok(match listings.fetch_add(1, Ordering::Relaxed) {
                0 => ListChannelsResponse { channels: vec![channel], ..Default::default() },
                1..5 => ListChannelsResponse { unreachable, ..Default::default() },
                _ => ListChannelsResponse::default(),
            })
        });
    let service = Observed::new(service);
    let mut changes = service.client().watch_channels(&news().parent()).changes();
    changes.next().await.unwrap().unwrap();
    assert_eq!(changes.next().await.unwrap().unwrap(), WatchEvent::Deleted(news()));
    assert_eq!(service.log().count(ListChannelsRequest::METHOD), 6);
    assert_eq!(service.log().count(GetChannelRequest::METHOD), 1);
}

#[tokio::test(start_paused = true)]
async fn fifty_deletions_at_once_are_confirmed_by_at_most_twenty_gets_a_tick_and_a_rest_for_each() {
    let listings = AtomicUsize::new(0);
    let service = Scripted::new()
        .on(|_: GetChannelRequest| Err(Status::not_found("there is no such channel")))
        .on(move |_: ListChannelsRequest| {
            let count = if listings.fetch_add(1, Ordering::Relaxed) == 0 { 50 } else { 0 };
            let names = (0..count).map(|i| format!("{}/channels/c{i:03}", news().parent()));
            let channels = names.map(|name| Channel { name, ..Default::default() }).collect();
            Ok(ListChannelsResponse { channels, ..Default::default() })
        });
    let service = Observed::new(service);
    let client = service.client_builder().poll_policy(frequent_polls()).build().unwrap();
    let mut changes = client.watch_channels(&news().parent()).changes();
    for at in 0..100 {
        let is_deletion = matches!(changes.next().await.unwrap().unwrap(), WatchEvent::Deleted(_));
        assert_eq!(is_deletion, at >= 50, "{at}");
    }
    let mut ticks = BTreeMap::<Instant, usize>::new();
    for time in service.log().times(GetChannelRequest::METHOD) {
        *ticks.entry(time).or_default() += 1;
    }
    assert_eq!(ticks.values().copied().collect::<Vec<_>>(), [20, 20, 10]);
    // The rests are 400 ms for a page and 100 ms for a get.
    let rests = service.log().gaps(ListChannelsRequest::METHOD).split_off(1);
    assert!(rests.iter().all(|rest| *rest >= Duration::from_millis(2_400)), "{rests:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_many_lists_less_often_while_nothing_changes_and_more_often_after_a_change() {
    let fixture = Fixture::with(Emulator::builder().encoder_delay(None));
    let Fixture { client, location, channel: name, log, .. } = &fixture;
    fixture.create_channel().await;
    let watches = client.watch_channels(location).poll_policy(PollPolicy::default());
    let mut changes = watches.changes();
    changes.next().await.unwrap().unwrap();
    let start = async {
        sleep_seconds(600).await;
        drop(client.start_channel(name).await.unwrap());
    };
    let (change, ()) = tokio::join!(changes.next(), start);
    change.unwrap().unwrap();
    let quiet = log.gaps(ListChannelsRequest::METHOD);
    let (last, first) = (quiet[quiet.len() - 1], quiet[0]);
    assert!(first <= 2 * SECOND && last >= 10 * SECOND, "{quiet:?}");
    changes.next().await.unwrap().unwrap();
    let after = log.gaps(ListChannelsRequest::METHOD)[quiet.len()];
    assert!(after <= 2 * SECOND, "{after:?}");
}
