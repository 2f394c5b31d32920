#!/usr/bin/env bash
# The scan of the pipeline. It ends with 0 whatever the scan ended with, so that what comes after it runs; the scan's code is a variable.
set -euo pipefail

report=$AGENT_TEMPDIRECTORY/report
history=$AGENT_TEMPDIRECTORY/history
rm -rf "$report"
mkdir -p "$report" "$history"
export TWOLOCKS_SCAN_HISTORY=${TWOLOCKS_SCAN_HISTORY:-sqlite:///$history/history.db}

code=0
"$AGENT_TEMPDIRECTORY/twolocks/bin/twolocks" scan \
  --out "$report/report.html" --out "$report/findings.json" --out "$report/results.junit.xml" --out "$report/summary.md" || code=$?

echo "##vso[task.setvariable variable=twolocks.code]$code"
if [ -s "$report/findings.json" ]; then echo "##vso[task.setvariable variable=twolocks.report]true"; fi
if [ -s "$history/history.db" ]; then echo "##vso[task.setvariable variable=twolocks.history]true"; fi
if [ -s "$report/summary.md" ]; then
  echo "##vso[task.uploadsummary]$report/summary.md"
else
  echo "##vso[task.logissue type=error]Twolocks ended with $code and wrote no summary; the log says why."
fi
