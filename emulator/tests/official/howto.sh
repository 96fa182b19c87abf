#!/usr/bin/env bash
# The curl requests of the vendor's how-to pages on channels, assets and DVR, with only the host changed.
#
# Usage: howto.sh HOST:PORT
#
# The emulator runs with `--project my-project=123456789012`.
set -euo pipefail

host=$1
api="http://$host/v1/projects/my-project/locations/us-central1"
control="http://$host/emulator/v1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The form of the pages: a token, a JSON file as the body, and the full URL.
request() {
    local method=$1 url=$2 body=${3-}
    local arguments=(-sS --fail-with-body -X "$method" -H "Authorization: Bearer not-a-token")
    if [ -n "$body" ]; then
        printf '%s' "$body" >"$work/request.json"
        arguments+=(-H "Content-Type: application/json; charset=utf-8" -d "@$work/request.json")
    fi
    curl "${arguments[@]}" "$url"
}

# Fails unless the answer contains a text.
expect() {
    local text=$1 answer
    answer=$(cat)
    grep -qF -- "$text" <<<"$answer" || { printf 'no %s in:\n%s\n' "$text" "$answer" >&2; exit 1; }
}

work_is_done() { request POST "$control/clock:advance" '{"by": "3600s"}' | expect time; }

request POST "$control/state:reset" '{}' >/dev/null

# Inputs and channels.
request POST "$api/inputs?inputId=my-input" '{"type": "RTMP_PUSH"}' | expect '"verb": "create"'
work_is_done
request GET "$api/inputs/my-input" | expect 'rtmp://'
request POST "$api/channels?channelId=my-channel" '{
  "inputAttachments": [{"key": "my-input", "input": "projects/my-project/locations/us-central1/inputs/my-input"}],
  "output": {"uri": "gs://my-bucket"},
  "elementaryStreams": [
    {"key": "es_video", "videoStream": {"h264": {
      "profile": "high", "bitrateBps": "3000000", "frameRate": 30, "heightPixels": 720, "widthPixels": 1280}}},
    {"key": "es_audio", "audioStream": {"codec": "aac", "channelCount": 2, "bitrateBps": 160000}}
  ],
  "muxStreams": [
    {"key": "mux_video", "elementaryStreams": ["es_video"], "segmentSettings": {"segmentDuration": "2s"}},
    {"key": "mux_audio", "elementaryStreams": ["es_audio"], "segmentSettings": {"segmentDuration": "2s"}}
  ],
  "manifests": [
    {"key": "manifest_hls", "fileName": "main.m3u8", "type": "HLS", "muxStreams": ["mux_video", "mux_audio"],
     "maxSegmentCount": 5}
  ],
  "retentionConfig": {"retentionWindowDuration": "86400s"}
}' | expect '/operations/operation-'
work_is_done
request GET "$api/channels" | expect 'channels/my-channel'
# The same project by its number.
request GET "${api/my-project/123456789012}/channels/my-channel" | expect 'projects/my-project/locations'
request PATCH "$api/channels/my-channel?updateMask=retentionConfig" '{
  "retentionConfig": {"retentionWindowDuration": "172800s"}
}' | expect '"verb": "update"'
work_is_done
request GET "$api/channels/my-channel" | expect '"retentionWindowDuration": "172800s"'
request GET "$api/operations" | expect 'projects/123456789012/locations/us-central1/operations/'
request POST "$api/channels/my-channel:start" '{}' | expect '"verb": "start"'
work_is_done
request GET "$api/channels/my-channel" | expect '"streamingState": "STREAMING"'

# Events.
request POST "$api/channels/my-channel/events?eventId=my-event" \
    '{"adBreak": {"duration": "100s"}, "executeNow": true}' | expect '"state": "PENDING"'
request GET "$api/channels/my-channel/events" | expect 'events/my-event'

# DVR sessions: create, list, update by mask, get, delete.
now=$(request GET "$control/clock" | sed -n 's/.*"time": "\([^.Z]*\).*/\1/p')
start=$(date -u -d "$now UTC + 2 hours" +%FT%TZ)
end=$(date -u -d "$now UTC + 3 hours" +%FT%TZ)
later=$(date -u -d "$now UTC + 4 hours" +%FT%TZ)
sessions="$api/channels/my-channel/dvrSessions"
request POST "$sessions?dvrSessionId=my-dvr-session" "{
  \"dvrManifests\": [{\"manifestKey\": \"manifest_hls\"}],
  \"dvrWindows\": [{\"timeInterval\": {\"startTime\": \"$start\", \"endTime\": \"$end\"}}]
}" | expect '"verb": "create"'
request POST "$control/clock:advance" '{"by": "60s"}' >/dev/null
request GET "$sessions/my-dvr-session" | expect 'gs://my-bucket/dvr/my-dvr-session/main.m3u8'
request PATCH "$sessions/my-dvr-session?updateMask=dvrWindows" "{
  \"dvrWindows\": [{\"timeInterval\": {\"startTime\": \"$start\", \"endTime\": \"$later\"}}]
}" | expect '"verb": "update"'
request POST "$control/clock:advance" '{"by": "60s"}' >/dev/null
request GET "$sessions" | expect "$later"

# A window in the past: the channel was on air.
now=$(request GET "$control/clock" | sed -n 's/.*"time": "\([^.Z]*\).*/\1/p')
request POST "$sessions?dvrSessionId=past" "{
  \"dvrManifests\": [{\"manifestKey\": \"manifest_hls\"}],
  \"dvrWindows\": [{\"timeInterval\": {\"startTime\": \"$(date -u -d "$now UTC - 20 minutes" +%FT%TZ)\",
    \"endTime\": \"$(date -u -d "$now UTC - 10 minutes" +%FT%TZ)\"}}]
}" | expect '"verb": "create"'
request POST "$control/clock:advance" '{"by": "60s"}' >/dev/null
request GET "$sessions/past" | expect '"state": "FINISHED"'
request DELETE "$sessions/past" | expect '"verb": "delete"'

# Assets: create, list, get, delete.
request POST "$api/assets?assetId=my-asset" '{"video": {"uri": "gs://my-bucket/slate.mp4"}}' |
    expect '"verb": "create"'
work_is_done
request GET "$api/assets" | expect '"state": "ACTIVE"'
request GET "$api/assets/my-asset" | expect 'slate.mp4'
request DELETE "$api/assets/my-asset" | expect '"verb": "delete"'

request DELETE "$sessions/my-dvr-session" | expect '"verb": "delete"'
request DELETE "$api/channels/my-channel/events/my-event" | expect '{}'
request POST "$api/channels/my-channel:stop" '{}' | expect '"verb": "stop"'
work_is_done
request DELETE "$api/channels/my-channel" | expect '"verb": "delete"'
work_is_done
request DELETE "$api/inputs/my-input" | expect '"verb": "delete"'
work_is_done
request GET "$api/operations" | expect '"done": true'
echo "ok: curl"
