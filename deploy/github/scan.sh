#!/usr/bin/env bash
# The scan of the action. It ends with 0 whatever the scan ended with, so that what comes after it runs; the scan's code is an output.
set -euo pipefail

report=$RUNNER_TEMP/twolocks-report
history=$RUNNER_TEMP/twolocks-history
rm -rf "$report"
mkdir -p "$report"
case $KEEP_IN in
  "") ;;
  artifact) export TWOLOCKS_SCAN_HISTORY=sqlite:///$history/history.db ;;
  *) export TWOLOCKS_SCAN_HISTORY=$KEEP_IN ;;
esac

code=0
"$RUNNER_TEMP/twolocks/bin/twolocks" scan \
  --out "$report/report.html" --out "$report/findings.json" --out "$report/results.sarif" --out "$report/summary.md" || code=$?

{
  echo "exit-code=$code"
  [ ! -s "$report/findings.json" ] || echo "report=true"
  [ ! -s "$report/results.sarif" ] || echo "sarif=true"
  [ ! -s "$history/history.db" ] || echo "history=true"
} >>"$GITHUB_OUTPUT"

if [ "$SUMMARY" = true ]; then
  if [ -s "$report/summary.md" ]; then
    head -c 1000000 "$report/summary.md" >>"$GITHUB_STEP_SUMMARY" # GitHub takes 1 MiB a step
  else
    echo "Twolocks ended with $code and wrote no summary; the log says why." >>"$GITHUB_STEP_SUMMARY"
  fi
fi
