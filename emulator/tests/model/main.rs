//! A random walk: valid and invalid calls of several clients, against a small reference model.
//!
//! The model predicts the code of every call, the outcome of every operation and every state.
//! `EMULATOR_STEPS` sets the number of steps, and `EMULATOR_SEED` the first seed.

mod reference;
#[path = "../support/mod.rs"]
mod support;

use livestream_client::{
    model::{
        self, Asset, Channel, Input, InputAttachment, StaticOverlay,
        asset::{ImageAsset, Resource, State as AssetState},
        channel::StreamingState,
    },
    proto::google::longrunning::{CancelOperationRequest, Operation, operation::Result as Outcome},
};
use livestream_emulator::Emulator;
use prost_types::FieldMask;
use reference::{Due, Model, Uses, Verdict, Work, location};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use support::{Service, name};
use tonic::{Code, Response, Status};

const LOCATIONS: [&str; 2] =
    ["projects/p/locations/us-central1", "projects/p/locations/europe-west1"];
const IDS: [&str; 3] = ["a", "b", "c"];

fn setting(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end as u64).expect("small")
    }

    fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    fn is_one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn named(&mut self, collection: &str) -> String {
        format!("{}/{collection}/{}", self.one_of(&LOCATIONS), self.one_of(&IDS))
    }
}

fn attachments(input: &Option<String>) -> Vec<InputAttachment> {
    let attach = |input: &String| InputAttachment {
        key: "main".to_owned(),
        input: input.clone(),
        automatic_failover: None,
    };
    input.iter().map(attach).collect()
}

fn split(name: &str) -> (String, String) {
    let (parent, id) = (location(name), name.rsplit('/').next().expect("an id"));
    (parent.to_owned(), id.to_owned())
}

struct Walk {
    service: Service,
    model: Model,
    random: Random,
    requests: u64,
    /// The codes of calls so far, as numbers.
    codes: BTreeSet<i32>,
}

