//! Reads a channel from a YAML or JSON file, validates it, shows what would change, and applies it.
//!
//! ```sh
//! cargo run --package channel_from_file [FILE]
//! ```
//!
//! The file has the fields of the API's JSON form, as in the REST reference. The default is
//! `channel.yaml` beside this example. The service is an emulator in this process.

#[path = "../../support/mod.rs"]
mod support;

use livestream_client::{
    json,
    model::{Channel, elementary_stream::ElementaryStream as Stream, video_stream::CodecSettings},
    name::InputName,
    validation::Validate,
};
use serde_json::Value;
use std::{env, fs};
use support::{Result, Studio, rtmp_input, show};

#[tokio::main]
async fn main() -> Result {
    let file = env::args().nth(1);
    let file = file.unwrap_or(concat!(env!("CARGO_MANIFEST_DIR"), "/channel.yaml").into());
    let text = fs::read_to_string(&file)?;
    let channel = read(&text)?;
    println!("{file} describes");
    describe(&channel);

    // A misspelt field is an error.
    let misspelt = text.replacen("bitrateBps", "bitrate", 1);
    if let Err(error) = read(&misspelt) {
        println!("with a misspelt field: {error}");
    }

    // A channel must also follow the documented rules. Validation finds all violations at once.
    channel.validate()?;
    let mut odd = channel.clone();
    odd.manifests[0].mux_streams.push("uhd".into());
    for violation in odd.violations() {
        println!("with an unknown stream: {violation}");
    }
    println!();

    let studio = Studio::open()?;
    let Studio { client, location, .. } = &studio;
    for attachment in &channel.input_attachments {
        let input: InputName = attachment.input.parse()?;
        let create = client.create_input(location, rtmp_input(), input.id()).await?;
        show(&format!("Creating input {}", input.id()), create).await?;
    }
    let name = location.channel("evening-news")?;
    println!("{}", client.plan_channel(&name, &channel).await?);
    let apply = client.ensure_channel(&name, channel.clone()).into_future();
    let applied = studio.step("Applying the file", apply).await?;
    println!("{}\n", client.plan_channel(&name, &channel).await?);
    println!("{name} is {}, and the service has filled in", applied.streaming_state());
    let defaults = (json::to_value(&applied)?, json::to_value(&channel)?);
    print_added("", &defaults.0, &defaults.1);
    Ok(())
}

/// Reads YAML, and so JSON too.
fn read(text: &str) -> Result<Channel> {
    Ok(json::read(yaml_serde::Deserializer::from_str(text))?)
}

fn describe(channel: &Channel) {
    for attachment in &channel.input_attachments {
        println!("  input     {:<12} {}", attachment.key, attachment.input);
    }
    for stream in &channel.elementary_streams {
        let what = match &stream.elementary_stream {
            Some(Stream::VideoStream(video)) => match &video.codec_settings {
                Some(CodecSettings::H264(h264)) => format!(
                    "H.264, {} x {}, {} kbit/s",
                    h264.width_pixels,
                    h264.height_pixels,
                    h264.bitrate_bps / 1000
                ),
                Some(CodecSettings::H265(h265)) => format!(
                    "H.265, {} x {}, {} kbit/s",
                    h265.width_pixels,
                    h265.height_pixels,
                    h265.bitrate_bps / 1000
                ),
                Some(_) => "video with another codec".into(),
                None => "video without a codec".into(),
            },
            Some(Stream::AudioStream(audio)) => {
                format!("{}, {} kbit/s", audio.codec, audio.bitrate_bps / 1000)
            }
            Some(Stream::TextStream(text)) => text.codec.clone(),
            Some(_) => "of a kind that this example does not know".into(),
            None => "empty".into(),
        };
        println!("  stream    {:<12} {what}", stream.key);
    }
    for manifest in &channel.manifests {
        let muxes = manifest.mux_streams.join(", ");
        println!("  manifest  {:<12} {} of {muxes}", manifest.key, manifest.file_name);
    }
    println!();
}

/// Prints the values that are in the first JSON value only.
fn print_added(path: &str, all: &Value, own: &Value) {
    match all {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = format!("{path}.{key}");
                print_added(&path, value, own.get(key).unwrap_or(&Value::Null));
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                print_added(&format!("{path}[{at}]"), item, own.get(at).unwrap_or(&Value::Null));
            }
        }
        value if own.is_null() => println!("  {} = {value}", path.trim_start_matches('.')),
        _ => {}
    }
}
