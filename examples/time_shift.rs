//! Creates, updates, lists and deletes time-shift presets on Volcengine, with an ordinary tonic client.
//!
//! ```sh
//! cargo run --example time_shift
//! ```
//!
//! The service is a test server in this process, which verifies each signature. To use the vendor's
//! service, make the client with `TimeShift::from_env()?`. It reads the access key from `VOLC_ACCESSKEY`
//! and `VOLC_SECRETKEY`.

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

    // The client refuses a duration that the service does not offer, before it sends anything.
    let refused = client
        .update_time_shift_preset(UpdateTimeShiftPresetRequest {
            vhost: VHOST.into(),
            app: APP.into(),
            max_shift_time: DAY + 1,
            ..Default::default()
        })
        .await;
    println!("refused, as expected: {}", refused.expect_err("no such duration").message());

    let delete = DeleteTimeShiftPresetRequest { vhost: VHOST.into(), app: APP.into() };
    client.delete_time_shift_preset(delete).await?;
    print_presets(&mut client).await?;

    // A call with a wrong key shows the parts of an error.
    let strangers = TimeShift::builder()
        .endpoint(Vendor::new().listen().await)
        .access_key(AccessKey::new("AKLTSTRANGER", SECRET_KEY)?)
        .build()?;
    let list = ListTimeShiftPresetsRequest::default();
    let status = strangers.client().list_time_shift_presets(list).await.expect_err("unknown keys");
    println!(
        "a wrong key, as expected: {:?}: {} (code {:?}, request {:?})",
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
    match presets.len() {
        1 => println!("1 preset"),
        count => println!("{count} presets"),
    }
    for preset in presets {
        let days = match preset.max_shift_time / DAY {
            1 => "1 day".to_owned(),
            days => format!("{days} days"),
        };
        let (vhost, app, stream) = (&preset.vhost, &preset.app, &preset.stream);
        println!("  {vhost}/{app}/{stream}: {days}, {:?}", preset.status());
    }
    Ok(())
}
