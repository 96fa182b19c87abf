//! The names of the Live Stream API's resources, and of other resources that they refer to.

use crate::{
    gax::name::resource_name,
    name::{LocationName, ProjectName},
};

resource_name! {
    /// A channel: `projects/{project}/locations/{location}/channels/{channel}`.
    ChannelName = "livestream.googleapis.com/Channel",
        "projects/{project}/locations/{location}/channels/{channel}";
    ids { project @ 1, location @ 3, channel @ 5 }
    parent LocationName @ 4;
    children {
        /// An event of this channel.
        event -> EventName,
        /// A clip cut from this channel.
        clip -> ClipName,
        /// A DVR session of this channel.
        dvr_session -> DvrSessionName,
    }
}

resource_name! {
    /// An input: `projects/{project}/locations/{location}/inputs/{input}`.
    InputName = "livestream.googleapis.com/Input",
        "projects/{project}/locations/{location}/inputs/{input}";
    ids { project @ 1, location @ 3, input @ 5 }
    parent LocationName @ 4;
    children {}
}

resource_name! {
    /// An event: `projects/{project}/locations/{location}/channels/{channel}/events/{event}`.
    EventName = "livestream.googleapis.com/Event",
        "projects/{project}/locations/{location}/channels/{channel}/events/{event}";
    ids { project @ 1, location @ 3, channel @ 5, event @ 7 }
    parent ChannelName @ 6;
    children {}
}

resource_name! {
    /// A clip: `projects/{project}/locations/{location}/channels/{channel}/clips/{clip}`.
    ClipName = "livestream.googleapis.com/Clip",
        "projects/{project}/locations/{location}/channels/{channel}/clips/{clip}";
    ids { project @ 1, location @ 3, channel @ 5, clip @ 7 }
    parent ChannelName @ 6;
    children {}
}

resource_name! {
    /// A DVR session:
    /// `projects/{project}/locations/{location}/channels/{channel}/dvrSessions/{dvr_session}`.
    DvrSessionName = "livestream.googleapis.com/DvrSession",
        "projects/{project}/locations/{location}/channels/{channel}/dvrSessions/{dvr_session}";
    ids { project @ 1, location @ 3, channel @ 5, dvr_session @ 7 }
    parent ChannelName @ 6;
    children {}
}

resource_name! {
    /// An asset: `projects/{project}/locations/{location}/assets/{asset}`.
    AssetName = "livestream.googleapis.com/Asset",
        "projects/{project}/locations/{location}/assets/{asset}";
    ids { project @ 1, location @ 3, asset @ 5 }
    parent LocationName @ 4;
    children {}
}

resource_name! {
    /// A pool: `projects/{project}/locations/{location}/pools/{pool}`.
    PoolName = "livestream.googleapis.com/Pool",
        "projects/{project}/locations/{location}/pools/{pool}";
    ids { project @ 1, location @ 3, pool @ 5 }
    parent LocationName @ 4;
    children {}
}

resource_name! {
    /// A VPC network, as a pool's peering names it: `projects/{project}/global/networks/{network}`.
    NetworkName = "compute.googleapis.com/Network",
        "projects/{project}/global/networks/{network}";
    ids { project @ 1, network @ 4 }
    parent ProjectName @ 2;
    children {}
}

resource_name! {
    /// One version of a secret in Secret Manager:
    /// `projects/{project}/secrets/{secret}/versions/{version}`.
    SecretVersionName = "secretmanager.googleapis.com/SecretVersion",
        "projects/{project}/secrets/{secret}/versions/{version}";
    ids { project @ 1, secret @ 3, version @ 5 }
    parent ProjectName @ 2;
    children {}
}
