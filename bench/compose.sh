#!/usr/bin/env bash
# How fast recordings are composed. See --help.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
Usage: bench/compose.sh [--people N] [--seconds S] [--noise N] [--runs R] [--help]

Makes a recording of N people (2: 640x360 at 30 pictures a second in VP8, moving, with noise as of a
camera, 5, and with sound) and composes it at 1280x720 with each layout and encoder, on one core. The last lines are the
same job done by the ffmpeg command: scale, xstack, amix and the same encoder at the same settings.
Prints the median of R runs (3): seconds of CPU, times faster than the recording is long, bytes.
TEXT
}
people=2 seconds=60 noise=5 runs=3
while [ $# -gt 0 ]; do
  case "$1" in
    --people) people=$2; shift ;;
    --seconds) seconds=$2; shift ;;
    --noise) noise=$2; shift ;;
    --runs) runs=$2; shift ;;
    -h | --help) usage; exit 0 ;;
    *) echo "bench/compose.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
  esac
  shift
done
composer=build/release/bin/parley-compose
[ -x "$composer" ] || { echo "bench/compose.sh: build $composer first" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

files= inputs=() chain= tiles= layout= voices=
columns=$(awk "BEGIN {c = sqrt($people); print (c == int(c)) ? c : int(c) + 1}")
width=$((1280 / columns / 2 * 2)) height=$((720 / columns / 2 * 2))
for ((i = 0; i < people; i++)); do
  ffmpeg -nostdin -v error -f lavfi -i "testsrc2=s=640x360:r=30:d=$seconds,noise=alls=$noise:allf=t,hue=h=$((i * 70))" \
    -f lavfi -i "sine=f=$((200 + i * 90)):r=48000:d=$seconds,tremolo=f=3" \
    -c:v libvpx -b:v 800k -deadline realtime -cpu-used 8 -g 300 -c:a libopus -b:a 32k "$folder/p$i.webm"
  files+="${files:+,}{\"name\":\"p$i.webm\",\"participant_id\":\"pa_$i\",\"source\":\"camera\",\"codecs\":[\"vp8\",\"opus\"],\"offset_ms\":0,\"duration_ms\":$((seconds * 1000))}"
  inputs+=(-threads 1 -i "$folder/p$i.webm")
  chain+="[$i:v]scale=$width:$height:flags=bilinear,fps=25[v$i];"
  tiles+="[v$i]" voices+="[$i:a]"
  layout+="${layout:+|}$((i % columns * width))_$((i / columns * height))"
done
printf '{"schema":1,"duration_ms":%d,"participants":[],"files":[%s]}' $((seconds * 1000)) "$files" > "$folder/manifest.json"

# measure NAME FILE COMMAND...: a line of the table.
measure() {
  local name=$1 file=$2 run times=; shift 2
  for ((run = 0; run < runs; run++)); do
    rm -rf "$folder"/composite* "$folder/out".*
    times+=$( { TIMEFORMAT='%U %S'; time taskset -c 0 "$@" > "$folder/log" 2>&1; } 2>&1 | awk '{print $1 + $2}')$'\n'
  done
  local median
  median=$(printf '%s' "$times" | sort -n | sed -n "$(((runs + 1) / 2))p")
  awk -v n="$name" -v t="$median" -v s="$seconds" -v b="$(stat -c %s "$folder/$file")" \
    'BEGIN {printf "| %-28s | %6.2f | %5.1f | %6.2f MB |\n", n, t, s / t, b / 1e6}'
}

echo "$people x 640x360, $seconds s, noise $noise, to 1280x720 at 25 a second"
echo "| layout, encoder              | CPU s  | x real time | size |"
echo "|---|---|---|---|"
for kind in grid speaker presenter pip; do
  measure "$kind, h264" composite.mp4 "$composer" "$folder" --layout "$kind"
done
for codec in vp9 vp8; do
  measure "grid, $codec" composite.webm "$composer" "$folder" --codec "$codec"
done
measure "sound alone, aac" composite-sound.mp4 "$composer" "$folder" --sound-only
stack="${chain}${tiles}xstack=inputs=$people:layout=$layout:fill=black,pad=1280:720[v];${voices}amix=inputs=$people[a]"
for encoder in "libx264 -preset veryfast -x264-params subme=1 -crf 23 -maxrate 1497k -bufsize 2995k -bf 0 -c:a aac" \
  "libvpx-vp9 -deadline realtime -cpu-used 8 -lag-in-frames 0 -row-mt 1 -b:v 1497k -c:a libopus"; do
  extension=webm
  [[ $encoder != libx264* ]] || extension=mp4
  # shellcheck disable=SC2086  # several options
  measure "ffmpeg, ${encoder%% *}" "out.$extension" ffmpeg -nostdin -v error -filter_threads 1 \
    -filter_complex_threads 1 "${inputs[@]}" -filter_complex "$stack" -map '[v]' -map '[a]' -threads 1 \
    -g 50 -c:v $encoder -b:a 96k "$folder/out.$extension"
done
