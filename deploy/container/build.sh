#!/bin/sh
# Installs Twolocks into a folder of its own, from locked and hashed pins. The image, the GitHub action, the Azure pipeline
# and the systemd unit use it; it needs python3 (3.11 or newer) with venv, and a package index. It writes nothing into SOURCE.
#
#   build.sh SOURCE TARGET     TARGET must not be there yet; move it nowhere, its programs hold their path
set -eu

fail() {
  echo "build.sh: $1" >&2
  exit 2
}

[ "$#" -eq 2 ] || fail "give SOURCE and TARGET"
[ -f "$1/requirements.lock" ] || fail "$1 is no working copy of Twolocks: requirements.lock is missing"
[ ! -e "$2" ] || fail "$2 is there already"
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 3.11 or newer is needed"

source=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The tools that install are in an environment of their own, so that the one that is kept has neither pip nor uv.
"$python" -m venv "$work/tools"
"$work/tools/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes \
  -r "$source/requirements-setup.lock"
uv() {
  UV_CACHE_DIR=${UV_CACHE_DIR:-$work/cache} UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never "$work/tools/bin/python" -m uv "$@"
}

uv venv --quiet --no-project --python "$python" "$2"
uv pip install --quiet --python "$2" --require-hashes --compile-bytecode -r "$source/requirements.lock"
(cd "$source" && PYTHONDONTWRITEBYTECODE=1 "$work/tools/bin/python" -m hatchling build -t wheel -d "$work/dist") >"$work/log" 2>&1 || {
  cat "$work/log" >&2
  exit 1
}
uv pip install --quiet --python "$2" --no-deps --offline --compile-bytecode "$work"/dist/*.whl
"$2/bin/twolocks" --version
