//! The fields of requests, validation before sending, and the reading of responses.

use crate::{ID, Reply, Vendor, answer, create, delete, list, over, update};
use livestream_client::volcengine::{
    REQUEST_ID,
    model::{CreateTimeShiftPresetRequest, PresetStatus, TimeShiftPreset, TimeShiftType},
};
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt;

#[tokio::test(start_paused = true)]
async fn each_action_sends_its_fields_and_no_other() {
    let vendor = Vendor::new();
    let mut client = over(&vendor).build().unwrap().client();

    client.create_time_shift_preset(create()).await.unwrap();
    let full = CreateTimeShiftPresetRequest { stream: "s".into(), ..create() };
    client.create_time_shift_preset(full).await.unwrap();
    for number in [TimeShiftType::Shared, TimeShiftType::Independent] {
        let typed =
            CreateTimeShiftPresetRequest { time_shift_type: Some(number.into()), ..create() };
        client.create_time_shift_preset(typed).await.unwrap();
    }
    client.update_time_shift_preset(update()).await.unwrap();
    let mut one = update();
    one.stream = "s".into();
    client.update_time_shift_preset(one).await.unwrap();
    client.delete_time_shift_preset(delete()).await.unwrap();
    client.list_time_shift_presets(list()).await.unwrap();
    let mut of_vhost = list();
    of_vhost.vhost = "push.example.com".into();
    of_vhost.r#type = "tos".into();
    client.list_time_shift_presets(of_vhost).await.unwrap();

    let join = |mut base: Value, more: Value| {
        base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        base
    };
    let with = |more| join(json!({"Vhost": "push.example.com", "App": "live"}), more);
    let created = json!({"MaxShiftTime": 86_400, "PullDomain": "pull.example.com"});
    let created = |more| join(with(created.clone()), more);
    let expected = [
        ("CreateTimeShiftPresetV3", created(json!({}))),
        ("CreateTimeShiftPresetV3", created(json!({"Stream": "s"}))),
        ("CreateTimeShiftPresetV3", created(json!({"TimeShiftType": 0}))),
        ("CreateTimeShiftPresetV3", created(json!({"TimeShiftType": 1}))),
        ("UpdateTimeShiftPresetV3", with(json!({"MaxShiftTime": 259_200}))),
        ("UpdateTimeShiftPresetV3", with(json!({"MaxShiftTime": 259_200, "Stream": "s"}))),
        ("DeleteTimeShiftPresetV3", with(json!({}))),
        ("ListTimeShiftPresetV2", json!({"Type": "vod"})),
        ("ListTimeShiftPresetV2", json!({"Type": "tos", "Vhost": "push.example.com"})),
    ];
    let seen = vendor.seen().into_iter().map(|seen| (seen.action, seen.body));
    let expected = expected.map(|(action, body)| (action.to_owned(), body));
    assert_eq!(seen.collect::<Vec<_>>(), expected);
}

#[tokio::test(start_paused = true)]
async fn an_unsupported_max_shift_time_is_refused_with_the_supported_values() {
    let vendor = Vendor::new();
    let mut client = over(&vendor).build().unwrap().client();
    for seconds in [86_401, 0, -1, i64::MAX] {
        let (mut create, mut update) = (create(), update());
        (create.max_shift_time, update.max_shift_time) = (seconds, seconds);
        for status in [
            client.create_time_shift_preset(create).await.unwrap_err(),
            client.update_time_shift_preset(update).await.unwrap_err(),
        ] {
            assert_eq!(status.code(), Code::InvalidArgument);
            for offered in ["86400", "259200", "604800", "1296000"] {
                assert!(status.message().contains(offered), "{status}");
            }
            assert_eq!(violated(&status), "max_shift_time");
        }
    }
    assert!(vendor.seen().is_empty());

    for seconds in [86_400, 259_200, 604_800, 1_296_000] {
        let mut create = create();
        create.max_shift_time = seconds;
        client.create_time_shift_preset(create).await.unwrap();
    }
}

/// The field in the typed error details.
fn violated(status: &Status) -> String {
    status.get_details_bad_request().unwrap().field_violations[0].field.clone()
}