impl Walk {
    fn request_id(&mut self) -> String {
        self.requests += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.requests)
    }

    /// Compares a mutation with the verdict of the model. Sometimes another client sends it again,
    /// with the same request id.
    async fn mutate<F>(
        &mut self,
        target: &str,
        verdict: Verdict,
        mut call: impl FnMut(Service, String) -> F,
    ) where
        F: Future<Output = Result<Response<Operation>, Status>>,
    {
        let id = self.request_id();
        let answer = call(Service::on(self.service.emulator.clone()), id.clone()).await;
        match (answer, verdict) {
            (Ok(operation), Ok(work)) => {
                let operation = operation.into_inner();
                if self.random.is_one_in(4) {
                    let again = call(Service::on(self.service.emulator.clone()), id).await;
                    assert_eq!(again.expect("a repeat").into_inner().name, operation.name);
                }
                self.codes.insert(Code::Ok as i32);
                self.model.begin(&operation.name, target, work);
            }
            (Err(status), Err(code)) => {
                self.codes.insert(code as i32);
                assert_eq!(status.code(), code, "{target}: {status:?}");
            }
            (Ok(_), Err(code)) => panic!("{target}: accepted, not {code:?}"),
            (Err(status), Ok(work)) => panic!("{target}: {status:?}, not {work:?}"),
        }
    }

    async fn step(&mut self) {
        match self.random.below(14) {
            0 => {
                let target = self.random.named("inputs");
                let (parent, input_id) = split(&target);
                let verdict = self.model.create_input(&target);
                self.mutate(&target, verdict, |mut service, request_id| {
                    let (parent, input_id) = (parent.clone(), input_id.clone());
                    let input = Some(support::input());
                    let request = model::CreateInputRequest { parent, input_id, input, request_id };
                    async move { service.live.create_input(request).await }
                })
                .await;
            }
            1 => {
                let target = self.random.named("inputs");
                let verdict = self.model.update_input(&target);
                let input = Input { name: target.clone(), tier: 3, ..Default::default() };
                self.mutate(&target, verdict, |mut service, request_id| {
                    let input = Some(input.clone());
                    let request =
                        model::UpdateInputRequest { input, update_mask: None, request_id };
                    async move { service.live.update_input(request).await }
                })
                .await;
            }
            2 => {
                let target = self.random.named("inputs");
                let verdict = self.model.delete_input(&target);
                self.mutate(&target, verdict, |mut service, request_id| {
                    let request = model::DeleteInputRequest { name: target.clone(), request_id };
                    async move { service.live.delete_input(request).await }
                })
                .await;
            }
            3 => {
                let target = self.random.named("assets");
                let (parent, asset_id) = split(&target);
                let verdict = self.model.create_asset(&target);
                let uri = "gs://bucket/logo.jpg".to_owned();
                let asset = Asset {
                    resource: Some(Resource::Image(ImageAsset { uri })),
                    ..Default::default()
                };
                self.mutate(&target, verdict, |mut service, request_id| {
                    let (parent, asset_id) = (parent.clone(), asset_id.clone());
                    let asset = Some(asset.clone());
                    let request = model::CreateAssetRequest { parent, asset_id, asset, request_id };
                    async move { service.live.create_asset(request).await }
                })
                .await;
            }
            4 => {
                let target = self.random.named("assets");
                let verdict = self.model.delete_asset(&target);
                self.mutate(&target, verdict, |mut service, request_id| {
                    let request = model::DeleteAssetRequest { name: target.clone(), request_id };
                    async move { service.live.delete_asset(request).await }
                })
                .await;
            }
            5 => self.create_channel().await,
            6 => {
                let target = self.random.named("channels");
                let input = (!self.random.is_one_in(3)).then(|| self.random.named("inputs"));
                let verdict = self.model.update_channel(&target, &input);
                let channel = Channel {
                    name: target.clone(),
                    input_attachments: attachments(&input),
                    ..Default::default()
                };
                self.mutate(&target, verdict, |mut service, request_id| {
                    let paths = vec!["input_attachments".to_owned()];
                    let request = model::UpdateChannelRequest {
                        channel: Some(channel.clone()),
                        update_mask: Some(FieldMask { paths }),
                        request_id,
                    };
                    async move { service.live.update_channel(request).await }
                })
                .await;
            }
            7 => {
                let target = self.random.named("channels");
                let verdict =
                    self.model.on_channel(&target, StreamingState::Stopped, Work::DeleteChannel);
                self.mutate(&target, verdict, |mut service, request_id| {
                    let (name, force) = (target.clone(), false);
                    let request = model::DeleteChannelRequest { name, force, request_id };
                    async move { service.live.delete_channel(request).await }
                })
                .await;
            }
            8 | 9 => {
                let target = self.random.named("channels");
                let verdict = self.model.on_channel(&target, StreamingState::Stopped, Work::Start);
                self.mutate(&target, verdict, |mut service, request_id| {
                    let request = model::StartChannelRequest { name: target.clone(), request_id };
                    async move { service.live.start_channel(request).await }
                })
                .await;
            }
            10 => {
                let target = self.random.named("channels");
                let verdict =
                    self.model.on_channel(&target, StreamingState::AwaitingInput, Work::Stop);
                self.mutate(&target, verdict, |mut service, request_id| {
                    let request = model::StopChannelRequest { name: target.clone(), request_id };
                    async move { service.live.stop_channel(request).await }
                })
                .await;
            }
            11 => {
                let running: Vec<_> = self.model.busy.values().cloned().collect();
                if running.is_empty() {
                    return;
                }
                let operation = running[self.random.below(running.len())].clone();
                let request = CancelOperationRequest { name: operation.clone() };
                self.service.operations.cancel_operation(request).await.expect("on record");
                self.model.plan(2, Due::Cancel(operation));
            }
            _ => {
                let seconds = self.random.one_of(&[0, 1, 2, 9, 10, 30, 60, 200, 601]);
                self.service.emulator.advance(Duration::from_secs(seconds));
                self.model.advance(seconds);
            }
        }
    }

    async fn create_channel(&mut self) {
        let target = self.random.named("channels");
        let (parent, channel_id) = split(&target);
        let uses = Uses {
            input: (!self.random.is_one_in(3)).then(|| self.random.named("inputs")),
            asset: self.random.is_one_in(3).then(|| self.random.named("assets")),
        };
        let is_valid = !self.random.is_one_in(8);
        let verdict = self.model.create_channel(&target, &uses, is_valid);
        let overlay = |asset: &String| StaticOverlay { asset: asset.clone(), ..Default::default() };
        let mut channel = Channel {
            input_attachments: attachments(&uses.input),
            static_overlays: uses.asset.iter().map(overlay).collect(),
            ..support::channel()
        };
        if !is_valid {
            channel.output = None;
        }
        self.mutate(&target, verdict, |mut service, request_id| {
            let (parent, channel_id) = (parent.clone(), channel_id.clone());
            let channel = Some(channel.clone());
            let request = model::CreateChannelRequest { parent, channel_id, channel, request_id };
            async move { service.live.create_channel(request).await }
        })
        .await;
    }

    /// Compares everything that can be read, and checks that what is referred to exists.
    async fn compare(&mut self) {
        let (mut inputs, mut assets, mut channels) =
            (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        for parent in LOCATIONS.map(str::to_owned) {
            let request = model::ListInputsRequest { parent: parent.clone(), ..Default::default() };
            let page = self.service.live.list_inputs(request).await.expect("a page").into_inner();
            inputs.extend(page.inputs.into_iter().map(|input| input.name));
            let request = model::ListAssetsRequest { parent: parent.clone(), ..Default::default() };
            let page = self.service.live.list_assets(request).await.expect("a page").into_inner();
            for asset in page.assets {
                assert_eq!(asset.error.is_some(), asset.state() == AssetState::Error, "{asset:?}");
                assets.insert(asset.name.clone(), asset.state());
            }
            let request = model::ListChannelsRequest { parent, ..Default::default() };
            let page = self.service.live.list_channels(request).await.expect("a page").into_inner();
            for channel in page.channels {
                let uses = Uses {
                    input: channel.input_attachments.first().map(|attached| attached.input.clone()),
                    asset: channel.static_overlays.first().map(|overlay| overlay.asset.clone()),
                };
                channels.insert(channel.name.clone(), (channel.streaming_state(), uses));
            }
        }
        for (name, (_, uses)) in &channels {
            assert!(uses.input.iter().all(|input| inputs.contains(input)), "{name}: {uses:?}");
            assert!(uses.asset.iter().all(|asset| assets.contains_key(asset)), "{name}: {uses:?}");
        }
        assert_eq!(inputs, self.model.inputs);
        assert_eq!(assets, self.model.assets);
        assert_eq!(channels, self.model.channels);
    }

    async fn compare_operations(&mut self) {
        let jobs = std::mem::take(&mut self.model.jobs);
        for (operation, job) in &jobs {
            let found = self.service.operation(operation).await;
            let outcome = match found.result {
                None => None,
                Some(Outcome::Response(_)) => Some(Code::Ok),
                Some(Outcome::Error(error)) => Some(Code::from_i32(error.code)),
                Some(other) => panic!("{other:?}"),
            };
            assert_eq!(outcome, job.outcome, "{operation}: {job:?}");
        }
        // Operations that are done never change again.
        self.model.jobs = jobs.into_iter().filter(|(_, job)| job.outcome.is_none()).collect();
    }
}

