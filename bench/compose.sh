#!/usr/bin/env bash
# How fast recordings are composed. See --help.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
Usage: bench/compose.sh [--people N] [--seconds S] [--noise N] [--runs R] [--help]

Makes a recording of N people (2: 640x360 at 30 pictures a second in VP8, moving, with noise as of a
camera, 5, and with sound) and composes it at 1280x720 with each layout and encoder, on one core. The
lines of ffmpeg are the grid made by that command: scale, drawtext, xstack, amix to stereo and the same
encoders at the same settings (it makes no stills, chapters and checksums).
Prints the median of R runs (3), all of them taking turns: seconds of CPU, times faster than the
recording is long, bytes.
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

people_json='' files='' inputs=() chain='' tiles='' layout='' voices=''
columns=$(awk "BEGIN {c = sqrt($people); print (c == int(c)) ? c : int(c) + 1}")
width=$((1280 / columns / 2 * 2)) height=$((720 / columns / 2 * 2))
for ((i = 0; i < people; i++)); do
  ffmpeg -nostdin -v error -f lavfi -i "testsrc2=s=640x360:r=30:d=$seconds,noise=alls=$noise:allf=t,hue=h=$((i * 70))" \
    -f lavfi -i "sine=f=$((200 + i * 90)):r=48000:d=$seconds,tremolo=f=3" \
    -c:v libvpx -b:v 800k -deadline realtime -cpu-used 8 -g 300 -c:a libopus -b:a 32k "$folder/p$i.webm"
  files+="${files:+,}{\"name\":\"p$i.webm\",\"participant_id\":\"pa_$i\",\"source\":\"camera\",\"codecs\":[\"vp8\",\"opus\"],\"offset_ms\":0,\"duration_ms\":$((seconds * 1000))}"
  people_json+="${people_json:+,}{\"participant_id\":\"pa_$i\",\"name\":\"Person $i\"}"
  inputs+=(-threads 1 -i "$folder/p$i.webm")
  chain+="[$i:v]scale=$width:$height:flags=bilinear,fps=25,"
  chain+="drawtext=text=Person $i:x=14:y=h-36:fontsize=20:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=6[v$i];"
  tiles+="[v$i]" voices+="[$i:a]"
  layout+="${layout:+|}$((i % columns * width))_$((i / columns * height))"
done
printf '{"schema":1,"duration_ms":%d,"participants":[%s],"files":[%s]}' $((seconds * 1000)) "$people_json" "$files" > "$folder/manifest.json"

# run NAME FILE COMMAND...: one run, noted. Runs take turns, so that all see the machine at its slower
# and at its faster times.
run() {
  local name=$1 file=$2 cpu; shift 2
  rm -rf "$folder"/composite* "$folder/out".*
  cpu=$( { TIMEFORMAT='%U %S'; time taskset -c 0 "$@" > "$folder/log" 2>&1; } 2>&1 | awk '{print $1 + $2}')
  printf '%s\t%s\t%s\n' "$name" "$cpu" "$(stat -c %s "$folder/$file")" >> "$folder/runs"
}

stack="${chain}${tiles}xstack=inputs=${people}:layout=$layout:fill=black,pad=1280:720[v];${voices}amix=inputs=${people}[a]"
theirs() {
  local name=$1 extension=$2; shift 2
  run "ffmpeg, $name" "out.$extension" ffmpeg -nostdin -v error -filter_threads 1 \
    -filter_complex_threads 1 "${inputs[@]}" -filter_complex "$stack" -map '[v]' -map '[a]' -threads 1 \
    -g 50 "$@" -b:a 96k -ac 2 "$folder/out.$extension"
}
for ((turn = 0; turn < runs; turn++)); do
  run "grid, h264" composite.mp4 "$composer" "$folder"
  theirs h264 mp4 -c:v libx264 -preset veryfast -x264-params subme=0:me=dia:rc-lookahead=5 -crf 22 -maxrate 1497k \
    -bufsize 2995k -bf 0 -c:a aac -aac_coder fast
  for kind in speaker presenter pip; do
    run "$kind, h264" composite.mp4 "$composer" "$folder" --layout "$kind"
  done
  run "grid, vp9" composite.webm "$composer" "$folder" --codec vp9
  theirs vp9 webm -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -lag-in-frames 0 -row-mt 1 -b:v 1497k \
    -c:a libopus
  run "grid, vp8" composite.webm "$composer" "$folder" --codec vp8
  theirs vp8 webm -c:v libvpx -deadline realtime -cpu-used -8 -lag-in-frames 0 -b:v 1497k -c:a libopus
  run "sound alone, aac" composite-sound.mp4 "$composer" "$folder" --sound-only
done

echo "$people x 640x360, $seconds s, noise $noise, to 1280x720 at 25 a second"
echo "| layout, encoder | CPU s | x real time | size |"
echo "|---|---|---|---|"
awk -F '\t' '!seen[$1]++ {print $1}' "$folder/runs" | while read -r name; do
  awk -F '\t' -v n="$name" '$1 == n {print $2, $3}' "$folder/runs" | sort -n |
    sed -n "$(((runs + 1) / 2))p" | awk -v n="$name" -v s="$seconds" \
      '{printf "| %s | %.1f | %.1f | %.1f MB |\n", n, $1, s / $1, $2 / 1e6}'
done
