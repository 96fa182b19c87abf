// The official Node client against the emulator: gRPC and its REST fallback.
//
// Usage: node flow.mjs HOST:PORT grpc|rest
//
// The client is used as published, without TLS. The control service is called as JSON.

import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_PACKAGES ?? process.cwd()}/`);
const { LivestreamServiceClient } = require("@google-cloud/livestream").v1;
const { GoogleAuth, grpc } = require("google-gax");

const [host, kind] = process.argv.slice(2);
const [name, port] = host.split(":");
const parent = "projects/my-project/locations/us-central1";
const channel = `${parent}/channels/news`;
const input = `${parent}/inputs/camera`;
let checks = 0;

function check(condition, text) {
  checks += 1;
  if (!condition) throw new Error(`failed: ${JSON.stringify(text)}`);
}

async function control(path, body) {
  const options = body ? { method: "POST", body: JSON.stringify(body) } : {};
  const answer = await fetch(`http://${host}/emulator/v1/${path}`, options);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

function connect() {
  const common = { apiEndpoint: name, port: Number(port) };
  if (kind === "grpc") {
    return new LivestreamServiceClient({ ...common, sslCreds: grpc.credentials.createInsecure() });
  }
  // Without credentials of the machine.
  const authClient = { getRequestHeaders: async () => new Map(), request: fetchJson };
  const auth = Object.assign(new GoogleAuth(), {
    getClient: async () => authClient,
    getProjectId: async () => "my-project",
  });
  return new LivestreamServiceClient({ ...common, fallback: true, protocol: "http", auth });
}

async function fetchJson(options) {
  const answer = await fetch(options.url, options);
  return { data: await answer.json() };
}

async function result([operation]) {
  await control("clock:advance", { by: "3600s" });
  const [response] = await operation.promise();
  return response;
}

async function refused(code, reason, call) {
  try {
    await call();
  } catch (error) {
    check(error.code === code, `${error.code} is not ${code}: ${error.message}`);
    check(error.reason === reason, `${error.reason} is not ${reason}`);
    check(error.domain === "livestream.googleapis.com", error.domain);
    return;
  }
  throw new Error(`not refused: ${reason}`);
}

const config = {
  inputAttachments: [{ key: "main", input }],
  output: { uri: "gs://bucket/news/" },
  elementaryStreams: [
    { key: "audio", audioStream: { codec: "aac", bitrateBps: 160000 } },
    {
      key: "video",
      videoStream: {
        h264: { widthPixels: 1280, heightPixels: 720, bitrateBps: 3000000, frameRate: 30 },
      },
    },
  ],
  muxStreams: [
    { key: "video", elementaryStreams: ["video"] },
    { key: "audio", elementaryStreams: ["audio"] },
  ],
  manifests: [
    { key: "main", fileName: "main.m3u8", type: "HLS", muxStreams: ["video", "audio"], maxSegmentCount: 5 },
  ],
  retentionConfig: { retentionWindowDuration: { seconds: 86400 } },
};

const seconds = async (offset) => {
  const { time } = await control("clock");
  return { seconds: Math.floor(Date.parse(time) / 1000) + offset };
};

const client = connect();
await control("state:reset", {});

const made = await result(
  await client.createInput({ parent, inputId: "camera", input: { type: "RTMP_PUSH" } }),
);
check(made.name === input && made.uri.startsWith("rtmp://"), made);
await result(await client.createChannel({ parent, channelId: "news", channel: config }));
await result(await client.createChannel({ parent, channelId: "late", channel: config }));
const listed = [];
for await (const one of client.listChannelsAsync({ parent, pageSize: 1, orderBy: "create_time desc" })) {
  listed.push(one.name.split("/").pop());
}
check(listed.join() === "late,news", listed);

