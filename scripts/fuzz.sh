#!/usr/bin/env bash
# Fuzzes each target of fuzz/ for its share of MINUTES, beginning with its corpus. What is found is kept in
# target/fuzz/<target> between runs; an input that fails lies in fuzz/libfuzzer/artifacts/<target>, and belongs into
# fuzz/corpus/<target> together with the fix.
#   scripts/fuzz.sh 8              every target, eight minutes in all
#   scripts/fuzz.sh 1 record_json  one target for a minute
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${1:-8}
shift || true
cargo=${CARGO:-cargo}
if ! "$cargo" +nightly --version >/dev/null 2>&1; then
  echo "fuzz: needs nightly Rust: rustup toolchain install nightly --profile minimal" >&2
  exit 1
fi
scripts/tools.sh fuzz
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for program in fuzz/libfuzzer/fuzz_targets/*.rs; do targets+=("$(basename "$program" .rs)"); done
fi
seconds=$((minutes * 60 / ${#targets[@]}))
export PATH="$PWD/target/tools/bin:$PATH"
for target in "${targets[@]}"; do
  echo "fuzz: $target for $seconds s"
  mkdir -p "target/fuzz/$target"
  # The first folder takes new inputs; the corpus is only read. No sanitizer: our code has no `unsafe` that it could watch,
  # and librdkafka's build does not link with an instrumented zstd.
  "$cargo" +nightly fuzz run --sanitizer none --fuzz-dir fuzz/libfuzzer "$target" "target/fuzz/$target" "fuzz/corpus/$target" -- \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1
done