#[tokio::test(start_paused = true)]
async fn undocumented_field_values_are_refused_before_anything_is_sent() {
    let vendor = Vendor::new();
    let mut client = over(&vendor).build().unwrap().client();

    type Edit = fn(&mut CreateTimeShiftPresetRequest);
    let edits: [(&str, Edit); 10] = [
        ("vhost", |r| r.vhost.clear()),
        ("app", |r| r.app.clear()),
        ("app", |r| r.app = "a".repeat(31)),
        ("app", |r| r.app = "a/b".into()),
        ("app", |r| r.app = "ä".into()),
        ("stream", |r| r.stream = "s".repeat(101)),
        ("stream", |r| r.stream = "a b".into()),
        ("pull_domain", |r| r.pull_domain.clear()),
        ("time_shift_type", |r| r.time_shift_type = Some(2)),
        ("time_shift_type", |r| r.time_shift_type = Some(-1)),
    ];
    for (field, edit) in edits {
        let mut request = create();
        edit(&mut request);
        let status = client.create_time_shift_preset(request).await.unwrap_err();
        assert_eq!((status.code(), &*violated(&status)), (Code::InvalidArgument, field));
        assert!(status.message().starts_with(&format!("`{field}` is ")), "{status}");
    }
    let (mut long, mut nameless, mut other) = (update(), delete(), list());
    long.stream = "s".repeat(101);
    nameless.app.clear();
    other.r#type = "s3".into();
    let status = client.update_time_shift_preset(long).await.unwrap_err();
    assert_eq!(violated(&status), "stream");
    let status = client.delete_time_shift_preset(nameless).await.unwrap_err();
    assert_eq!(violated(&status), "app");
    let status = client.list_time_shift_presets(other).await.unwrap_err();
    assert_eq!(violated(&status), "type");
    assert!(vendor.seen().is_empty());

    let mut longest = create();
    longest.app = "a".repeat(30);
    longest.stream = "._-".repeat(33) + "Z";
    client.create_time_shift_preset(longest).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn responses_hold_preset_names_and_the_request_id() {
    let vendor = Vendor::new();
    let mut client = over(&vendor).build().unwrap().client();
    let created = client.create_time_shift_preset(create()).await.unwrap();
    assert_eq!(created.metadata().get(REQUEST_ID).unwrap(), ID);
    assert_eq!(created.into_inner().preset_name, "preset-1");

    client.update_time_shift_preset(update()).await.unwrap();
    let listed = client.list_time_shift_presets(list()).await.unwrap().into_inner().presets;
    let expected = TimeShiftPreset {
        vhost: "push.example.com".into(),
        app: "live".into(),
        max_shift_time: 259_200,
        domain: "pull.example.com".into(),
        status: Some(PresetStatus::Enabled.into()),
        name: "preset-1".into(),
        r#type: "vod".into(),
        ..Default::default()
    };
    assert_eq!(listed, [expected]);
}

#[tokio::test(start_paused = true)]
async fn responses_can_hold_values_that_requests_cannot() {
    let vendor = Vendor::new();
    let odd = json!({"List": [
        {"Vhost": "", "App": "a/b".repeat(50), "Stream": "s p a c e", "MaxShiftTime": 86_401,
         "VODNamespace": "ns", "Domain": "d", "Status": 7, "Name": "n", "Bucket": "b",
         "Type": "other", "New": {"Unknown": [1]}},
        {"Vhost": null, "MaxShiftTime": null, "Status": 0},
        {},
    ], "Total": 3});
    vendor.reply([
        answer(200, None, odd),
        answer(200, None, json!({"List": null})),
        answer(200, None, json!({})),
        answer(200, None, Value::Null),
        Reply::Answer(200, json!({"ResponseMetadata": {}}).to_string()),
    ]);
    let mut client = over(&vendor).build().unwrap().client();
    let presets = client.list_time_shift_presets(list()).await.unwrap().into_inner().presets;
    let odd = TimeShiftPreset {
        app: "a/b".repeat(50),
        stream: "s p a c e".into(),
        max_shift_time: 86_401,
        vod_namespace: "ns".into(),
        domain: "d".into(),
        status: Some(7),
        name: "n".into(),
        bucket: "b".into(),
        r#type: "other".into(),
        ..Default::default()
    };
    let bare = TimeShiftPreset::default();
    assert_eq!(presets, [odd, TimeShiftPreset { status: Some(0), ..bare.clone() }, bare]);
    for _ in 0..4 {
        let empty = client.list_time_shift_presets(list()).await.unwrap().into_inner();
        assert!(empty.presets.is_empty());
    }

    // Only listing needs a result.
    for result in [Value::Null, json!(""), json!([]), json!({"PresetName": null})] {
        vendor.reply([answer(200, None, result.clone()), answer(200, None, result.clone())]);
        let created = client.create_time_shift_preset(create()).await.unwrap().into_inner();
        assert_eq!(created.preset_name, "");
        client.delete_time_shift_preset(delete()).await.unwrap();
    }
}
