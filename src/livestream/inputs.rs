//! Inputs: the endpoints that encoders push their feeds to.
//!
//! An input outlives the channels that read it: it keeps its address while channels come and go,
//! and can be deleted only after the last of them.

use super::LivestreamClient;
use crate::{
    gax::call::Call,
    model::{
        CreateInputRequest, DeleteInputRequest, GetInputRequest, Input, ListInputsRequest,
        PreviewInputRequest, UpdateInputRequest,
    },
    name::{InputName, LocationName},
};
use prost_types::FieldMask;

impl LivestreamClient {
    /// Creates an input; its `uri` is where the encoder then pushes to.
    ///
    /// The input needs a `type`, RTMP or SRT; its `tier` is `HD` unless set. Its own name follows
    /// from `parent` and `input_id`: 1 to 63 lower-case letters, digits and hyphens, with no hyphen
    /// at either end. A location holds at most 20 inputs; the first also makes its pool.
    ///
    /// Long-running, and slow: about 3 minutes, and up to 10 for the first call in a project.
    /// Awaiting yields the operation, and the operation yields the input.
    ///
    /// # Errors
    /// `ALREADY_EXISTS` where the id is taken, `RESOURCE_EXHAUSTED` where the location is full,
    /// `INVALID_ARGUMENT` for a value that the service does not take. Refused here, before anything
    /// is sent: an id that no document of the API allows.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, name::LocationName};
    /// use livestream_client::model::{Input, input::{Tier, Type}};
    ///
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     location: LocationName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let srt = Input { r#type: Type::SrtPush.into(), tier: Tier::Uhd.into(), ..Default::default() };
    /// let input = client.create_input(&location, srt, "studio").wait().await?;
    /// println!("push to {}", input.uri);
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_input(
        &self,
        parent: &LocationName,
        input: Input,
        input_id: impl Into<String>,
    ) -> Call<CreateInputRequest> {
        self.call(CreateInputRequest {
            parent: parent.into(),
            input: Some(input),
            input_id: input_id.into(),
            ..Default::default()
        })
    }

    /// Lists the inputs of one location.
    ///
    /// Awaiting yields one page; [`items`](Call::items) yields all inputs, one by one.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a filter, an order or a page token that the service cannot use.
    pub fn list_inputs(&self, parent: &LocationName) -> Call<ListInputsRequest> {
        self.call(ListInputsRequest { parent: parent.into(), ..Default::default() })
    }

    /// Reads one input, with what the service sees of the feed while one arrives.
    ///
    /// Awaiting yields the input.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such input.
    pub fn get_input(&self, name: &InputName) -> Call<GetInputRequest> {
        self.call(GetInputRequest { name: name.into() })
    }

    /// Deletes an input that no channel uses any more.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields `()`.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such input, `FAILED_PRECONDITION` while a channel uses it.
    pub fn delete_input(&self, name: &InputName) -> Call<DeleteInputRequest> {
        self.call(DeleteInputRequest { name: name.into(), ..Default::default() })
    }

    /// Changes the input that `input.name` says.
    ///
    /// The mask lists the fields to overwrite, among `tier`, `preprocessing_config` and
    /// `security_rules`. A field that is listed and left out of `input` is cleared. With `None` no
    /// mask is sent, and those of these fields that `input` has are overwritten.
    ///
    /// Long-running: awaiting yields the operation, and the operation yields the input as it is now.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such input, `INVALID_ARGUMENT` for a mask or a value that the
    /// service does not take. Refused here: an `input.name` that is not an input's name.
    pub fn update_input(
        &self,
        input: Input,
        update_mask: impl Into<Option<FieldMask>>,
    ) -> Call<UpdateInputRequest> {
        self.call(UpdateInputRequest {
            update_mask: update_mask.into(),
            input: Some(input),
            ..Default::default()
        })
    }

    /// Asks where, and with which token, to watch what an input receives.
    ///
    /// Awaiting yields the address and the token. The token is a secret, and is valid for one hour;
    /// `Debug` does not show it.
    ///
    /// The service has no way to recognise a repeat of this call, so it is sent again only where it
    /// surely never arrived.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no such input.
    ///
    /// # Examples
    /// ```
    /// # use livestream_client::{LivestreamClient, name::InputName};
    /// # async fn example(
    /// #     client: LivestreamClient,
    /// #     name: InputName,
    /// # ) -> Result<(), livestream_client::Error> {
    /// let preview = client.preview_input(&name).await?;
    /// let header = format!("Authorization: Bearer {}", preview.bearer_token);
    /// # Ok(())
    /// # }
    /// ```
    pub fn preview_input(&self, name: &InputName) -> Call<PreviewInputRequest> {
        self.call(PreviewInputRequest { name: name.into() })
    }
}
