// The page in headless Chromium: real clicks, live updates, small and dark screens.
//
// Usage: node page.mjs HOST:PORT [FRAGMENT]
//
// FRAGMENT is a file for the guide: a screenshot as an HTML element, with the hash of the page's source.

import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const packages = process.env.NODE_PACKAGES ?? process.cwd();
const require = createRequire(`${packages}/`);
const load = async (name) => (await import(pathToFileURL(require.resolve(name)))).default;
const chromium = await load("@sparticuz/chromium");
const puppeteer = await load("puppeteer-core");

const [host, fragment] = process.argv.slice(2);
const api = `http://${host}/v1/projects/my-project/locations/us-central1`;
let checks = 0;

function check(condition, text) {
  checks += 1;
  if (!condition) throw new Error(`failed: ${text}`);
}

async function send(method, url, body) {
  const answer = await fetch(url, { method, body: body && JSON.stringify(body) });
  return answer.json();
}
const control = (path, body) => send("POST", `http://${host}/emulator/v1/${path}`, body);

await control("state:reset", {});
const browser = await puppeteer.launch({
  args: [...chromium.args, "--no-sandbox"],
  executablePath: process.env.CHROMIUM ?? (await chromium.executablePath()),
  headless: "shell",
});
try {
  const page = await browser.newPage();
  const problems = [];
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "data:" && url.host !== host) problems.push(`outside: ${request.url()}`);
  });
  await page.setViewport({ width: 1200, height: 900 });
  await page.goto(`http://${host}/`);
  const sees = (selector, text) =>
    page.waitForFunction(
      (selector, text) => document.querySelector(selector)?.textContent.includes(text),
      { timeout: 10_000 },
      selector,
      text,
    );
  await sees("#channels", "No channels yet.");

  // Live: what other programs do appears without a reload.
  await send("POST", `${api}/inputs?inputId=camera`, { type: "RTMP_PUSH" });
  await sees("#operations", "create");
  await control("clock:advance", { by: "10s" });
  await sees("#inputs", "camera");
  const channel = {
    inputAttachments: [{ key: "main", input: "projects/my-project/locations/us-central1/inputs/camera" }],
    output: { uri: "gs://bucket/news/" },
    elementaryStreams: [{ key: "sound", audioStream: { bitrateBps: 128000 } }],
    muxStreams: [{ key: "sound", elementaryStreams: ["sound"] }],
    manifests: [{ key: "main", type: "HLS", muxStreams: ["sound"] }],
    retentionConfig: { retentionWindowDuration: "86400s" },
  };
  await send("POST", `${api}/channels?channelId=news`, channel);
  await control("clock:advance", { by: "10s" });
  await send("POST", `${api}/channels/news:start`, {});
  await control("clock:advance", { by: "10s" });
  await sees("#channels .state", "STREAMING");
  await sees("#inputs", "connected");

  // Another program moves the clock, and nothing else changes.
  await control("clock:pause", {});
  await sees("#speed", "paused");
  await control("clock:advance", { by: "1200s" });
  const moved = (await send("GET", `http://${host}/emulator/v1/clock`)).time.slice(0, 19).replace("T", " ");
  await page.waitForFunction(
    (moved) => document.querySelector("#time").textContent.replace("T", " ").startsWith(moved),
    { timeout: 10_000 },
    moved,
  );
  await control("clock:resume", {});
  await sees("#pause", "Pause");
  checks += 1;

  // Clicks on the clock.
  const time = async () => Date.parse(`${(await page.$eval("#time", (e) => e.textContent)).slice(0, 19)}Z`);
  const before = await time();
  await page.click("[data-advance='3600']");
  await page.waitForFunction(
    (before) => Date.parse(`${document.querySelector("#time").textContent.slice(0, 19)}Z`) >= before + 3600e3,
    { timeout: 10_000 },
    before,
  );
  await page.click("#pause");
  await sees("#pause", "Resume");
  await sees("#speed", "paused");
  check((await send("GET", `http://${host}/emulator/v1/clock`)).paused === true, "the clock is stopped");
  await page.click("#pause");
  await sees("#pause", "Pause");
  check(!(await send("GET", `http://${host}/emulator/v1/clock`)).paused, "the clock runs");

  // A timeline with everything on it.
  const now = Date.parse((await send("GET", `http://${host}/emulator/v1/clock`)).time);
  const at = (seconds) => new Date(now + seconds * 1000).toISOString();
  await send("POST", `${api}/channels/news/dvrSessions?dvrSessionId=evening`, {
    dvrManifests: [{ manifestKey: "main" }],
    dvrWindows: [{ timeInterval: { startTime: at(-1200), endTime: at(1800) } }],
  });
  await send("POST", `${api}/channels/news/clips?clipId=goal`, {
    slices: [{ timeSlice: { markinTime: at(-2400), markoutTime: at(-1800) } }],
    clipManifests: [{ manifestKey: "main" }],
  });
  await send("POST", `${api}/channels/news/events?eventId=break`, {
    adBreak: { duration: "60s" },
    executionTime: at(900),
  });
  for (const title of ["on air", "evening: ", "goal: ", "break: ad break"]) {
    await page.waitForFunction(
      (title) => [...document.querySelectorAll("svg title")].some((e) => e.textContent.includes(title)),
      { timeout: 10_000 },
      title,
    );
    checks += 1;
  }
  await send("GET", `${api}/channels/absent`);
  await sees("#requests", "NotFound");
  await control("clock:advance", { by: "20s" });
  await sees("#operations", "Nothing is in progress.");

  // Text of resources is never read as HTML.
  await send("GET", `${api}/channels/${encodeURIComponent("<img src=x onerror=alert(1)>")}`);
  check((await page.$("#requests img")) === null, "text is not HTML");

  if (fragment) {
    await page.setViewport({ width: 960, height: 560 });
    const picture = await page.screenshot({ type: "webp", quality: 70, encoding: "base64" });
    const alt = "The page: a channel with its timeline, inputs, operations and requests";
    const source = readFileSync(new URL("../../src/http/page.html", import.meta.url));
    const hash = createHash("sha256").update(source).digest("hex");
    const start = `\n<img data-page="${hash}" alt="${alt}" style="max-width: 100%"`;
    writeFileSync(fragment, `${start} src="data:image/webp;base64,${picture}">\n`);
  }

  // Small and dark.
  await page.setViewport({ width: 360, height: 740 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  check(wide <= 360, `${wide} px at 360 px`);
  const colours = await page.evaluate(() => {
    const style = getComputedStyle(document.body);
    return [style.backgroundColor, style.color];
  });
  const light = (colour) => colour.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0);
  check(light(colours[0]) < 150 && light(colours[1]) > 500, `dark: ${colours}`);
  if (process.env.SMALL_SCREENSHOT) {
    writeFileSync(process.env.SMALL_SCREENSHOT, await page.screenshot());
  }
  check(problems.length === 0, problems.join("; "));
  console.log(`ok: page, ${checks} checks`);
} finally {
  await browser.close();
}
