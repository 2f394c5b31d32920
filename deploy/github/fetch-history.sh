#!/usr/bin/env bash
# Brings the history of the last run: the artifact `twolocks-history` of this workflow on this branch.
#
#   fetch-history.sh DIR       BASELINE=true: start without one. Needs GH_TOKEN with `actions: read`.
#
# Where there is none, it ends with 1: with a history that was lost without an error, the run would be a baseline, in which nothing is new.
set -euo pipefail

dir=$1
mkdir -p "$dir"
if [ "${BASELINE:-false}" = true ]; then
  echo "A new history begins: nothing in this scan is new" >&2
  exit 0
fi
workflow=${GITHUB_WORKFLOW_REF%@*}
runs=$(gh run list --repo "$GITHUB_REPOSITORY" --workflow "${workflow##*/}" --branch "$GITHUB_REF_NAME" --status completed \
  --limit 30 --json databaseId --jq '.[].databaseId')
for run in $runs; do
  if gh run download "$run" --repo "$GITHUB_REPOSITORY" --name twolocks-history --dir "$dir" 2>/dev/null; then
    echo "The history of run $run" >&2
    exit 0
  fi
done
echo "::error::None of the last 30 runs has a history that is still kept. Run the workflow by hand with \"baseline\"." >&2
exit 1
