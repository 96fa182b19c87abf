//! Writes the results as a Markdown table and as a bar chart, for the README. The table stands between two
//! marks in the README, and the chart is `speed.svg`. The crate's documentation cannot load files, so it
//! has a copy of the chart in the definition of a link.

use std::{fmt::Write as _, fs, process::Command, thread};

/// The results of one caller in one round, in nanoseconds.
#[derive(Clone, Copy)]
pub struct Sample {
    /// CPU time for each call, or for each item of a listing.
    pub cpu: f64,
    /// The median time of a call, or an item of a listing.
    pub p50: f64,
}

/// One caller.
pub struct Row {
    pub title: &'static str,
    /// The samples of each kind of work, in the order of `HEADS`.
    pub samples: [Vec<Sample>; 3],
}

const HEADS: [&str; 3] = ["1 call at a time", "64 calls in flight", LISTING];
const LISTING: &str = "one item of a listing";

/// Prints the table. With `into_readme`, also writes the table and the chart for the README. The other rows
/// are compared with the first.
pub fn write(rows: &[Row], into_readme: bool) {
    let cells: Vec<Vec<Cell>> = rows
        .iter()
        .map(|row| {
            let pairs = row.samples.iter().zip(&rows[0].samples);
            pairs.map(|(samples, base)| Cell::new(samples, base)).collect()
        })
        .collect();
    let (machine, table, chart) = (machine(), table(rows, &cells), chart(rows, &cells));
    println!("{machine}\n\n{table}");
    if into_readme {
        let readme = fs::read_to_string(README).expect("readable");
        let (before, rest) = readme.split_once(BEGIN).expect("a mark in the README");
        let (_, after) = rest.split_once(END).expect("a second mark in the README");
        let text = format!("{before}{BEGIN}\n{table}\nMeasured: {machine}.\n{END}{after}");
        let link = format!("[speed]: data:image/svg+xml,{}\n\n", escape(&chart));
        fs::write(README, text).expect("writable");
        fs::write(CHART, chart).expect("writable");
        fs::write(LINK, link).expect("writable");
    }
}

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/speed.svg");
const LINK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../src/guide/speed.link");
const BEGIN: &str = "<!-- by benches/compare -->";
const END: &str = "<!-- end -->";

/// The medians of one caller over all rounds, and the medians of its ratios within each round.
struct Cell {
    cpu: f64,
    cpu_ratio: f64,
    p50: f64,
    p50_ratio: f64,
}

impl Cell {
    fn new(samples: &[Sample], base: &[Sample]) -> Self {
        let of = |value: fn(&Sample) -> f64| {
            let ratios = samples.iter().zip(base).map(|(a, b)| value(a) / value(b)).collect();
            (median(samples.iter().map(value).collect()), median(ratios))
        };
        let ((cpu, cpu_ratio), (p50, p50_ratio)) = (of(|s| s.cpu), of(|s| s.p50));
        Self { cpu, cpu_ratio, p50, p50_ratio }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |text| text.trim_start_matches(['\t', ':', ' ']));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let (date, rustc) = (output("date", "+%F"), output("rustc", "--version"));
    let python = output("venv/bin/python", "--version");
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let rustc = rustc.split(' ').take(2).collect::<Vec<_>>().join(" ");
    format!("{date}, {cores} cores of {model}, load {load}, {rustc}, {python}")
}

fn output(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    output.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned()).unwrap_or_default()
}

fn table(rows: &[Row], cells: &[Vec<Cell>]) -> String {
    let mut text = String::from("| |");
    for head in HEADS {
        let _ = write!(text, " {head}: CPU |");
        // There are too few listings for a median of their time.
        if head != LISTING {
            let _ = write!(text, " {head}: p50 |");
        }
    }
    let _ = writeln!(text, "\n|---|{}", "--:|".repeat(2 * HEADS.len() - 1));
    for (row, cells) in rows.iter().zip(cells) {
        let _ = write!(text, "| {} |", row.title);
        for (cell, head) in cells.iter().zip(HEADS) {
            let _ = write!(text, " {} ({}) |", time(cell.cpu), ratio(cell.cpu_ratio));
            if head != LISTING {
                let _ = write!(text, " {} ({}) |", time(cell.p50), ratio(cell.p50_ratio));
            }
        }
        text.push('\n');
    }
    text
}

fn time(nanos: f64) -> String {
    match nanos {
        n if n < 9_950.0 => format!("{:.1} µs", n / 1e3),
        n if n < 999_500.0 => format!("{:.0} µs", n / 1e3),
        n => format!("{:.1} ms", n / 1e6),
    }
}

fn ratio(ratio: f64) -> String {
    if ratio < 9.95 { format!("{ratio:.2} ×") } else { format!("{ratio:.0} ×") }
}

/// Draws bars of CPU time. Each group has its own scale.
fn chart(rows: &[Row], cells: &[Vec<Cell>]) -> String {
    let height = 46 + HEADS.len() * (34 + 20 * rows.len());
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 {height}\" width=\"760\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\" fill=\"black\">\n\
         <title>CPU of a client</title>\n\
         <rect width=\"760\" height=\"{height}\" rx=\"6\" fill=\"white\"/>\n\
         <text x=\"16\" y=\"26\" font-weight=\"bold\">CPU of a client, GetChannel and \
         ListChannels on loopback: shorter is better</text>\n"
    );
    let mut y = 46;
    for (column, head) in HEADS.iter().enumerate() {
        let _ = writeln!(svg, "<text x=\"16\" y=\"{}\" fill=\"dimgray\">{head}</text>", y + 14);
        y += 22;
        let most = cells.iter().map(|cells| cells[column].cpu).fold(0.0, f64::max);
        for (row, cells) in rows.iter().zip(cells) {
            let cell = &cells[column];
            let width = (cell.cpu / most * 370.0).max(2.0);
            let colour = if row.title == "livestream-client" { "seagreen" } else { "darkgray" };
            let label = format!("{} · {}", time(cell.cpu), ratio(cell.cpu_ratio));
            let (end, text) = (236.0 + width, y + 13);
            let _ = writeln!(
                svg,
                "<text x=\"222\" y=\"{text}\" text-anchor=\"end\">{}</text>\
                 <rect x=\"230\" y=\"{}\" width=\"{width:.1}\" height=\"14\" fill=\"{colour}\"/>\
                 <text x=\"{end:.1}\" y=\"{text}\">{label}</text>",
                row.title,
                y + 2,
            );
            y += 20;
        }
        y += 12;
    }
    svg.push_str("</svg>\n");
    svg
}

/// Percent-encodes the characters that a link's destination must not contain.
fn escape(svg: &str) -> String {
    let mut escaped = String::new();
    for byte in svg.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'=' | b'/' | b':' | b'.' | b',' | b'-' => {
                escaped.push(byte.into());
            }
            _ => {
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}
