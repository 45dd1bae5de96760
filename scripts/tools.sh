#!/usr/bin/env bash
# Installs the cargo tools that the checks use into target/tools, unless they are there already.
#   scripts/tools.sh deny fuzz
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}

install() { # name, version, flags
  local name=$1 version=$2
  shift 2
  if "target/tools/bin/$name" --version 2>/dev/null | grep -qF "$version"; then return; fi
  echo "tools: building $name $version"
  # Unoptimised: built in a third of the time, and quick enough for what is checked here.
  "$cargo" install --quiet --locked --debug --root target/tools --target-dir target/tools/build "$@" "$name" --version "$version"
}

for tool in "$@"; do
  case "$tool" in
    deny) install cargo-deny 0.20.2 --no-default-features ;;
    fuzz) install cargo-fuzz 0.13.2 ;;
    *) echo "usage: scripts/tools.sh deny fuzz" >&2; exit 2 ;;
  esac
done
