//! A channel kept as a JSON file: read, checked, described, created, and shown as the service has it.
//!
//! ```sh
//! cargo run --example channel_from_file [FILE]
//! ```
//!
//! The file has the API's own JSON form, as the REST reference shows it. Without one it is
//! `examples/data/channel.json`, and the service is one inside this process.

mod support;

use livestream_client::{
    json,
    model::{Channel, elementary_stream::ElementaryStream as Stream, video_stream::CodecSettings},
    name::InputName,
    validation::Validate,
};
use std::{env, fs};
use support::{Result, Studio, rtmp_input, show};

#[tokio::main]
async fn main() -> Result {
    let file = env::args().nth(1);
    let file =
        file.unwrap_or(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/channel.json").into());
    let text = fs::read_to_string(&file)?;
    let channel: Channel = json::from_str(&text)?;
    println!("{file} describes");
    describe(&channel);

    // What a slip of the pen looks like.
    let slip = text.replacen("bitrateBps", "bitrate", 1);
    if let Err(error) = json::from_str::<Channel>(&slip) {
        println!("with one field misspelt: {error}");
    }

    // What the file says must also make sense: every breach of a documented rule is told at once.
    channel.validate()?;
    let mut odd = channel.clone();
    odd.manifests[0].mux_streams.push("uhd".into());
    for violation in odd.violations() {
        println!("with one stream too many: {violation}");
    }
    println!();

    let studio = Studio::open()?;
    let Studio { client, location, .. } = &studio;
    for attachment in &channel.input_attachments {
        let input: InputName = attachment.input.parse()?;
        let create = client.create_input(location, rtmp_input(), input.id()).await?;
        show(&format!("Creating input {}", input.id()), create).await?;
    }
    let create = client.create_channel(location, channel, "evening-news").await?;
    let created = show("Creating the channel", create).await?;
    println!("{}", json::to_string_pretty(&created)?);
    Ok(())
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
                None => "video without a codec".into(),
            },
            Some(Stream::AudioStream(audio)) => {
                format!("{}, {} kbit/s", audio.codec, audio.bitrate_bps / 1000)
            }
            Some(Stream::TextStream(text)) => text.codec.clone(),
            None => "nothing".into(),
        };
        println!("  stream    {:<12} {what}", stream.key);
    }
    for manifest in &channel.manifests {
        let muxes = manifest.mux_streams.join(", ");
        println!("  manifest  {:<12} {} of {muxes}", manifest.key, manifest.file_name);
    }
    println!();
}
