//! The four actions: the checks of their requests, their JSON bodies, and the parsing of their
//! results.
//!
//! The checks apply only to requests. Results are not checked.

use super::model::{
    CreateTimeShiftPresetRequest, CreateTimeShiftPresetResponse, DeleteTimeShiftPresetRequest,
    ListTimeShiftPresetsRequest, ListTimeShiftPresetsResponse, TimeShiftPreset, TimeShiftType,
    UpdateTimeShiftPresetRequest,
};
use crate::gax::rpc::InvalidField;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A request for an action of the service.
pub(super) trait Action: Send + Sync {
    type Response: Default;
    const NAME: &'static str;

    /// Checks the fields against the documented rules.
    fn check(&self) -> Result<(), InvalidField>;

    fn body(&self) -> Body<'_>;

    /// Parses `Result`, which is null if the response has none. By default, the result is ignored.
    fn parse(_: Value) -> serde_json::Result<Self::Response> {
        Ok(Self::Response::default())
    }
}

/// The body of a request. Each action uses some of the members; the others are omitted.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Body<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    vhost: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    app: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    stream: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_shift_time: Option<i64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pull_domain: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_shift_type: Option<i32>,
    #[serde(skip_serializing_if = "str::is_empty")]
    r#type: &'a str,
}

impl Action for CreateTimeShiftPresetRequest {
    type Response = CreateTimeShiftPresetResponse;
    const NAME: &'static str = "CreateTimeShiftPresetV3";

    fn check(&self) -> Result<(), InvalidField> {
        check_present("vhost", &self.vhost)?;
        check_app(&self.app)?;
        check_stream(&self.stream)?;
        check_max_shift_time(self.max_shift_time)?;
        check_present("pull_domain", &self.pull_domain)?;
        match self.time_shift_type {
            Some(number) if TimeShiftType::try_from(number).is_err() => {
                let reason = format!("is {number}, but must be 0 (SHARED) or 1 (INDEPENDENT)");
                Err(InvalidField::new("time_shift_type", reason))
            }
            _ => Ok(()),
        }
    }

    fn body(&self) -> Body<'_> {
        Body {
            vhost: &self.vhost,
            app: &self.app,
            stream: &self.stream,
            max_shift_time: Some(self.max_shift_time),
            pull_domain: &self.pull_domain,
            time_shift_type: self.time_shift_type,
            ..Body::default()
        }
    }

    fn parse(result: Value) -> serde_json::Result<Self::Response> {
        let preset_name = result["PresetName"].as_str().unwrap_or_default().to_owned();
        Ok(CreateTimeShiftPresetResponse { preset_name })
    }
}

impl Action for UpdateTimeShiftPresetRequest {
    type Response = ();
    const NAME: &'static str = "UpdateTimeShiftPresetV3";

    fn check(&self) -> Result<(), InvalidField> {
        check_present("vhost", &self.vhost)?;
        check_app(&self.app)?;
        check_stream(&self.stream)?;
        check_max_shift_time(self.max_shift_time)
    }

    fn body(&self) -> Body<'_> {
        Body {
            vhost: &self.vhost,
            app: &self.app,
            stream: &self.stream,
            max_shift_time: Some(self.max_shift_time),
            ..Body::default()
        }
    }
}

impl Action for DeleteTimeShiftPresetRequest {
    type Response = ();
    const NAME: &'static str = "DeleteTimeShiftPresetV3";

    fn check(&self) -> Result<(), InvalidField> {
        check_present("vhost", &self.vhost)?;
        check_app(&self.app)
    }

    fn body(&self) -> Body<'_> {
        Body { vhost: &self.vhost, app: &self.app, ..Body::default() }
    }
}

impl Action for ListTimeShiftPresetsRequest {
    type Response = ListTimeShiftPresetsResponse;
    const NAME: &'static str = "ListTimeShiftPresetV2";

    fn check(&self) -> Result<(), InvalidField> {
        match &*self.r#type {
            "" | "vod" | "tos" => Ok(()),
            other => {
                let reason = format!("is {other:?}, but must be \"vod\" or \"tos\"");
                Err(InvalidField::new("type", reason))
            }
        }
    }

    fn body(&self) -> Body<'_> {
        let r#type = if self.r#type.is_empty() { "vod" } else { &self.r#type };
        Body { vhost: &self.vhost, r#type, ..Body::default() }
    }

    fn parse(result: Value) -> serde_json::Result<Self::Response> {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct List {
            list: Option<Vec<Preset>>,
        }
        let list = Option::<List>::deserialize(result)?.unwrap_or_default().list;
        let presets = list.unwrap_or_default().into_iter().map(Preset::into_message);
        Ok(ListTimeShiftPresetsResponse { presets: presets.collect() })
    }
}

/// A preset in a list. Any member can be missing or null.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Preset {
    vhost: Option<String>,
    app: Option<String>,
    stream: Option<String>,
    max_shift_time: Option<i64>,
    #[serde(rename = "VODNamespace")]
    vod_namespace: Option<String>,
    domain: Option<String>,
    status: Option<i32>,
    name: Option<String>,
    bucket: Option<String>,
    r#type: Option<String>,
}

impl Preset {
    fn into_message(self) -> TimeShiftPreset {
        TimeShiftPreset {
            vhost: self.vhost.unwrap_or_default(),
            app: self.app.unwrap_or_default(),
            stream: self.stream.unwrap_or_default(),
            max_shift_time: self.max_shift_time.unwrap_or_default(),
            vod_namespace: self.vod_namespace.unwrap_or_default(),
            domain: self.domain.unwrap_or_default(),
            status: self.status,
            name: self.name.unwrap_or_default(),
            bucket: self.bucket.unwrap_or_default(),
            r#type: self.r#type.unwrap_or_default(),
        }
    }
}

fn check_present(field: &'static str, value: &str) -> Result<(), InvalidField> {
    if value.is_empty() { Err(InvalidField::new(field, "is required")) } else { Ok(()) }
}

fn check_app(value: &str) -> Result<(), InvalidField> {
    check_present("app", value)?;
    check_id("app", value, 30)
}

/// Checks a stream name. An empty name means every stream of the app, or the app itself.
fn check_stream(value: &str) -> Result<(), InvalidField> {
    check_id("stream", value, 100)
}

fn check_id(field: &'static str, value: &str, max: usize) -> Result<(), InvalidField> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if value.chars().all(is_allowed) && value.len() <= max {
        return Ok(());
    }
    let rule = format!("must have at most {max} characters: letters, digits, `_`, `.` and `-`");
    let reason = format!("is {value:?}, but {rule}");
    Err(InvalidField::new(field, reason))
}

fn check_max_shift_time(seconds: i64) -> Result<(), InvalidField> {
    if [86_400, 259_200, 604_800, 1_296_000].contains(&seconds) {
        return Ok(());
    }
    let rule = "must be 86400, 259200, 604800 or 1296000 s (1, 3, 7 or 15 days)";
    let reason = format!("is {seconds} s, but {rule}");
    Err(InvalidField::new("max_shift_time", reason))
}
