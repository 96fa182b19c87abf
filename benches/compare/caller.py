"""The official Python client as a caller. src/caller.rs describes its input and output.

`threads` is the usual client, with a thread for each call in flight. `asyncio` is the asynchronous
client. Neither has a token, because the client refuses to send a token over plaintext.
"""

import asyncio
import concurrent.futures
import os
import sys
import time

import grpc
from google.cloud.video import live_stream_v1
from google.cloud.video.live_stream_v1.services.livestream_service import transports

PARENT = "projects/my-project/locations/us-central1"
NAME = f"{PARENT}/channels/channel-1"


def run_threads(calls, lists):
    def connect(address):
        channel = grpc.insecure_channel(address)
        transport = transports.LivestreamServiceGrpcTransport(channel=channel)
        return live_stream_v1.LivestreamServiceClient(transport=transport)

    getter, lister = connect(calls), connect(lists)
    pool = concurrent.futures.ThreadPoolExecutor(64)

    def get():
        begun = time.perf_counter_ns()
        getter.get_channel(name=NAME)
        return time.perf_counter_ns() - begun

    def list_all():
        begun = time.perf_counter_ns()
        items = sum(1 for _ in lister.list_channels(parent=PARENT))
        return (time.perf_counter_ns() - begun) // items, items

    for kind, in_flight, calls in requests():
        begun = time.process_time_ns()
        items = 1
        if kind == "list":
            taken, items = list_all()
            times = [taken]
        elif in_flight == 1:
            times = [get() for _ in range(calls)]
        else:
            share = calls // in_flight
            workers = [pool.submit(lambda: [get() for _ in range(share)]) for _ in range(in_flight)]
            times = [taken for worker in workers for taken in worker.result()]
        answer((time.process_time_ns() - begun) // len(times) // items, times)


async def run_asyncio(calls, lists):
    def connect(address):
        channel = grpc.aio.insecure_channel(address)
        transport = transports.LivestreamServiceGrpcAsyncIOTransport(channel=channel)
        return live_stream_v1.LivestreamServiceAsyncClient(transport=transport)

    getter, lister = connect(calls), connect(lists)

    async def get():
        begun = time.perf_counter_ns()
        await getter.get_channel(name=NAME)
        return time.perf_counter_ns() - begun

    async def get_many(share):
        return [await get() for _ in range(share)]

    for kind, in_flight, calls in requests():
        begun = time.process_time_ns()
        items = 1
        if kind == "list":
            started = time.perf_counter_ns()
            items = 0
            async for _ in await lister.list_channels(parent=PARENT):
                items += 1
            times = [(time.perf_counter_ns() - started) // items]
        else:
            workers = await asyncio.gather(*(get_many(calls // in_flight) for _ in range(in_flight)))
            times = [taken for worker in workers for taken in worker]
        answer((time.process_time_ns() - begun) // len(times) // items, times)


def requests():
    for line in sys.stdin:
        kind, in_flight, calls = line.split()
        yield kind, int(in_flight), int(calls)


def answer(cpu, times):
    print(cpu, sorted(times)[len(times) // 2], flush=True)


if __name__ == "__main__":
    os.sched_setaffinity(0, {0})
    who, calls, lists, _rest = sys.argv[1:]
    if who == "asyncio":
        asyncio.run(run_asyncio(calls, lists))
    else:
        run_threads(calls, lists)