await refused(5, "RESOURCE_NOT_FOUND", () => client.getChannel({ name: `${channel}s` }));
// HTTP 409 is both ALREADY_EXISTS and ABORTED, and the fallback reads the latter.
await refused(kind === "rest" ? 10 : 6, "RESOURCE_ALREADY_EXISTS", () =>
  client.createChannel({ parent, channelId: "news", channel: config }),
);
await refused(3, "INVALID_FIELD", () => client.createChannel({ parent, channelId: "x", channel: {} }));
// HTTP 400 is both FAILED_PRECONDITION and INVALID_ARGUMENT, and the fallback reads the latter.
await refused(kind === "rest" ? 3 : 9, "WRONG_STATE", () => client.stopChannel({ name: channel }));

await result(await client.startChannel({ name: channel }));
let [read] = await client.getChannel({ name: channel });
check(read.streamingState === "STREAMING", read.streamingState);
await client.createEvent({
  parent: channel,
  eventId: "break",
  event: { adBreak: { duration: { seconds: 60 } }, executeNow: true },
});
await control("clock:advance", { by: "3600s" });
const [event] = await client.getEvent({ name: `${channel}/events/break` });
check(event.state === "SUCCEEDED", event.state);
await client.deleteEvent({ name: event.name });

// The published package may be older than DVR sessions.
const hasDvr = Boolean(client.createDvrSession);
if (hasDvr) {
  const session = await result(
    await client.createDvrSession({
      parent: channel,
      dvrSessionId: "Evening_Show",
      dvrSession: {
        dvrManifests: [{ manifestKey: "main" }],
        dvrWindows: [{ timeInterval: { startTime: await seconds(4000), endTime: await seconds(9000) } }],
      },
    }),
  );
  check(["SCHEDULED", 3].includes(session.state), session.state);
}
const slice = { markinTime: await seconds(-600), markoutTime: await seconds(-300) };
const clip = await result(
  await client.createClip({
    parent: channel,
    clipId: "goal",
    clip: { slices: [{ timeSlice: slice }], clipManifests: [{ manifestKey: "main" }] },
  }),
);
// The client leaves enums of results as numbers.
check(["SUCCEEDED", 3].includes(clip.state), clip.state);

await result(await client.stopChannel({ name: channel }));
const updated = await result(
  await client.updateChannel({
    channel: { name: channel, output: { uri: "gs://bucket/late/" }, retentionConfig: null },
    updateMask: { paths: ["output"] },
  }),
);
check(updated.output.uri === "gs://bucket/late/" && updated.manifests.length === 1, updated);

await control("clock:pause", {});
const [operation] = await client.createInput({ parent, inputId: "third", input: { type: "SRT_PUSH" } });
await client.operationsClient.cancelOperation({ name: operation.name });
await control("clock:advance", { by: "0.5s" });
const resumed = await client.checkCreateInputProgress(operation.name);
check(resumed.done && resumed.latestResponse.error.code === 1, resumed.latestResponse);
await control("clock:resume", {});

await control("requests:clear", {});
await control("faults", { method: "ListInputs", times: 2, status: { code: 14, message: "down" } });
const [inputs] = await client.listInputs({ parent });
check(inputs.length >= 1, inputs);
const { requests } = await control("requests?method=ListInputs");
check(requests.length === 3, `${requests.length} attempts`);
check(requests.every((one) => Boolean(one.json) === (kind === "rest")), "the transport is the one asked for");

// A mutation is not repeated.
await control("requests:clear", {});
await control("faults", { method: "StartChannel", times: 1, status: { code: 14, message: "down" } });
try {
  await client.startChannel({ name: channel });
  throw new Error("not refused: StartChannel");
} catch (error) {
  check(error.code === 14 && error.message.includes("down"), error.message);
}
const { requests: starts } = await control("requests?method=StartChannel");
check(starts.length === 1, `${starts.length} attempts`);

for await (const one of client.listChannelsAsync({ parent })) {
  await result(await client.deleteChannel({ name: one.name }));
}
await result(await client.deleteInput({ name: input }));
await refused(5, "RESOURCE_NOT_FOUND", () => client.getInput({ name: input }));
const { version } = require("@google-cloud/livestream/package.json");
const missing = hasDvr ? "" : `; version ${version} of the package has no DVR sessions, so they are not tested`;
console.log(`ok: Node ${kind}, ${checks} checks${missing}`);
process.exit(0);
