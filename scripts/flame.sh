#!/usr/bin/env bash
# Draws where Freshet's processor time goes in a drain: docs/flame/<form>.svg, one picture for each wire form.
# Everything, librdkafka too, is built with frame pointers into a folder of its own; perf looks on in the middle of a drain.
#   scripts/flame.sh [json schema avro]
set -euo pipefail
cd "$(dirname "$0")/.."

readonly inferno=0.12.8 hertz=999 seconds=5 events=4000000
target=target/flame
forms=("$@")
[ ${#forms[@]} -gt 0 ] || forms=(json schema avro)

if [ ! -x "$target/tools/bin/inferno-flamegraph" ]; then
  cargo install -q --locked --root "$target/tools" --target-dir "$target/inferno" "inferno@$inferno"
fi
RUSTFLAGS="-C force-frame-pointers=yes" CFLAGS="-fno-omit-frame-pointer" CARGO_TARGET_DIR="$target" \
  cargo build -q --release -p freshet -p freshet-bench

wait_for() { # <seconds> <command…>: until it succeeds
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || { echo "flame: gave up waiting for: $*" >&2; return 1; }
    sleep 0.1
  done
}

mkdir -p docs/flame
for form in "${forms[@]}"; do
  log="$target/$form.log"
  "$target/release/freshet-bench" --programs "$target/release" --target "$target" --only "drain-$form-4" \
    --participants freshet --rounds 1 --no-safety --events "$events" >"$log" 2>&1 &
  bench=$!
  trap 'kill "$bench" 2>/dev/null || true' EXIT
  # The counted round, and the drain in it rather than the start.
  wait_for 300 grep -qs 'round 0' "$log"
  wait_for 60 pgrep -P "$bench" -x freshet >/dev/null
  pid=$(pgrep -P "$bench" -x freshet)
  sleep 4
  perf record -q -F "$hertz" -g -p "$pid" -o "$target/$form.data" -- sleep "$seconds"
  wait "$bench"
  trap - EXIT
  perf script -i "$target/$form.data" 2>/dev/null | "$target/tools/bin/inferno-collapse-perf" --all 2>/dev/null >"$target/$form.folded"
  "$target/tools/bin/inferno-flamegraph" --title "A drain, $form: processor time of Freshet" --minwidth 0.2 \
    "$target/$form.folded" >"docs/flame/$form.svg" 2>/dev/null
  echo "docs/flame/$form.svg"
done
