//! Latencies, delays and sessions of no length and of extreme length.

mod support;

use livestream_client::model::{self, channel::StreamingState, event};
use livestream_emulator::{Builder, Emulator, Latency};
use std::time::Duration;
use support::{CHANNEL, Service, name};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LONG: Duration = Duration::from_secs(200_000_000_000_000 * 86_400);

fn manual() -> Builder {
    Emulator::builder().manual_clock()
}

async fn make_event(service: &mut Service) -> model::Event {
    let event = model::Event {
        task: Some(event::Task::Mute(event::MuteTask::default())),
        execute_now: true,
        ..Default::default()
    };
    let request = model::CreateEventRequest {
        parent: CHANNEL.to_owned(),
        event_id: "mute".to_owned(),
        event: Some(event),
        ..Default::default()
    };
    service.live.create_event(request).await.expect("it runs").into_inner()
}

#[tokio::test]
async fn a_session_of_no_length_lasts_a_second() {
    let builder = manual().session_length(Duration::ZERO).encoder_delay(Duration::ZERO);
    let mut service = Service::on(builder.every_latency(Duration::ZERO).build());
    service.stream().await;
    service.emulator.advance(Duration::from_millis(500));
    assert_eq!(service.state().await, StreamingState::Streaming);
    service.emulator.advance(DAY);
    assert_eq!(service.state().await, StreamingState::Streaming);
}

#[tokio::test]
async fn a_session_of_extreme_length_does_not_end() {
    for length in [LONG, Duration::MAX] {
        let mut service = Service::on(manual().session_length(length).build());
        service.stream().await;
        service.emulator.advance(365 * DAY);
        assert_eq!(service.state().await, StreamingState::Streaming);
    }
}

#[tokio::test]
async fn the_clock_reaches_its_end_while_a_channel_runs() {
    let mut service = Service::on(manual().session_length(1000 * DAY).build());
    service.stream().await;
    service.emulator.advance(Duration::MAX);
    make_event(&mut service).await;
    let preview = service.live.preview_input(name(support::INPUT)).await.expect("there");
    let token = preview.into_inner().bearer_token;
    assert!(service.emulator.preview_token_end(&token).is_some());
}

#[tokio::test]
async fn extreme_latencies_are_ten_years() {
    for length in [LONG, Duration::MAX] {
        let builder = manual().latency(Latency::ScheduleEvent, length).encoder_delay(length);
        let builder = builder.latency(Latency::AcceptClip, length);
        let mut service = Service::on(builder.latency(Latency::CopyClip, length).build());
        service.make_channel().await;
        service.live.start_channel(name(CHANNEL)).await.expect("it is stopped");
        service.emulator.advance(Duration::from_secs(600));
        assert_eq!(service.state().await, StreamingState::AwaitingInput);
        let channel = CHANNEL.parse().expect("a name");
        service.emulator.connect_encoder(&channel).expect("there");
        let event = make_event(&mut service).await;
        let time = event.execution_time.expect("set").to_string();
        assert!(time.starts_with("2045-12-"), "{time}");
        service.emulator.advance(Duration::from_secs(100));
        let request = model::CreateClipRequest {
            parent: CHANNEL.to_owned(),
            clip_id: "goal".to_owned(),
            clip: Some(service.clip_of(-50, -10)),
            ..Default::default()
        };
        service.live.create_clip(request).await.expect("valid");
        service.emulator.advance(3650 * DAY);
        let clip = service.live.get_clip(name(&format!("{CHANNEL}/clips/goal"))).await;
        assert_eq!(clip.expect("there").into_inner().state(), model::clip::State::Creating);
    }
}
