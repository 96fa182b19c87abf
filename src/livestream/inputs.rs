//! Methods for inputs: the endpoints that encoders push their feeds to.
//!
//! An input is independent of the channels that use it. It keeps its address when channels are
//! created and deleted. You can only delete an input that no channel uses.

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
    /// Creates an input. The encoder pushes its feed to the input's `uri`.
    ///
    /// The field `type` is required: RTMP or SRT. The default `tier` is `HD`. The service builds
    /// the input's name from `parent` and `input_id`. The id has 1 to 63 lower-case letters, digits
    /// and hyphens, and does not begin or end with a hyphen. A location can have at most 20 inputs.
    /// The service creates the location's pool with its first input.
    ///
    /// Awaiting the call returns a long-running operation, whose result is the input. The operation
    /// takes about 3 minutes, and up to 10 minutes for the first call in a project.
    ///
    /// # Errors
    /// - `ALREADY_EXISTS` if the id is taken.
    /// - `RESOURCE_EXHAUSTED` if the location has the maximum number of inputs.
    /// - `INVALID_ARGUMENT` if a value is not valid.
    /// - `INVALID_ARGUMENT`, before anything is sent, if no document of the API allows the id.
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

    /// Lists the inputs of a location.
    ///
    /// Awaiting the call returns one page. [`items`](Call::items) returns a stream of all inputs.
    ///
    /// # Errors
    /// - `INVALID_ARGUMENT` if the filter, the order or the page token is not valid.
    pub fn list_inputs(&self, parent: &LocationName) -> Call<ListInputsRequest> {
        self.call(ListInputsRequest { parent: parent.into(), ..Default::default() })
    }

    /// Gets an input. It contains the properties of the feed while the input receives one.
    ///
    /// Awaiting the call returns the input.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the input does not exist.
    pub fn get_input(&self, name: &InputName) -> Call<GetInputRequest> {
        self.call(GetInputRequest { name: name.into() })
    }

    /// Deletes an input that no channel uses.
    ///
    /// Awaiting the call returns a long-running operation, whose result is `()`.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the input does not exist.
    /// - `FAILED_PRECONDITION` if a channel uses the input.
    pub fn delete_input(&self, name: &InputName) -> Call<DeleteInputRequest> {
        self.call(DeleteInputRequest { name: name.into(), ..Default::default() })
    }

    /// Updates the input with the name `input.name`.
    ///
    /// The mask lists the fields to overwrite. It can contain `tier`, `preprocessing_config` and
    /// `security_rules`. The service clears a listed field that is not set in `input`. Without a
    /// mask (`None`), the service overwrites those of these fields that are set in `input`.
    ///
    /// Awaiting the call returns a long-running operation, whose result is the updated input.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the input does not exist.
    /// - `INVALID_ARGUMENT` if the mask or a value is not valid.
    /// - `INVALID_ARGUMENT`, before anything is sent, if `input.name` is not an input name.
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

    /// Gets an address and a token with which a player can show the feed of an input.
    ///
    /// Awaiting the call returns the address and the token. The token is a secret and is valid for
    /// one hour. `Debug` does not show it.
    ///
    /// The service cannot recognise a repeated request, because this method has no `request_id`.
    /// The client therefore retries only if the request did not reach the service.
    ///
    /// # Errors
    /// - `NOT_FOUND` if the input does not exist.
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
