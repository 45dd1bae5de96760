#!/usr/bin/env bash
# Changes the code that decides, one place at a time, and runs the tests: a change that no test notices survives. Ends with 1
# when a survivor is not listed in docs/mutants.md, or when one that is listed there does not survive.
#   scripts/mutants.sh                    every crate of `crates` below: hours
#   SHARD=3/16 scripts/mutants.sh         the third sixteenth of it
#   ONLY=core/shape scripts/mutants.sh    one crate, or one module with what is below it
#   IN_DIFF=HEAD^ scripts/mutants.sh      only lines that changed since that commit
#   LIST=1 scripts/mutants.sh             only says what would be changed
# What is changed: .cargo/mutants.toml. The tree is copied to target/mutants/tree, so that it can be edited meanwhile.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
crates=(core registry wire pipeline)
[ -n "${ONLY:-}" ] && crates=("${ONLY%%/*}")

# Tests that read sources or take long; every other one of a crate is quick, and none needs a server.
declare -A slow=([core]="tidy" [registry]="bounds limits" [wire]="bounds" [pipeline]="histograms recorded_columns")
# Which tests come first for a module; what they do not notice is tried again with every quick one of its crate. The first
# row that fits a path counts.
first=(
  "core/src/codec" "codec shape template"
  "core/src/purge" "lib coalesce"
  "core/src/(coalesce|disposition|outcome)" "coalesce disposition"
  "core/src/members" "lib members"
  "core/src/ledger" "ledger"
  "core/src/(change|drift|gap|image)" "image"
  "core/src/position" "position"
  "core/src/(registry|table)" "registry"
  "core/src/shape" "shape"
  "core/src/transaction" "transaction"
  "core/src/(resolve|template)" "resolve template"
  "core/src" "lib"
  "registry/src/written/limits" "lib rules limits"
  "registry/src/(files|folder|load)" "lib rules folders bounds"
  "registry/src/(written/source|decided/column_type)" "source_files"
  "registry/src/decided/(collation|template)" "lib"
  "registry/src/(compile|decided)" "families rules owners logs"
  "registry/src/(beacon|rules/example)" "examples beacon"
  "registry/src/rules/shared" "owners rules"
  "registry/src/(rules|written)" "rules owners logs"
  "registry/src" "lib rules folders"
  "wire/src/avro" "lib writer_schemas"
  "wire/src/(json|facts|images|decode|boundary|unowned)" "lib stack_rows boundaries"
  "wire/src" "lib"
  "pipeline/src/intake/transactions" "lib transactions"
  "pipeline/src" "lib"
)

scripts/tools.sh mutants
export PATH="$PWD/target/tools/bin:$PATH"
work=$PWD/target/mutants
tree=$work/tree
results=$work/results
mkdir -p "$work"
exec {lock}>"$work/lock"
flock -n "$lock" || { echo "mutants: another run has target/mutants" >&2; exit 1; }
rm -rf "$tree" "$results"
mkdir -p "$tree" "$results"
# `tar` keeps the times of files: what did not change is not built again.
git ls-files -coz --exclude-standard | tar --null --ignore-failed-read -T - -cf - 2>/dev/null | tar -xf - -C "$tree"
export CARGO_TARGET_DIR=$work/build
# But the last change of an earlier run, perhaps to another crate, was built later than its file was written.
touch "$tree"/crates/*/src/lib.rs
# A test that fails has done its work: no smaller example is looked for, and none is remembered.
export PROPTEST_MAX_SHRINK_ITERS=0 PROPTEST_DISABLE_FAILURE_PERSISTENCE=true

filters=()
if [ -n "${IN_DIFF:-}" ]; then
  git diff "$IN_DIFF" -- crates >"$work/changes.diff"
  filters+=(--in-diff "$work/changes.diff")
fi

list() { # crate, flags: the mutants of a crate
  local crate=$1
  shift
  "$cargo" mutants --dir "$tree" --list -p "freshet-$crate" "$@" 2>/dev/null | grep "^crates/" || true
}

meant() { # crate, file: writes there those of its mutants that are to be tried
  list "$1" "${filters[@]}" >"$2.all"
  case "${ONLY:-}" in
    */*) grep -E "^crates/$1/src/(${ONLY#*/})(\.rs|/)" "$2.all" >"$2.only" || true ;;
    *) mv "$2.all" "$2.only" ;;
  esac
  if [ -z "${IN_DIFF:-}" ] && [ ! -s "$2.only" ]; then
    echo "mutants: nothing of $1 is changed by these settings: see .cargo/mutants.toml" >&2
    exit 1
  fi
  if [ -n "${SHARD:-}" ]; then split -n "l/$SHARD" "$2.only" >"$2"; else mv "$2.only" "$2"; fi
}

