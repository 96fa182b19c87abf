//! Refuses a create or an update call whose resource breaks a documented rule.
//!
//! By choice, not by default: the service may loosen a rule before this crate hears of it.

use super::{Context, Validate, Violations};
use crate::gax::{call::Call, error::Error, rpc::Rpc};

impl<R: Rpc + Validate> Call<R> {
    /// Passes the call on if its resource keeps the documented rules, as it is now: do this last.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with all violations, told from the request, such as
    /// `channel.mux_streams[1].key`; [`Error::field`] is the first. Nothing is sent.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{Error, LivestreamClient, name::LocationName};
    /// use livestream_client::model::Channel;
    ///
    /// # fn example(client: LivestreamClient, location: LocationName) -> Result<(), Error> {
    /// let nothing = Channel::default();
    /// let refused = client.create_channel(&location, nothing, "news").validated().unwrap_err();
    /// assert_eq!(refused.field(), Some("channel.output.uri"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn validated(self) -> Result<Self, Error> {
        self.validated_in(Context::new())
    }

    /// The same, with what else is known: the channel of a clip, an event or a DVR session, and the
    /// present time.
    ///
    /// # Errors
    /// As [`validated`](Self::validated).
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{Error, LivestreamClient, model::{Channel, Clip}, name::ChannelName};
    /// use livestream_client::validation::Context;
    /// use std::time::SystemTime;
    ///
    /// # async fn example(client: LivestreamClient, name: ChannelName, clip: Clip) -> Result<(), Error> {
    /// let channel = client.get_channel(&name).await?;
    /// let known = Context::new().on(&channel).at(SystemTime::now());
    /// let clip = client.create_clip(&name, clip, "goal").validated_in(known)?.wait().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn validated_in(self, context: Context<'_>) -> Result<Self, Error> {
        let request = self.request();
        match Violations::of(request.violations_in(context)) {
            Ok(()) => Ok(self),
            Err(found) => Err(Error::from(found).with_subject(R::METHOD, request.route().1)),
        }
    }
}
