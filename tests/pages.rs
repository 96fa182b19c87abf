//! Listings: every item once, page tokens, read-ahead, deadlines and errors.

mod support;

use livestream_client::{
    LivestreamClient,
    model::{Channel, ListChannelsRequest, ListChannelsResponse},
    name::LocationName,
    policy::{Backoff, Budget, RetryPolicy},
    rpc::Rpc,
};
use livestream_emulator::{Emulator, Latency, Limit};
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use support::{Observed, Scripted, fixture::sleep_seconds};
use tokio::{runtime::Handle, time::Instant};
use tokio_stream::StreamExt;
use tonic::{Code, Status};

const SECOND: Duration = Duration::from_secs(1);
const LIST: &livestream_client::rpc::Method = ListChannelsRequest::METHOD;

fn location() -> LocationName {
    LocationName::new("p", "l").expect("a valid name")
}

fn named(name: impl ToString) -> Channel {
    Channel { name: name.to_string(), ..Channel::default() }
}

/// A page in a test: the names of its channels and its next page token.
type PageSpec<'a> = (&'a [&'a str], &'static str);

/// A service with these pages. A page token is the index of its page.
fn paged(pages: &[PageSpec]) -> Observed<Scripted> {
    let pages: Vec<_> = pages
        .iter()
        .map(|(names, next)| (names.iter().map(named).collect::<Vec<_>>(), *next))
        .collect();
    Observed::new(Scripted::new().on(move |request: ListChannelsRequest| {
        let at = request.page_token.parse().unwrap_or(0_usize);
        let (channels, next) = &pages[at];
        let (channels, next_page_token) = (channels.clone(), (*next).to_owned());
        Ok(ListChannelsResponse { channels, next_page_token, ..Default::default() })
    }))
}

/// Four pages of one channel each.
fn four_pages() -> Observed<Scripted> {
    paged(&[(&["a"], "1"), (&["b"], "2"), (&["c"], "3"), (&["d"], "")])
}

async fn names(client: &LivestreamClient) -> Result<Vec<String>, livestream_client::Error> {
    let channels = client.list_channels(&location()).items().collect().await?;
    Ok(channels.into_iter().map(|channel| channel.name).collect())
}

