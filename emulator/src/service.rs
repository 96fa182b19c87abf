//! The services: the rule of each method.

use super::{
    assets, channels, clips, dispatch::serve, distributions, dvr_sessions, events, inputs,
    locations, operations, pools, status,
};
use livestream_client::{
    model::{livestream_service_server::LivestreamService, *},
    proto::google::{
        cloud::location::{GetLocationRequest, ListLocationsRequest, locations_server::Locations},
        longrunning::{
            CancelOperationRequest, DeleteOperationRequest, GetOperationRequest,
            ListOperationsRequest, Operation, WaitOperationRequest, operations_server::Operations,
        },
    },
};
use tonic::{Request, Response, Status};

serve!(LivestreamService, replay_livestream {
    create_channel(CreateChannelRequest) by channels::create;
    list_channels(ListChannelsRequest) by channels::list;
    get_channel(GetChannelRequest) by channels::get;
    delete_channel(DeleteChannelRequest) by channels::delete;
    update_channel(UpdateChannelRequest) by channels::update;
    start_channel(StartChannelRequest) by channels::start;
    stop_channel(StopChannelRequest) by channels::stop;
    start_distribution(StartDistributionRequest) by distributions::start;
    stop_distribution(StopDistributionRequest) by distributions::stop;
    create_input(CreateInputRequest) by inputs::create;
    list_inputs(ListInputsRequest) by inputs::list;
    get_input(GetInputRequest) by inputs::get;
    delete_input(DeleteInputRequest) by inputs::delete;
    update_input(UpdateInputRequest) by inputs::update;
    preview_input(PreviewInputRequest) by inputs::preview;
    create_event(CreateEventRequest) by events::create;
    list_events(ListEventsRequest) by events::list;
    get_event(GetEventRequest) by events::get;
    delete_event(DeleteEventRequest) by events::delete;
    list_clips(ListClipsRequest) by clips::list;
    get_clip(GetClipRequest) by clips::get;
    create_clip(CreateClipRequest) by clips::create;
    delete_clip(DeleteClipRequest) by clips::delete;
    create_dvr_session(CreateDvrSessionRequest) by dvr_sessions::create;
    list_dvr_sessions(ListDvrSessionsRequest) by dvr_sessions::list;
    get_dvr_session(GetDvrSessionRequest) by dvr_sessions::get;
    delete_dvr_session(DeleteDvrSessionRequest) by dvr_sessions::delete;
    update_dvr_session(UpdateDvrSessionRequest) by dvr_sessions::update;
    create_asset(CreateAssetRequest) by assets::create;
    delete_asset(DeleteAssetRequest) by assets::delete;
    get_asset(GetAssetRequest) by assets::get;
    list_assets(ListAssetsRequest) by assets::list;
    get_pool(GetPoolRequest) by pools::get;
    update_pool(UpdatePoolRequest) by pools::update;
});

serve!(Operations, replay_operations {
    list_operations(ListOperationsRequest) by operations::list;
    get_operation(GetOperationRequest) by operations::get;
    cancel_operation(CancelOperationRequest) by operations::cancel;
    delete_operation(DeleteOperationRequest) by operations::delete;
}
    async fn wait_operation(
        &self,
        _: Request<WaitOperationRequest>,
    ) -> Result<Response<Operation>, Status> {
        Err(status::unimplemented("google.longrunning.Operations.WaitOperation"))
    }
);

serve!(Locations, replay_locations {
    list_locations(ListLocationsRequest) by locations::list;
    get_location(GetLocationRequest) by locations::get;
});
