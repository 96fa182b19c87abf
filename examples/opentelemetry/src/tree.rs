//! A trace as a tree of lines.

use opentelemetry::trace::SpanId;
use opentelemetry_sdk::trace::SpanData;

/// The attributes that the picture shows. A span has more.
const SHOWN: [&str; 6] = [
    "rpc.status_code",
    "previous-rpc-attempts",
    "retry.delay",
    "retry.reason",
    "attempts",
    RESOURCE,
];

/// A call has it too, but the picture would be too wide.
const RESOURCE: &str = "gcp.resource.destination.id";

/// The spans of one trace, each under its parent.
pub(crate) fn picture(spans: &[SpanData]) -> String {
    let mut lines = String::new();
    branch(spans, SpanId::INVALID, "", &mut lines);
    lines
}

fn branch(spans: &[SpanData], parent: SpanId, indent: &str, lines: &mut String) {
    let mut children =
        spans.iter().filter(|span| span.parent_span_id == parent).collect::<Vec<_>>();
    children.sort_by_key(|span| span.start_time);
    let count = children.len();
    for (at, span) in (1..).zip(children) {
        let is_last = at == count;
        let (own, below) = match (parent == SpanId::INVALID, is_last) {
            (true, _) => ("", ""),
            (false, false) => ("├─ ", "│  "),
            (false, true) => ("└─ ", "   "),
        };
        lines.push_str(&format!("{indent}{own}{}{}\n", span.name, attributes(span)));
        let below = format!("{indent}{below}");
        for link in span.links.iter() {
            let linked = spans.iter().find(|span| span.span_context == link.span_context);
            let name = linked.map_or("another trace", |span| &span.name);
            lines.push_str(&format!("{below}   linked to {name}\n"));
        }
        branch(spans, span.span_context.span_id(), &below, lines);
    }
}

fn attributes(span: &SpanData) -> String {
    let is_wait = span.name == "wait";
    let shown = SHOWN.into_iter().filter(|name| *name != RESOURCE || is_wait).filter_map(|name| {
        let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name)?;
        Some(format!(" {name}={}", found.value))
    });
    shown.collect()
}
