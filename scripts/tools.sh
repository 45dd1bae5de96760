#!/usr/bin/env bash
# Installs the cargo tools that the checks use into target/tools, unless they are there already.
#   scripts/tools.sh deny fuzz mutants
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}

install() { # name, version, flags
  local name=$1 version=$2
  shift 2
  # What cargo keeps about its folder: not every tool knows --version.
  if [ -x "target/tools/bin/$name" ] && grep -qF "\"$name $version " target/tools/.crates.toml; then return; fi
  echo "tools: building $name $version"
  # Unoptimised: built in a third of the time, and quick enough for what is checked here.
  "$cargo" install --quiet --locked --debug --root target/tools --target-dir target/tools/build "$@" "$name" --version "$version"
}

for tool in "$@"; do
  case "$tool" in
    deny) install cargo-deny 0.20.2 --no-default-features ;;
    fuzz) install cargo-fuzz 0.13.2 ;;
    mutants) install cargo-mutants 27.1.0 ;;
    *) echo "usage: scripts/tools.sh deny fuzz mutants" >&2; exit 2 ;;
  esac
done
