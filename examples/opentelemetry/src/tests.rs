//! The run is as the guide's chapter on observability shows it.

use super::*;
use std::{collections::BTreeSet, env, fs, path::PathBuf};

const METHODS: [&str; 2] =
    ["google.cloud.video.livestream.v1.LivestreamService/CreateInput", GET_OPERATION];
const GET_OPERATION: &str = "google.longrunning.Operations/GetOperation";

#[tokio::test(start_paused = true)]
async fn the_trace_is_call_then_attempts_then_polls_and_the_service_continues_it() {
    let run = run().await.expect("the input is created");
    let spans = |name: &str| {
        let found = run.spans.iter().filter(|span| span.name == name);
        found.collect::<Vec<_>>()
    };
    let [setup] = spans("setup")[..] else { panic!("one root: {:?}", run.spans) };
    let [create] = spans(METHODS[0])[..] else { panic!("one call: {:?}", run.spans) };
    let [wait] = spans("wait")[..] else { panic!("one wait: {:?}", run.spans) };
    let is_child =
        |child: &SpanData, parent: &SpanData| child.parent_span_id == parent.span_context.span_id();
    assert!(is_child(create, setup) && is_child(wait, setup));
    let links = wait.links.iter().map(|link| &link.span_context).collect::<Vec<_>>();
    assert_eq!(links, [&create.span_context]);
    let polls = spans(GET_OPERATION);
    assert!(polls.len() > 1 && polls.iter().all(|poll| is_child(poll, wait)), "{polls:?}");

    let attempts = METHODS.map(|method| spans(&format!("Attempt.{method}")));
    assert_eq!(attempts.each_ref().map(Vec::len), [2, polls.len()]);
    assert!(attempts[0].iter().all(|attempt| is_child(attempt, create)));
    for (attempt, poll) in attempts[1].iter().zip(&polls) {
        assert!(is_child(attempt, poll), "{attempt:?}");
    }
    let expected = attempts.concat().into_iter().map(|attempt| {
        let (trace, span) = (attempt.span_context.trace_id(), attempt.span_context.span_id());
        format!("00-{trace}-{span}-01")
    });
    let received = run.received.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(received, expected.collect::<BTreeSet<_>>());
    assert_eq!(run.received.len(), received.len(), "each attempt has a context of its own");
}

/// The guide shows this output. With the variable `UPDATE_GUIDE`, the test writes it there.
#[tokio::test(start_paused = true)]
async fn the_guide_shows_the_trace_and_the_prometheus_page_of_this_run() {
    let run = run().await.expect("the input is created");
    let source = include_str!("main.rs");
    let code = source.split_once("from here …\n").and_then(|(_, rest)| rest.split_once("// … to"));
    let guide = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../src/guide/observability.md");
    let shown = fs::read_to_string(&guide).expect("the guide");
    let mut right = shown.clone();
    for (block, kind, content) in [
        ("code", "rust,ignore", code.expect("the marks are there").0),
        ("trace", "text", &tree::picture(&run.spans)),
        ("metrics", "text", &run.page),
    ] {
        let mark = format!("<!-- {block}: made by examples/opentelemetry -->\n\n```");
        let (before, rest) = right.split_once(&mark).unwrap_or_else(|| panic!("no {mark:?}"));
        let (_, after) = rest.split_once("\n```\n").expect("the block ends");
        right = format!("{before}{mark}{kind}\n{}\n```\n{after}", content.trim_end());
    }
    if env::var_os("UPDATE_GUIDE").is_some() {
        return fs::write(&guide, &right).expect("it can be written");
    }
    assert!(shown == right, "run this test with UPDATE_GUIDE=1 and look at the difference");
}
