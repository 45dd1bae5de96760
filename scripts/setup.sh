#!/usr/bin/env bash
# Installs what the build and the tests need. With root or sudo by apt; else it says what is missing.
#   scripts/setup.sh demo   what `make demo` needs
#   scripts/setup.sh test   what `make test` and `make stack` need
#   scripts/setup.sh bench  what `make bench` needs beside: its peers in Go, Python and Java, and valgrind
#   scripts/setup.sh flame  what `make flame` needs beside: perf
set -euo pipefail

demo_packages=(redis-server pkg-config libssl-dev zlib1g-dev make gcc g++)
test_packages=("${demo_packages[@]}" postgresql mariadb-server varnish varnish-modules nginx
  libnginx-mod-http-cache-purge prometheus openjdk-17-jre-headless maven kcat util-linux python3 python3-venv)
bench_packages=("${test_packages[@]}" openjdk-17-jdk-headless valgrind)
flame_packages=("${test_packages[@]}" linux-perf)

case "${1:-demo}" in
  demo) packages=("${demo_packages[@]}") ;;
  test) packages=("${test_packages[@]}") ;;
  bench) packages=("${bench_packages[@]}") ;;
  flame) packages=("${flame_packages[@]}") ;;
  *) echo "usage: scripts/setup.sh demo|test|bench|flame" >&2; exit 2 ;;
esac

if ! command -v cargo >/dev/null; then
  echo "setup: no Rust toolchain: install one from https://rustup.rs and run this again" >&2
  exit 1
fi

# Go from 1.21 on gets the version that the peer asks for by itself; Debian's own is older, so apt is of no use.
go_is_there() {
  local version
  version=$(PATH="/usr/local/go/bin:$PATH" go env GOVERSION 2>/dev/null) || return 1
  [ "$(printf '%s\n' go1.21 "$version" | sort -V | head -n 1)" = go1.21 ]
}
if [ "${1:-demo}" = bench ] && ! go_is_there; then
  echo "setup: the Go peer needs Go 1.21 or later, see https://go.dev/dl; without it only PARTICIPANTS other than go can run" >&2
fi

is_there() { # a package counts as there when dpkg knows it, or when its program was installed by other means
  dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'ok installed' && return 0
  case "$1" in
    openjdk-17-jre-headless) command -v java >/dev/null ;;
    openjdk-17-jdk-headless) command -v javac >/dev/null ;;
    python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
    linux-perf) command -v perf >/dev/null ;;
    maven) command -v mvn >/dev/null ;;
    gcc|g++|make|kcat|pkg-config|redis-server|prometheus|python3|valgrind) command -v "$1" >/dev/null ;;
    *) return 1 ;;
  esac
}

missing=()
for package in "${packages[@]}"; do
  is_there "$package" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo)
  else
    echo "setup: these packages are missing and there is no root to install them:" >&2
    printf '  %s\n' "${missing[@]}" >&2
    echo "setup: on Debian or Ubuntu: apt-get install ${missing[*]}" >&2
    exit 1
  fi
fi
echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# The tests start servers of their own; the packages' services stay off.
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod +x "$policy"
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
fi
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -q --no-install-recommends "${missing[@]}"
