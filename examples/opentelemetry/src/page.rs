//! A Prometheus page, short enough to read.

/// Returns the page with its metrics in the order of their names, and without each bucket that counts as
/// many samples as the bucket before it.
pub(crate) fn shorten(page: &str) -> String {
    let mut metrics = page.trim().split("\n\n").map(metric).collect::<Vec<_>>();
    metrics.sort_unstable();
    metrics.join("\n\n")
}

fn metric(text: &str) -> String {
    let (head, samples): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with('#'));
    let mut samples = samples.into_iter().map(Sample::read).collect::<Vec<_>>();
    // The sort is stable: buckets stay in their order, and before the sum and the count.
    samples.sort_by_key(|sample| sample.series);
    let mut shown = head.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let mut before = ("", "0");
    for Sample { line, series, is_bucket, value } in samples {
        let last = if before.0 == series { before.1 } else { "0" };
        if !is_bucket || value != last {
            shown.push(line.to_owned());
        }
        before = (series, if is_bucket { value } else { last });
    }
    shown.join("\n")
}

struct Sample<'a> {
    line: &'a str,
    /// The labels without the bound of the bucket.
    series: &'a str,
    is_bucket: bool,
    value: &'a str,
}

impl<'a> Sample<'a> {
    fn read(line: &'a str) -> Self {
        let (key, value) = line.rsplit_once(' ').unwrap_or((line, ""));
        let labels = key.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
        let bound = labels.find(",le=");
        let series = bound.map_or(labels, |at| &labels[..at]);
        Self { line, series, is_bucket: bound.is_some(), value }
    }
}
