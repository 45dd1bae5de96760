#!/usr/bin/env bash
# Builds the program that is shipped: target/dist/freshet without symbols, and freshet.debug with them. A debugger that
# finds both in one folder uses both: `gdb target/dist/freshet`.
set -euo pipefail
cd "$(dirname "$0")/.."
"${CARGO:-cargo}" build --quiet --release --locked -p freshet
rm -rf target/dist
mkdir -p target/dist
objcopy --only-keep-debug target/release/freshet target/dist/freshet.debug
objcopy --strip-all --add-gnu-debuglink=target/dist/freshet.debug target/release/freshet target/dist/freshet
chmod 644 target/dist/freshet.debug
(cd target/dist && sha256sum freshet freshet.debug > SHA256SUMS)
ls -lh target/dist
