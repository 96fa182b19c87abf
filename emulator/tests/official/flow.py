"""The official Python client against the emulator: sync gRPC, asyncio gRPC and REST.

Usage: flow.py HOST:PORT grpc|asyncio|rest

The client is used as published, with an insecure channel. The control service is called as JSON.
"""

import asyncio
import datetime
import inspect
import json
import pathlib
import sys
import urllib.error
import urllib.request

import grpc
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud.video import live_stream_v1 as live
from google.cloud.video.live_stream_v1.services.livestream_service import transports
from google.longrunning import operations_pb2
from google.protobuf import duration_pb2, field_mask_pb2, timestamp_pb2

HOST, KIND = sys.argv[1:3]
PARENT = "projects/my-project/locations/us-central1"
CHANNEL = f"{PARENT}/channels/news"
INPUT = f"{PARENT}/inputs/camera"
checks = 0


def check(condition, text):
    global checks
    checks += 1
    if not condition:
        raise AssertionError(text)


def control(path, body=None, method="POST"):
    data = None if body is None else json.dumps(body).encode()
    url = f"http://{HOST}/emulator/v1/{path}"
    with urllib.request.urlopen(urllib.request.Request(url, data, method=method)) as answer:
        return json.loads(answer.read())


def connect():
    if KIND == "grpc":
        transport = transports.LivestreamServiceGrpcTransport(channel=grpc.insecure_channel(HOST))
        return live.LivestreamServiceClient(transport=transport)
    if KIND == "asyncio":
        channel = grpc.aio.insecure_channel(HOST)
        transport = transports.LivestreamServiceGrpcAsyncIOTransport(channel=channel)
        return live.LivestreamServiceAsyncClient(transport=transport)
    transport = transports.LivestreamServiceRestTransport(
        host=HOST, url_scheme="http", credentials=AnonymousCredentials()
    )
    return live.LivestreamServiceClient(transport=transport)


async def get(value):
    """The value of a sync or an async call."""
    return await value if inspect.isawaitable(value) else value


async def result(operation):
    """The result of an operation, whose work is due at once."""
    operation = await get(operation)
    control("clock:advance", {"by": "3600s"})
    return await get(operation.result(timeout=30))


async def items(pager):
    pager = await get(pager)
    if hasattr(pager, "__aiter__"):
        return [item async for item in pager]
    return list(pager)


async def refused(kind, reason, call):
    try:
        await get(call())
    except exceptions.GoogleAPICallError as error:
        check(isinstance(error, kind), f"{error!r} is not {kind}")
        check(error.reason == reason, f"{error.reason} is not {reason}")
        check(error.domain == "livestream.googleapis.com", error.domain)
        return error
    raise AssertionError(f"not refused: {kind}")


def channel_config():
    return live.Channel(
        input_attachments=[live.InputAttachment(key="main", input=INPUT)],
        output=live.Channel.Output(uri="gs://bucket/news/"),
        elementary_streams=[
            live.ElementaryStream(
                key="video",
                video_stream=live.VideoStream(
                    h264=live.VideoStream.H264CodecSettings(
                        width_pixels=1280, height_pixels=720, bitrate_bps=3_000_000, frame_rate=30
                    )
                ),
            ),
            live.ElementaryStream(
                key="audio", audio_stream=live.AudioStream(codec="aac", bitrate_bps=160_000)
            ),
        ],
        mux_streams=[
            live.MuxStream(key="video", elementary_streams=["video"]),
            live.MuxStream(key="audio", elementary_streams=["audio"]),
        ],
        manifests=[
            live.Manifest(
                key="main",
                file_name="main.m3u8",
                type_=live.Manifest.ManifestType.HLS,
                mux_streams=["video", "audio"],
                max_segment_count=5,
            )
        ],
        retention_config=live.RetentionConfig(
            retention_window_duration=duration_pb2.Duration(seconds=86_400)
        ),
    )


def guide():
    """The example of the control service over gRPC in the guide."""
    text = (pathlib.Path(__file__).parents[3] / "src/guide/testing.md").read_text()
    blocks = [block.split("```")[0] for block in text.split("```python\n")[1:]]
    (block,) = [block for block in blocks if "grpc_reflection" in block]
    before = now()
    names = {}
    exec(block.replace("127.0.0.1:8470", HOST), names)
    check(now() - before >= seconds(3600), "the clock was advanced")
    check("time" in str(names["control"]("GetClock")), "the clock has a time")
    try:
        names["control"]("ConnectEncoder", name=f"{CHANNEL}s")
        raise AssertionError("not refused")
    except grpc.RpcError as error:
        check(error.code() == grpc.StatusCode.NOT_FOUND, error)


