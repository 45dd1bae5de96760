#!/usr/bin/env bash
# Runs a command with a temporary folder of its own, and fails when the command ends and leaves something in it.
#   scripts/leftovers.sh cargo test --workspace
set -uo pipefail
folder=$(mktemp -d "${TMPDIR:-/tmp}/freshet-run-XXXXXX") || exit 1
trap 'rm -rf -- "$folder"' EXIT
# As /tmp itself: the databases run as other users.
chmod 1777 "$folder"
TMPDIR=$folder "$@"
ended=$?
# What killed processes leave is removed by those that outlive them, a little later.
for _ in $(seq 100); do
  left=$(ls -A "$folder")
  [ -z "$left" ] && break
  sleep 0.1
done
if [ -n "$left" ]; then
  echo "leftovers: the temporary folder still holds" $left >&2
  [ "$ended" -eq 0 ] && ended=1
fi
exit "$ended"
