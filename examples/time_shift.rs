//! Time shift on Volcengine, from creation to deletion, through an ordinary tonic client.
//!
//! Runs as it is, against a stand-in for the vendor on this machine that verifies each signature:
//! `cargo run --example time_shift`. Against the vendor itself, leave out
//! `endpoint` and `keys`: the keys then come from `VOLC_ACCESSKEY` and `VOLC_SECRETKEY`.

use livestream_client::volcengine::{
    AccessKey, ERROR_CODE, REQUEST_ID, TimeShift, TimeShiftClient,
    model::{
        CreateTimeShiftPresetRequest, DeleteTimeShiftPresetRequest, ListTimeShiftPresetsRequest,
        TimeShiftType, UpdateTimeShiftPresetRequest,
    },
};
use std::{error::Error, time::Duration};
use tonic::Request;
use vendor::{ACCESS_KEY, SECRET_KEY, Vendor};

#[path = "../tests/volcengine/vendor.rs"]
#[allow(dead_code, clippy::unwrap_used)]
mod vendor;

const VHOST: &str = "push.example.com";
const APP: &str = "live";
const STREAM: &str = "match-1";
const DAY: i64 = 86_400;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let service = TimeShift::builder()
        .endpoint(Vendor::new().listen().await)
        .access_key(AccessKey::new(ACCESS_KEY, SECRET_KEY)?)
        .build()?;
    let mut client = service.client();

    let created = client
        .create_time_shift_preset(CreateTimeShiftPresetRequest {
            vhost: VHOST.into(),
            app: APP.into(),
            stream: STREAM.into(),
            max_shift_time: DAY,
            pull_domain: "pull.example.com".into(),
            time_shift_type: Some(TimeShiftType::Shared.into()),
        })
        .await?;
    println!("created {}", created.get_ref().preset_name);
    print_presets(&mut client).await?;

    client
        .update_time_shift_preset(UpdateTimeShiftPresetRequest {
            vhost: VHOST.into(),
            app: APP.into(),
            stream: STREAM.into(),
            max_shift_time: 7 * DAY,
        })
        .await?;
    print_presets(&mut client).await?;

    // A length that the service does not offer never leaves this machine.
    let refused = client
        .update_time_shift_preset(UpdateTimeShiftPresetRequest {
            vhost: VHOST.into(),
            app: APP.into(),
            max_shift_time: DAY + 1,
            ..Default::default()
        })
        .await;
    println!("refused: {}", refused.expect_err("no such length").message());

    let delete = DeleteTimeShiftPresetRequest { vhost: VHOST.into(), app: APP.into() };
    client.delete_time_shift_preset(delete).await?;
    print_presets(&mut client).await?;

    // What a failure tells: here, wrong keys.
    let strangers = TimeShift::builder()
        .endpoint(Vendor::new().listen().await)
        .access_key(AccessKey::new("AKLTSTRANGER", SECRET_KEY)?)
        .build()?;
    let list = ListTimeShiftPresetsRequest::default();
    let status = strangers.client().list_time_shift_presets(list).await.expect_err("unknown keys");
    println!(
        "{:?}: {} (code {:?}, request {:?})",
        status.code(),
        status.message(),
        status.metadata().get(ERROR_CODE),
        status.metadata().get(REQUEST_ID),
    );
    Ok(())
}

async fn print_presets(client: &mut TimeShiftClient) -> Result<(), tonic::Status> {
    let list = ListTimeShiftPresetsRequest { vhost: VHOST.into(), ..Default::default() };
    let mut request = Request::new(list);
    request.set_timeout(Duration::from_secs(10));
    let presets = client.list_time_shift_presets(request).await?.into_inner().presets;
    println!("{} presets", presets.len());
    for preset in presets {
        println!(
            "  {}/{}/{}: {} days, {:?}",
            preset.vhost,
            preset.app,
            preset.stream,
            preset.max_shift_time / DAY,
            preset.status(),
        );
    }
    Ok(())
}