tests_first() { # path
  local row
  for ((row = 0; row < ${#first[@]}; row += 2)); do
    if grep -qE "^crates/${first[row]}" <<<"$1"; then
      echo "${first[row + 1]}"
      return
    fi
  done
}

quick() { # crate
  local file test
  echo lib
  for file in crates/"$1"/tests/*.rs crates/"$1"/tests/*/main.rs; do
    [ -e "$file" ] || continue
    test=${file#crates/"$1"/tests/}
    test=${test%.rs}
    test=${test%/main}
    case " ${slow[$1]:-} " in *" $test "*) ;; *) echo "$test" ;; esac
  done
}

run() { # crate, tests, file of names: appends what came of each to files in $results
  local crate=$1 names=$3 flags=() test outcome rc=0
  for test in $2; do
    if [ "$test" = lib ]; then flags+=(-C --lib); else flags+=(-C --test -C "$test"); fi
  done
  local chosen=()
  # Each name as a regular expression of itself.
  mapfile -t chosen < <(sed -e 's/[][\.*^$+?(){}|]/\\&/g' -e 's/^/--re=^/' -e 's/$/$/' "$names")
  rm -rf "$work/run"
  mkdir "$work/run"
  echo "mutants: $crate, $(wc -l <"$names") with the tests $2"
  "$cargo" mutants --dir "$tree" --in-place -o "$work/run" -p "freshet-$crate" --no-shuffle --colors never \
    "${flags[@]}" "${chosen[@]}" || rc=$?
  # 2: some survive; 3: some do not end.
  case "$rc" in 0 | 2 | 3) ;; *) echo "mutants: cargo-mutants ended with $rc" >&2; exit "$rc" ;; esac
  for outcome in caught missed timeout unviable; do
    # The tool tries some that were not asked for (deleted fields).
    { grep -Fxf "$names" "$work/run/mutants.out/$outcome.txt" || true; } >>"$results/$outcome.txt"
  done
}

mutate() { # crate: every mutant that is meant
  local crate=$1 tests names
  meant "$crate" "$work/meant"
  rm -f "$work"/names.*
  while IFS= read -r name; do
    tests=$(tests_first "${name%%:*}")
    echo "$name" >>"$work/names.${tests// /+}"
  done <"$work/meant"
  for names in "$work"/names.*; do
    [ -e "$names" ] || continue
    tests=${names##*/names.}
    run "$crate" "${tests//+/ }" "$names"
  done
  [ -s "$results/missed.txt" ] || return 0
  mv "$results/missed.txt" "$work/again"
  run "$crate" "$(quick "$crate" | xargs)" "$work/again"
  cat "$results/missed.txt" >>"$results/survivors.txt"
  rm "$results/missed.txt"
}

compare() { # survivors against docs/mutants.md, by what is changed and where, not by line
  cat "$results"/{caught,timeout,unviable,survivors}.txt 2>/dev/null >"$results/tried.txt" || true
  for crate in "${crates[@]}"; do list "$crate"; done >"$results/all.txt"
  touch "$results/survivors.txt"
  awk -v top="$(IFS='|'; echo "^crates/(${crates[*]})/")" '
    function name(line) { sub(/:[0-9]+:[0-9]+: /, ": ", line); return line }
    FILENAME ~ /mutants\.md$/ && /^### / { file = $2 }
    FILENAME ~ /mutants\.md$/ && /^- `/ && file ~ top { split($0, part, "`"); listed[file ": " part[2]]++ }
    FILENAME ~ /survivors\.txt$/ { survives[name($0)]++; where[name($0)] = where[name($0)] "\n  " $0 }
    FILENAME ~ /tried\.txt$/ { tried[name($0)]++ }
    FILENAME ~ /all\.txt$/ { all[name($0)]++ }
    END {
      for (mutant in survives) if (survives[mutant] > listed[mutant] + 0) {
        print "mutants: survives, and is not in docs/mutants.md:" where[mutant]; bad = 1
      }
      for (mutant in listed) if (listed[mutant] > survives[mutant] + all[mutant] - tried[mutant]) {
        print "mutants: in docs/mutants.md, and does not survive:\n  " mutant; bad = 1
      }
      exit bad
    }' docs/mutants.md "$results/survivors.txt" "$results/tried.txt" "$results/all.txt"
}

if [ -n "${LIST:-}" ]; then
  for crate in "${crates[@]}"; do meant "$crate" "$work/meant" && cat "$work/meant"; done
  exit
fi
for crate in "${crates[@]}"; do mutate "$crate"; done
for outcome in caught timeout unviable survivors; do
  printf 'mutants: %5d %s\n' "$(cat "$results/$outcome.txt" 2>/dev/null | wc -l)" "$outcome"
done
compare
