//! Validation of create and update calls before they are sent.
//!
//! A call is not validated by default, because the service may relax a rule before this crate is
//! updated.

use super::{Context, Validate, Violations};
use crate::gax::{call::Call, error::Error, rpc::Rpc};

impl<R: Rpc + Validate> Call<R> {
    /// Checks the request against the documented rules, and returns the call if it has no
    /// violations.
    ///
    /// Later changes of the request are not checked, so call this method last.
    ///
    /// # Errors
    /// Returns `INVALID_ARGUMENT` with all violations if there are any. Paths begin at the request,
    /// such as `channel.mux_streams[1].key`, and [`Error::field`] returns the first. Nothing is
    /// sent.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{Error, LivestreamClient, name::LocationName};
    /// use livestream_client::model::Channel;
    ///
    /// # fn example(client: LivestreamClient, location: LocationName) -> Result<(), Error> {
    /// let empty = Channel::default();
    /// let error = client.create_channel(&location, empty, "news").validated().unwrap_err();
    /// assert_eq!(error.field(), Some("channel.output.uri"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn validated(self) -> Result<Self, Error> {
        self.validated_in(Context::new())
    }

    /// Like [`validated`](Self::validated), but also checks the rules that depend on the context:
    /// the channel of a clip, an event or a DVR session, and the present time.
    ///
    /// # Errors
    /// Returns the same errors as [`validated`](Self::validated).
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{Error, LivestreamClient, model::{Channel, Clip}, name::ChannelName};
    /// use livestream_client::validation::Context;
    /// use std::time::SystemTime;
    ///
    /// # async fn example(client: LivestreamClient, name: ChannelName, clip: Clip) -> Result<(), Error> {
    /// let channel = client.get_channel(&name).await?;
    /// let context = Context::new().on(&channel).at(SystemTime::now());
    /// let clip = client.create_clip(&name, clip, "goal").validated_in(context)?.wait().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn validated_in(self, context: Context<'_>) -> Result<Self, Error> {
        let request = self.request();
        match Violations::of(request.violations_in(context)) {
            Ok(()) => Ok(self),
            Err(violations) => {
                Err(Error::from(violations).with_subject(R::METHOD, &request.subject()))
            }
        }
    }
}
