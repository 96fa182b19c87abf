//! What a wait waits for.

use super::Watched;
use crate::{
    model::{asset, channel, clip, dvr_session, event},
    name::{AssetName, ChannelName, ClipName, DvrSessionName, EventName},
};

/// What a wait waits for: a state, one of several states in an array, or any property of the resource
/// as a closure.
///
/// A wait for a property reads the resource at each poll. It ends early like a wait for a state if the
/// resource fails or reaches a final state. It does not end at a channel's `STREAMING_ERROR`, from which
/// the channel can recover.
pub trait Condition<N: Watched>: Send {
    /// Whether the resource is as wanted.
    fn is_met(&self, resource: &N::Resource) -> bool;

    /// Returns what is wanted, for error messages.
    fn describe(&self) -> String;

    /// Whether only a change of the state can meet the condition.
    #[doc(hidden)]
    fn is_state(&self) -> bool;
}

impl<N: Watched, F: Fn(&N::Resource) -> bool + Send> Condition<N> for F {
    fn is_met(&self, resource: &N::Resource) -> bool {
        self(resource)
    }

    fn describe(&self) -> String {
        "the condition".to_owned()
    }

    fn is_state(&self) -> bool {
        false
    }
}

macro_rules! states {
    ($($name:ty: $state:ty;)+) => {$(
        impl Condition<$name> for $state {
            fn is_met(&self, resource: &<$name as Watched>::Resource) -> bool {
                <$name as Watched>::state(resource) == *self
            }

            fn describe(&self) -> String {
                format!("{self:?}")
            }

            fn is_state(&self) -> bool {
                true
            }
        }

        impl<const N: usize> Condition<$name> for [$state; N] {
            fn is_met(&self, resource: &<$name as Watched>::Resource) -> bool {
                self.contains(&<$name as Watched>::state(resource))
            }

            fn describe(&self) -> String {
                let states = self.iter().map(|state| format!("{state:?}")).collect::<Vec<_>>();
                states.join(" or ")
            }

            fn is_state(&self) -> bool {
                true
            }
        }
    )+};
}

states! {
    ChannelName: channel::StreamingState;
    EventName: event::State;
    ClipName: clip::State;
    DvrSessionName: dvr_session::State;
    AssetName: asset::State;
}