def now():
    time = control("clock", method="GET")["time"]
    stamp = timestamp_pb2.Timestamp()
    stamp.FromJsonString(time)
    return stamp.ToDatetime(datetime.timezone.utc)


def seconds(count):
    return datetime.timedelta(seconds=count)


async def main():
    client = connect()
    control("state:reset", {})
    if KIND == "grpc":
        guide()

    # Create, and list in pages.
    made = await result(
        client.create_input(
            parent=PARENT, input=live.Input(type_=live.Input.Type.RTMP_PUSH), input_id="camera"
        )
    )
    check(made.name == INPUT and made.uri.startswith("rtmp://"), made)
    made = await result(
        client.create_channel(parent=PARENT, channel=channel_config(), channel_id="news")
    )
    check(made.streaming_state == live.Channel.StreamingState.STOPPED, made.streaming_state)
    for name in ["a", "b", "c"]:
        await result(
            client.create_channel(parent=PARENT, channel=channel_config(), channel_id=name)
        )
    listing = client.list_channels(
        request=live.ListChannelsRequest(parent=PARENT, page_size=1, order_by="create_time desc")
    )
    names = [channel.name.rsplit("/")[-1] for channel in await items(listing)]
    check(names == ["c", "b", "a", "news"], names)

    # Errors of every kind, with reason and domain.
    await refused(
        exceptions.NotFound, "RESOURCE_NOT_FOUND", lambda: client.get_channel(name=f"{CHANNEL}s")
    )
    await refused(
        exceptions.AlreadyExists if KIND != "rest" else exceptions.Conflict,
        "RESOURCE_ALREADY_EXISTS",
        lambda: client.create_channel(parent=PARENT, channel=channel_config(), channel_id="news"),
    )
    await refused(
        exceptions.BadRequest,
        "INVALID_FIELD",
        lambda: client.create_channel(parent=PARENT, channel=live.Channel(), channel_id="x"),
    )
    await refused(
        exceptions.BadRequest, "WRONG_STATE", lambda: client.stop_channel(name=CHANNEL)
    )
    await refused(
        exceptions.BadRequest, "RESOURCE_IN_USE", lambda: client.delete_input(name=INPUT)
    )

    # More violations than fit into the trailers of gRPC.
    config = channel_config()
    config.elementary_streams.extend(
        live.ElementaryStream(key=f"rendition-{at}", video_stream=live.VideoStream())
        for at in range(40)
    )
    error = await refused(
        exceptions.BadRequest,
        "INVALID_FIELD",
        lambda: client.create_channel(parent=PARENT, channel=config, channel_id="x"),
    )
    check(" more" in error.message, error.message)

    # The limit on channels: four exist.
    for at in range(6):
        await result(
            client.create_channel(parent=PARENT, channel=channel_config(), channel_id=f"n{at}")
        )
    await refused(
        exceptions.TooManyRequests,
        "RESOURCE_LIMIT_EXCEEDED",
        lambda: client.create_channel(parent=PARENT, channel=channel_config(), channel_id="n6"),
    )
    if "return_partial_success" in operations_pb2.ListOperationsRequest.DESCRIPTOR.fields_by_name:
        partial = operations_pb2.ListOperationsRequest(name=PARENT, return_partial_success=True)
        await refused(
            exceptions.MethodNotImplemented,
            "METHOD_NOT_IMPLEMENTED",
            lambda: client.list_operations(partial),
        )
    # Over HTTP, a request of this size has no path.
    if KIND != "rest":
        try:
            await items(client.list_channels(
                request=live.ListChannelsRequest(parent=PARENT, filter="x" * (11 << 20))
            ))
            raise AssertionError("not refused")
        except exceptions.OutOfRange as error:
            check("10 MiB" in error.message, error.message)

    # Start, and events.
    await result(client.start_channel(name=CHANNEL))
    channel = await get(client.get_channel(name=CHANNEL))
    check(channel.streaming_state == live.Channel.StreamingState.STREAMING, channel.streaming_state)
    task = live.Event.AdBreakTask(duration=duration_pb2.Duration(seconds=60))
    event = await get(
        client.create_event(
            parent=CHANNEL, event=live.Event(ad_break=task, execute_now=True), event_id="break"
        )
    )
    check(event.state == live.Event.State.PENDING, event.state)
    control("clock:advance", {"by": "3600s"})
    event = await get(client.get_event(name=event.name))
    check(event.state == live.Event.State.SUCCEEDED, event.state)
    check(len(await items(client.list_events(parent=CHANNEL))) == 1, "one event")
    await get(client.delete_event(name=event.name))

    # DVR: while it is live, then finished.
    start, end = now() + seconds(4000), now() + seconds(9000)
    window = live.DvrSession.DvrWindow(
        time_interval=live.TimeInterval(start_time=start, end_time=end)
    )
    session = live.DvrSession(
        dvr_manifests=[live.DvrSession.DvrManifest(manifest_key="main")], dvr_windows=[window]
    )
    made = await result(
        client.create_dvr_session(
            parent=CHANNEL, dvr_session=session, dvr_session_id="Evening_Show"
        )
    )
    check(made.state == live.DvrSession.State.SCHEDULED, made.state)
    control("clock:advance", {"by": "1000s"})
    read = await get(client.get_dvr_session(name=made.name))
    check(read.state == live.DvrSession.State.LIVE, read.state)
    check(read.dvr_manifests[0].output_uri.endswith("/dvr/Evening_Show/main.m3u8"), read)
    control("clock:advance", {"by": "7200s"})
    read = await get(client.get_dvr_session(name=made.name))
    check(read.state == live.DvrSession.State.FINISHED, read.state)

    # A clip of what was on air.
    markin, markout = now() - seconds(600), now() - seconds(300)
    clip = live.Clip(
        slices=[
            live.Clip.Slice(
                time_slice=live.Clip.TimeSlice(markin_time=markin, markout_time=markout)
            )
        ],
        clip_manifests=[live.Clip.ClipManifest(manifest_key="main")],
    )
    made = await result(client.create_clip(parent=CHANNEL, clip=clip, clip_id="goal"))
    check(made.state == live.Clip.State.SUCCEEDED, made.state)
    await result(client.delete_clip(name=made.name))

    # Update by mask, on a stopped channel.
    await result(client.stop_channel(name=CHANNEL))
    changed = live.Channel(name=CHANNEL, output=live.Channel.Output(uri="gs://bucket/late/"))
    changed.retention_config.retention_window_duration = duration_pb2.Duration(seconds=60)
    mask = field_mask_pb2.FieldMask(paths=["output", "retention_config"])
    updated = await result(client.update_channel(channel=changed, update_mask=mask))
    check(updated.output.uri == "gs://bucket/late/", updated.output.uri)
    check(len(updated.manifests) == 1, "fields outside of the mask stay")

    # Cancel, and resume by name.
    operation = await get(client.create_input(
        parent=PARENT, input=live.Input(type_=live.Input.Type.SRT_PUSH), input_id="second"
    ))
    control("clock:pause", {})
    operation = await get(client.create_input(
        parent=PARENT, input=live.Input(type_=live.Input.Type.SRT_PUSH), input_id="third"
    ))
    name = operation.operation.name
    await get(client.cancel_operation(operations_pb2.CancelOperationRequest(name=name)))
    control("clock:advance", {"by": "0.5s"})
    raw = await get(client.get_operation(operations_pb2.GetOperationRequest(name=name)))
    check(raw.done and raw.error.code == 1, raw)
    control("clock:resume", {})
    listed = await get(client.list_operations(operations_pb2.ListOperationsRequest(name=PARENT)))
    check(any(one.name == name for one in listed.operations), "the operation is listed")

    # Faults: reads are retried, mutations are not.
    down = {"method": "ListInputs", "times": 2, "status": {"code": 14, "message": "down"}}
    control("faults", down)
    control("requests:clear", {})
    check(len(await items(client.list_inputs(parent=PARENT))) >= 1, "inputs")
    log = control("requests?method=ListInputs", method="GET")["requests"]
    check(len(log) == 3, f"{len(log)} attempts")
    check("gapic" in log[0]["headers"]["x-goog-api-client"], log[0]["headers"])
    check(bool(log[0].get("json")) == (KIND == "rest"), "the transport is the one asked for")
    control("faults", {"method": "StartChannel", "times": 1, "status": {"code": 14}})
    try:
        await get(client.start_channel(name=CHANNEL))
        raise AssertionError("not refused")
    except exceptions.ServiceUnavailable:
        check(True, "")
    control("faults", {"method": "GetChannel", "times": 1, "status": {"code": 8, "message": "slow"}})
    try:
        await get(client.get_channel(name=CHANNEL))
        raise AssertionError("not refused")
    except (exceptions.ResourceExhausted, exceptions.TooManyRequests):
        check(True, "")

    # Delete.
    for channel in await items(client.list_channels(parent=PARENT)):
        await result(client.delete_channel(name=channel.name))
    await result(client.delete_input(name=INPUT))
    await refused(
        exceptions.NotFound, "RESOURCE_NOT_FOUND", lambda: client.get_input(name=INPUT)
    )
    print(f"ok: Python {KIND}, {checks} checks")


asyncio.run(main())