#[tokio::test]
async fn random_calls_agree_with_a_reference_model_at_every_step() {
    let (steps, first) = (setting("EMULATOR_STEPS", 10_000), setting("EMULATOR_SEED", 1));
    let walks = 10;
    let (mut codes, mut outcomes) = (BTreeSet::new(), BTreeSet::new());
    for seed in first..first + walks {
        let emulator = Emulator::builder().manual_clock().encoder_delay(None).seed(seed).build();
        let mut walk = Walk {
            service: Service::on(emulator),
            model: Model::default(),
            random: Random(seed),
            requests: 0,
            codes: BTreeSet::new(),
        };
        for step in 0..steps / walks {
            walk.step().await;
            walk.compare().await;
            if step % 50 == 0 {
                walk.compare_operations().await;
            }
        }
        walk.compare_operations().await;
        codes.append(&mut walk.codes);
        outcomes.append(&mut walk.model.outcomes);
        let get = model::GetChannelRequest { name: walk.random.named("channels") };
        let read = walk.service.live.get_channel(name::<model::GetChannelRequest>(&get.name)).await;
        assert_eq!(read.is_ok(), walk.model.channels.contains_key(&get.name));
    }
    // The walk was everywhere.
    let numbers = |codes: &[Code]| codes.iter().map(|code| *code as i32).collect::<BTreeSet<_>>();
    let refusals = [Code::InvalidArgument, Code::NotFound, Code::AlreadyExists];
    let expected = [&[Code::Ok, Code::FailedPrecondition][..], &refusals].concat();
    assert_eq!(codes, numbers(&expected));
    let expected = [Code::Ok, Code::Cancelled, Code::NotFound, Code::FailedPrecondition];
    assert_eq!(outcomes, numbers(&expected));
}
