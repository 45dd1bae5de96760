#!/usr/bin/env bash
# Shows for each promise that its test can fail: the tests are built once with the feature `broken`, and one test of each
# promise runs twice, whole and with the promise's mechanism switched off (crates/core/src/broken.rs). docs/promises.md has
# the same list.
#   scripts/broken.sh        all of them
#   scripts/broken.sh P5     one
set -uo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
# What fails here on purpose is not to be remembered.
export PROPTEST_DISABLE_FAILURE_PERSISTENCE=true
packages=(freshet-core freshet-registry freshet-wire freshet-redis freshet-pipeline)
flags=(--quiet --features freshet-core/broken)
for package in "${packages[@]}"; do flags+=(-p "$package"); done
# Where the tests below are.
flags+=(--lib)
for file in bounds faults ledger promises rules shape stack_rows; do flags+=(--test "$file"); done
# A test that waits for ever for what never comes has failed too.
within=60

declare -A tests=(
  [P1]=p1_committable_is_the_contiguous_settled_prefix
  [P2]=p2_oldest_unpurged_grows_while_nothing_moves
  [P3]=p3_a_record_handed_out_again_is_refused_also_after_its_commit
  [P4]=p4_poison_is_put_aside_and_its_family_is_purged
  [P5]=p5_one_gap_of_many_partitions_is_one_purge
  [P6]=p6_while_a_target_is_down_nobody_waits_for_it
  [P7]=p7_live_changes_come_first_and_the_backlog_keeps_its_pace
  [P8]=p8_a_failover_resurrects_nothing_and_the_edge_follows
  [P9]=p9_all_faults_are_told_at_once_and_in_order
  [P10]=p10_stops_in_time_with_a_target_that_hangs
  [P11]=p11_silence_costs_one_timeout_and_a_new_connection
  [P12]=p12_each_policy_keeps_what_it_says_and_no_secret_but_in_full
  [P13]=p13_a_shape_matches_what_the_model_matches
  [P14]=p14_writer_schemas_take_a_bounded_memory
  [P15]=an_unchanged_toast_column_is_unknown
)
order=(P1 P2 P3 P4 P5 P6 P7 P8 P9 P10 P11 P12 P13 P14 P15)
[ $# -gt 0 ] && order=("$@")

mapfile -t programs < <("$cargo" test "${flags[@]}" --no-run --message-format=json |
  grep -o '"executable":"[^"]*"' | cut -d'"' -f4)
[ ${#programs[@]} -gt 0 ] || { echo "broken: no test was built" >&2; exit 1; }

runs() { # test name: prints "passed failed", summed over every program that has the test
  local passed=0 failed=0 program
  for program in "${programs[@]}"; do
    # Not `grep -q`: what it leaves unread ends the program with an error.
    "$program" --list 2>/dev/null | grep -E "(^|::)$1: test$" >/dev/null || continue
    if timeout "$within" "$program" "$1" --test-threads=1 >/dev/null 2>&1; then
      passed=$((passed + 1))
    else
      failed=$((failed + 1))
    fi
  done
  echo "$passed $failed"
}

wrong=0
for promise in "${order[@]}"; do
  test=${tests[$promise]:?no such promise}
  read -r whole_passed whole_failed < <(FRESHET_BROKEN='' runs "$test")
  read -r passed failed < <(FRESHET_BROKEN=$promise runs "$test")
  verdict=ok
  [ "$whole_passed" -ge 1 ] && [ "$whole_failed" -eq 0 ] && [ "$failed" -ge 1 ] && [ "$passed" -eq 0 ] || { verdict=WRONG; wrong=$((wrong + 1)); }
  printf '%-5s %-4s whole: %s passed, %s failed; broken: %s passed, %s failed  %s\n' \
    "$verdict" "$promise" "$whole_passed" "$whole_failed" "$passed" "$failed" "$test"
done
echo "broken: ${#order[@]} promises, $wrong of them without a test that fails"
[ "$wrong" -eq 0 ]