/// Lets the tasks that are ready run.
async fn settle() {
    sleep_seconds(1).await;
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_channels_are_listed_once_each_while_a_fifth_of_the_requests_fail() {
    let emulator = Emulator::builder()
        .speed(1)
        .any_location()
        .limit(Limit::Channels, 20_000)
        .latency(Latency::CreateChannel, SECOND)
        .build();
    let setup = Observed::new(emulator.service()).client();
    for number in 0..10_000 {
        let create = setup.create_channel(
            &location(),
            support::fixture::channel(),
            format!("channel-{number}"),
        );
        drop(create.await.expect("a valid channel"));
    }
    sleep_seconds(2).await;

    let asked = Arc::new(AtomicU32::new(0));
    let observed = Observed::new(emulator.service()).failing(move |_| {
        let is_fifth = asked.fetch_add(1, Ordering::Relaxed) % 5 == 2;
        is_fifth.then(|| Status::unavailable("a short outage"))
    });
    let tiny = Backoff::new(Duration::from_millis(1), Duration::from_millis(1), 1.0);
    let client =
        observed.client_builder().retry(RetryPolicy::new(tiny)).budget(Budget::unlimited());
    let client = client.build().expect("valid settings");
    let mut channels = client.list_channels(&location()).page_size(250).items();
    let mut seen = HashSet::new();
    while let Some(channel) = channels.next().await {
        let name = channel.expect("retried").name;
        assert!(seen.insert(name.clone()), "{name} came twice");
    }
    let expected = (0..10_000).map(|number| format!("{}/channels/channel-{number}", location()));
    assert_eq!(seen, expected.collect());
    assert_eq!(observed.log().count(LIST), 40 + 10, "40 pages, and one repeat in five");
}

#[tokio::test(start_paused = true)]
async fn an_empty_page_with_a_page_token_does_not_end_a_listing() {
    let service = paged(&[(&[], "1"), (&["a"], "2"), (&[], "3"), (&[], "4"), (&["b"], "")]);
    assert_eq!(names(&service.client()).await.expect("no error"), ["a", "b"]);
    assert_eq!(service.log().count(LIST), 5);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_page_token_is_an_error_after_its_page() {
    // A page with its own token, a cycle of two pages, and a cycle through the first page.
    let listings: [(&[PageSpec], &str, usize); 3] = [
        (&[(&["a"], "1"), (&["b"], "1")], "", 2),
        (&[(&["a"], "1"), (&["b"], "2"), (&["c"], "1")], "", 3),
        (&[(&[], ""), (&["b"], "2"), (&["c"], "1")], "1", 2),
    ];
    for (pages, start, good) in listings {
        let service = paged(pages);
        let mut listing = service.client().list_channels(&location()).page_token(start).items();
        for _ in 0..good {
            listing.next().await.expect("an item").expect("no error");
        }
        let error = listing.next().await.expect("an error").expect_err("no item");
        assert_eq!(error.code(), Code::Internal);
        assert_eq!(error.method(), Some(LIST));
        assert_eq!(error.resource(), location().as_str());
        assert!(error.message().contains("a page token twice"), "{error}");
        assert!(listing.next().await.is_none(), "an error is the end");
        assert_eq!(service.log().count(LIST), good, "no page is requested again");
    }
}

#[tokio::test(start_paused = true)]
async fn unreachable_locations_are_collected_from_all_pages() {
    let script = Scripted::new().on(|request: ListChannelsRequest| {
        let (next, missing): (&str, &[&str]) = match &*request.page_token {
            "" => ("1", &["east"]),
            "1" => ("2", &[]),
            _ => ("", &["east", "west"]),
        };
        Ok(ListChannelsResponse {
            channels: vec![named("a")],
            next_page_token: next.to_owned(),
            unreachable: missing.iter().map(ToString::to_string).collect(),
        })
    });
    let mut listing = Observed::new(script).client().list_channels(&location()).items();
    assert_eq!(listing.drain().await.expect("no error").len(), 3);
    assert_eq!(listing.unreachable(), ["east", "west"]);
}

#[tokio::test(start_paused = true)]
async fn one_page_is_read_ahead() {
    let service = four_pages();
    let (log, client) = (service.log(), service.client());
    let mut pages = client.list_channels(&location()).pages();
    assert_eq!(log.total(), 0, "no request before the first page is polled");
    for taken in 1..=4 {
        let page = pages.next().await.expect("a page").expect("no error");
        assert_eq!(page.items.len(), 1);
        settle().await;
        assert_eq!(log.total(), (taken + 1).min(4), "one more than the {taken} taken");
    }
    assert!(pages.next().await.is_none());
    assert_eq!(log.total(), 4);

    let mut items = client.list_channels(&location()).items();
    items.next().await.expect("an item").expect("no error");
    settle().await;
    assert_eq!(log.total(), 4 + 2, "items read ahead as well");
}

#[tokio::test(start_paused = true)]
async fn read_ahead_can_be_turned_off() {
    let service = four_pages();
    let (log, client) = (service.log(), service.client());
    let mut pages = client.list_channels(&location()).pages().read_ahead(false);
    let mut items = client.list_channels(&location()).items().read_ahead(false);
    for taken in 1..=4 {
        pages.next().await.expect("a page").expect("no error");
        items.next().await.expect("an item").expect("no error");
        settle().await;
        assert_eq!(log.total(), 2 * taken);
    }
    assert!(pages.next().await.is_none() && items.next().await.is_none());
}

/// A listing whose second page takes a minute.
fn slow() -> Observed<Scripted> {
    let script = Scripted::new().on_async(|request: ListChannelsRequest| async move {
        if !request.page_token.is_empty() {
            sleep_seconds(60).await;
        }
        let next_page_token = format!("{}1", request.page_token);
        Ok(ListChannelsResponse { next_page_token, ..Default::default() })
    });
    Observed::new(script)
}

#[tokio::test(start_paused = true)]
async fn a_dropped_listing_aborts_its_read_ahead() {
    let service = slow();
    let client = service.client();
    let tasks = Handle::current().metrics().num_alive_tasks();
    let mut pages = client.list_channels(&location()).pages();
    pages.next().await.expect("a page").expect("no error");
    settle().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), tasks + 1, "reading ahead");
    drop(pages);
    settle().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), tasks);
    sleep_seconds(600).await;
    assert_eq!(service.log().total(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_awaited_while_it_is_read_ahead_is_requested_once() {
    let service = slow();
    let client = service.client();
    let mut pages = client.list_channels(&location()).pages();
    for requests in 2..=4 {
        pages.next().await.expect("a page").expect("no error");
        settle().await;
        assert_eq!(service.log().total(), requests);
    }
}

#[tokio::test(start_paused = true)]
async fn each_page_has_its_own_deadline() {
    let client = slow().client();
    let begun = Instant::now();
    let mut pages = client.list_channels(&location()).timeout(61 * SECOND).pages();
    for _ in 0..5 {
        pages.next().await.expect("a page").expect("within its deadline");
    }
    assert!(begun.elapsed() >= 240 * SECOND, "longer in total than the deadline of one call");

    let mut pages = client.list_channels(&location()).timeout(59 * SECOND).pages();
    pages.next().await.expect("a page").expect("the first is fast");
    let error = pages.next().await.expect("an error").expect_err("too slow");
    assert!(error.is_deadline_exceeded(), "{error}");
    assert!(pages.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_listing_resumes_from_a_page_token() {
    let service = four_pages();
    let client = service.client();
    let mut pages = client.list_channels(&location()).pages().read_ahead(false);
    pages.next().await.expect("a page").expect("no error");
    let second = pages.next().await.expect("a page").expect("no error");
    let rest = client.list_channels(&location()).page_token(second.next_page_token).items();
    let rest = rest.collect().await.expect("no error");
    assert_eq!(rest, [named("c"), named("d")]);
    assert_eq!(service.log().count(LIST), 4);
}

#[tokio::test(start_paused = true)]
async fn every_page_request_repeats_page_size_and_filter() {
    let script = Scripted::new().on(|request: ListChannelsRequest| {
        assert_eq!((request.page_size, &*request.filter), (7, "labels.show=news"));
        let next_page_token = if request.page_token.is_empty() { "1" } else { "" }.to_owned();
        Ok(ListChannelsResponse { next_page_token, ..Default::default() })
    });
    let service = Observed::new(script);
    let client = service.client();
    let list = client.list_channels(&location()).page_size(7).filter("labels.show=news");
    assert_eq!(list.items().collect().await.expect("no error"), []);
    assert_eq!(service.log().count(LIST), 2);
}

#[tokio::test(start_paused = true)]
async fn a_negative_page_size_is_refused_before_anything_is_sent() {
    let service = four_pages();
    let client = service.client();
    let mut items = client.list_channels(&location()).page_size(-1).items();
    let error = items.next().await.expect("an error").expect_err("a page size is not negative");
    assert_eq!((error.field(), error.code()), (Some("page_size"), Code::InvalidArgument));
    assert!(items.next().await.is_none());
    assert_eq!(service.log().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_error_ends_a_listing() {
    let script = Scripted::new().on(|request: ListChannelsRequest| {
        if !request.page_token.is_empty() {
            return Err(Status::permission_denied("not allowed"));
        }
        let channels = vec![named("a")];
        Ok(ListChannelsResponse { channels, next_page_token: "1".into(), ..Default::default() })
    });
    let client = Observed::new(script).client();
    let mut items = client.list_channels(&location()).items();
    assert_eq!(items.next().await.expect("an item").expect("no error"), named("a"));
    let error = items.next().await.expect("an error").expect_err("not allowed");
    assert_eq!(error.code(), Code::PermissionDenied);
    assert!(items.next().await.is_none());
    assert!(names(&client).await.is_err(), "collect fails if the listing fails");
}
