//! The service: the rule of each method.

use super::{clusters, events, series, streams};
use crate::dispatch::serve;
use livestream_client::visionai::model::{streams_service_server::StreamsService, *};

serve!(StreamsService, replay {
    list_clusters(ListClustersRequest) by clusters::list;
    get_cluster(GetClusterRequest) by clusters::get;
    create_cluster(CreateClusterRequest) by clusters::create;
    update_cluster(UpdateClusterRequest) by clusters::update;
    delete_cluster(DeleteClusterRequest) by clusters::delete;
    list_streams(ListStreamsRequest) by streams::list;
    get_stream(GetStreamRequest) by streams::get;
    create_stream(CreateStreamRequest) by streams::create;
    update_stream(UpdateStreamRequest) by streams::update;
    delete_stream(DeleteStreamRequest) by streams::delete;
    get_stream_thumbnail(GetStreamThumbnailRequest) by streams::get_thumbnail;
    generate_stream_hls_token(GenerateStreamHlsTokenRequest) by streams::generate_hls_token;
    list_events(ListEventsRequest) by events::list;
    get_event(GetEventRequest) by events::get;
    create_event(CreateEventRequest) by events::create;
    update_event(UpdateEventRequest) by events::update;
    delete_event(DeleteEventRequest) by events::delete;
    list_series(ListSeriesRequest) by series::list;
    get_series(GetSeriesRequest) by series::get;
    create_series(CreateSeriesRequest) by series::create;
    update_series(UpdateSeriesRequest) by series::update;
    delete_series(DeleteSeriesRequest) by series::delete;
    materialize_channel(MaterializeChannelRequest) by series::materialize;
});
