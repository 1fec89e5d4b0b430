#!/usr/bin/env bash
# A study of six runs through a real Slurm with two workers, of which one is killed and the other queued
# again while they work: all six runs finish, with the same events as when they are done one by one.
#
#   tests/slurm/run.sh [FOLDER]    as root; FOLDER (default: a temporary one) is kept only if it was named
#
# Needs `make` first: RELATIVENAS names the command, by default target/release/relativenas.
set -euo pipefail
cd "$(dirname "$0")/../.."

kept=${1:-}
folder=${kept:-$(mktemp -d)}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
relativenas=$(realpath "${RELATIVENAS:-target/release/relativenas}")
runs=$folder/runs
study() { local action=$1; shift; "$relativenas" --run-dir "$runs" study "$action" "$@"; }

clean_up() {
  SLURM_CONF=$folder/slurm/slurm.conf scancel --user "$(id -un)" 2>/dev/null || true
  tests/slurm/setup.sh "$folder/slurm" stop || true
  [ -n "$kept" ] || rm -rf "$folder"
}
trap clean_up EXIT
fail() {
  echo "FAILED: $*" >&2
  study status six >&2 || true
  tail -n 20 "$runs"/six/logs/slurm-*.log >&2 || true
  exit 1
}
# Waits until a command succeeds.
wait_until() {
  local what=$1; shift
  for _ in $(seq 3000); do if "$@" >/dev/null 2>&1; then return; fi; sleep 0.1; done
  fail "waited in vain for: $what"
}

echo "== a home of our own, and Slurm"
export HOME=$folder/home XDG_DATA_HOME=$folder/data XDG_CONFIG_HOME=$folder/config
mkdir -p "$HOME" "$runs"
tests/slurm/setup.sh "$folder/slurm"
export SLURM_CONF=$folder/slurm/slurm.conf

# A table of published losses answers, slowly enough that there is time to interfere.
make_study() {
  study run "$1" --searchers slow-fast,random --seeds 3 --judge-seeds 0 --preset nas-bench-201 \
    --set search.population=10 --set search.generations=5 --set device.threads=1 --set table.milliseconds="$2" --no-work
}

echo "== the same six runs, one by one, without Slurm"
rm -rf "$runs/one-by-one" "$runs/six"
make_study one-by-one 0
study work one-by-one

echo "== six runs, two workers"
make_study six 300
study submit six --slurm --workers 2 --lease 5 --requeue-before 60 --time 10
job=$(squeue --noheader --format=%F | head -n 1)
compared() { [ "$(cat "$runs"/six/runs/*/events.jsonl | grep -c pair_compared)" -ge "$1" ]; }
at_two() { [ "$(study status six --json | grep -o '"lapsed":false' | wc -l)" = 2 ]; }
wait_until "both workers to be at a run" at_two
wait_until "some pairs to be compared" compared 4
study status six

echo "== the worker of task 1 is killed"
of_task() { study status six --json | grep -o "\"pid\":[0-9]*,\"job\":\"Slurm job ${job}_$1\"" | grep -o '[0-9]*' | head -n 1; }
kill -9 "$(of_task 1)"
task_1_is_gone() { [ -z "$(squeue --noheader --states=running --jobs "${job}_1")" ]; }
wait_until "its task to end" task_1_is_gone
study status six

echo "== task 2 is told that its time is up, as before its time limit"
scancel --signal=USR1 --batch "${job}_2"
wait_until "the script to queue it again" grep -q "queued again" "$runs/six/logs/slurm-${job}_2.log"
study status six
wait_until "the same task to run again" sh -c "[ \"\$(squeue --noheader --states=running --jobs ${job}_2 --format=%T)\" = RUNNING ]"

finished() { study status six | grep -q '^six: 6 of 6 runs finished'; }
wait_until "six finished runs" finished
wait_until "the job to end" sh -c '[ -z "$(squeue --noheader)" ]'
study status six

echo "== what the workers said"
tail -n 100 "$runs"/six/logs/slurm-*.log

echo "== the events of both studies"
without_time() { sed 's/"time":[0-9]*,//' "$1"; }
for run in "$runs"/one-by-one/runs/*/; do
  name=$(basename "$run")
  cmp <(without_time "$runs/one-by-one/runs/$name/events.jsonl") <(without_time "$runs/six/runs/$name/events.jsonl") \
    || fail "$name: other events"
  echo "$name: the same $(wc -l <"$run/events.jsonl") events"
done
resumed=$(grep -l "continuing from" "$runs"/six/runs/*/engine.log | wc -l)
[ "$resumed" = 2 ] || fail "$resumed runs went on from a checkpoint, not 2"
# Whoever begins or resumes a run says so there: nobody did a run twice.
finishes=$(cat "$runs"/six/logs/slurm-*.log | grep -c ': finished in')
[ "$finishes" = 6 ] || fail "$finishes runs were finished, not 6"
echo "PASSED"
