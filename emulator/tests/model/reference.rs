//! The reference model: nothing but sets, states and a list of what is due.

use livestream_client::model::{asset::State as AssetState, channel::StreamingState};
use std::collections::{BTreeMap, BTreeSet};
use tonic::Code;

/// What a channel refers to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Uses {
    pub(crate) input: Option<String>,
    pub(crate) asset: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Work {
    CreateInput,
    UpdateInput,
    DeleteInput,
    CreateAsset,
    DeleteAsset(AssetState),
    CreateChannel(Uses),
    UpdateChannel(Option<String>),
    DeleteChannel,
    Start,
    Stop,
}

impl Work {
    /// The documented durations, in seconds.
    fn seconds(&self) -> u64 {
        match self {
            Self::CreateInput => 180,
            Self::UpdateInput | Self::UpdateChannel(_) | Self::DeleteChannel => 30,
            Self::DeleteInput | Self::CreateAsset | Self::Stop => 60,
            Self::DeleteAsset(_) | Self::CreateChannel(_) => 10,
            Self::Start => 600,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Job {
    target: String,
    work: Work,
    pub(crate) outcome: Option<Code>,
}

/// What the model does at a time.
#[derive(Clone, Debug)]
pub(crate) enum Due {
    Finish(String),
    Cancel(String),
}

/// The reference: nothing but sets, states and a list of what is due.
#[derive(Default)]
pub(crate) struct Model {
    now: u64,
    sequence: u64,
    due: BTreeMap<(u64, u64), Due>,
    pub(crate) jobs: BTreeMap<String, Job>,
    /// The operation that works on a resource.
    pub(crate) busy: BTreeMap<String, String>,
    /// The outcomes of operations so far, as numbers of codes.
    pub(crate) outcomes: BTreeSet<i32>,
    pub(crate) inputs: BTreeSet<String>,
    pub(crate) assets: BTreeMap<String, AssetState>,
    pub(crate) channels: BTreeMap<String, (StreamingState, Uses)>,
}

pub(crate) type Verdict = Result<Work, Code>;

pub(crate) fn location(name: &str) -> &str {
    name.rsplitn(3, '/').nth(2).expect("a name")
}

impl Model {
    fn idle(&self, name: &str, work: Work) -> Verdict {
        if self.busy.contains_key(name) { Err(Code::FailedPrecondition) } else { Ok(work) }
    }

    fn check_free(&self, name: &str, exists: bool) -> Result<(), Code> {
        if exists || self.busy.contains_key(name) { Err(Code::AlreadyExists) } else { Ok(()) }
    }

    fn is_used(&self, name: &str) -> bool {
        self.channels.values().any(|(_, uses)| {
            [&uses.input, &uses.asset].into_iter().flatten().any(|used| used == name)
        })
    }

    fn check_uses(&self, channel: &str, uses: &Uses) -> Result<(), Code> {
        for (used, exists) in [
            (&uses.input, uses.input.as_ref().is_some_and(|name| self.inputs.contains(name))),
            (&uses.asset, uses.asset.as_ref().is_some_and(|name| self.assets.contains_key(name))),
        ] {
            let Some(used) = used else { continue };
            if location(used) != location(channel) {
                return Err(Code::InvalidArgument);
            }
            if !exists {
                return Err(Code::NotFound);
            }
        }
        Ok(())
    }

    pub(crate) fn create_input(&self, name: &str) -> Verdict {
        self.check_free(name, self.inputs.contains(name)).map(|()| Work::CreateInput)
    }

    pub(crate) fn update_input(&self, name: &str) -> Verdict {
        self.inputs.get(name).ok_or(Code::NotFound)?;
        self.idle(name, Work::UpdateInput)
    }

    pub(crate) fn delete_input(&self, name: &str) -> Verdict {
        self.inputs.get(name).ok_or(Code::NotFound)?;
        if self.is_used(name) {
            return Err(Code::FailedPrecondition);
        }
        self.idle(name, Work::DeleteInput)
    }

    pub(crate) fn create_asset(&self, name: &str) -> Verdict {
        self.check_free(name, self.assets.contains_key(name)).map(|()| Work::CreateAsset)
    }

    pub(crate) fn delete_asset(&self, name: &str) -> Verdict {
        let was = *self.assets.get(name).ok_or(Code::NotFound)?;
        if self.is_used(name) {
            return Err(Code::FailedPrecondition);
        }
        self.idle(name, Work::DeleteAsset(was))
    }

    pub(crate) fn create_channel(&self, name: &str, uses: &Uses, is_valid: bool) -> Verdict {
        self.check_free(name, self.channels.contains_key(name))?;
        if !is_valid {
            return Err(Code::InvalidArgument);
        }
        self.check_uses(name, uses).map(|()| Work::CreateChannel(uses.clone()))
    }

    pub(crate) fn update_channel(&self, name: &str, input: &Option<String>) -> Verdict {
        let (_, uses) = self.channels.get(name).ok_or(Code::NotFound)?;
        self.check_uses(name, &Uses { input: input.clone(), ..uses.clone() })?;
        self.idle(name, Work::UpdateChannel(input.clone()))
    }

    pub(crate) fn on_channel(&self, name: &str, needed: StreamingState, work: Work) -> Verdict {
        let (state, _) = self.channels.get(name).ok_or(Code::NotFound)?;
        if *state != needed {
            return Err(Code::FailedPrecondition);
        }
        self.idle(name, work)
    }

    /// Begins an operation that was accepted.
    pub(crate) fn begin(&mut self, operation: &str, target: &str, work: Work) {
        match &work {
            Work::CreateAsset => drop(self.assets.insert(target.into(), AssetState::Creating)),
            Work::DeleteAsset(_) => drop(self.assets.insert(target.into(), AssetState::Deleting)),
            Work::Start => self.set(target, StreamingState::Starting),
            Work::Stop => self.set(target, StreamingState::Stopping),
            _ => {}
        }
        self.plan(work.seconds(), Due::Finish(operation.to_owned()));
        self.busy.insert(target.to_owned(), operation.to_owned());
        let job = Job { target: target.to_owned(), work, outcome: None };
        self.jobs.insert(operation.to_owned(), job);
    }

    fn set(&mut self, channel: &str, state: StreamingState) {
        self.channels.get_mut(channel).expect("it exists").0 = state;
    }

    pub(crate) fn plan(&mut self, seconds: u64, due: Due) {
        self.sequence += 1;
        self.due.insert((self.now + seconds, self.sequence), due);
    }

    pub(crate) fn advance(&mut self, seconds: u64) {
        let end = self.now + seconds;
        while let Some(first) = self.due.first_entry().filter(|first| first.key().0 <= end) {
            let ((time, _), due) = first.remove_entry();
            self.now = time;
            match due {
                Due::Finish(operation) => self.end(&operation, false),
                Due::Cancel(operation) => self.end(&operation, true),
            }
        }
        self.now = end;
    }

    fn end(&mut self, operation: &str, is_cancelled: bool) {
        let Some(job) = self.jobs.get(operation).filter(|job| job.outcome.is_none()).cloned()
        else {
            return;
        };
        self.busy.remove(&job.target);
        let result = if is_cancelled { Err(Code::Cancelled) } else { self.finish(&job) };
        if result.is_err() {
            match job.work {
                Work::CreateAsset => drop(self.assets.insert(job.target, AssetState::Error)),
                Work::DeleteAsset(was) => drop(self.assets.insert(job.target, was)),
                Work::Start => self.set(&job.target, StreamingState::Stopped),
                Work::Stop => self.set(&job.target, StreamingState::AwaitingInput),
                _ => {}
            }
        }
        let outcome = result.err().unwrap_or(Code::Ok);
        self.outcomes.insert(outcome as i32);
        self.jobs.get_mut(operation).expect("known").outcome = Some(outcome);
    }

    fn finish(&mut self, job: &Job) -> Result<(), Code> {
        let target = job.target.clone();
        match &job.work {
            Work::CreateInput => drop(self.inputs.insert(target)),
            Work::UpdateInput => {}
            Work::DeleteInput | Work::DeleteAsset(_) if self.is_used(&target) => {
                return Err(Code::FailedPrecondition);
            }
            Work::DeleteInput => drop(self.inputs.remove(&target)),
            Work::DeleteAsset(_) => drop(self.assets.remove(&target)),
            Work::CreateAsset => drop(self.assets.insert(target, AssetState::Active)),
            Work::CreateChannel(uses) => {
                self.check_uses(&target, uses)?;
                self.channels.insert(target, (StreamingState::Stopped, uses.clone()));
            }
            Work::UpdateChannel(input) => {
                let (_, uses) = &self.channels[&target];
                self.check_uses(&target, &Uses { input: input.clone(), ..uses.clone() })?;
                self.channels.get_mut(&target).expect("it exists").1.input.clone_from(input);
            }
            Work::DeleteChannel => drop(self.channels.remove(&target)),
            Work::Start => self.set(&target, StreamingState::AwaitingInput),
            Work::Stop => self.set(&target, StreamingState::Stopped),
        }
        Ok(())
    }
}
