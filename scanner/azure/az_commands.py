"""Checks `az` commands with the Azure CLI of this machine, which parses them and runs none."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from scanner.content import content

PARSER = Path(__file__).with_name("az_parser.py")
SECONDS = 300
_PYTHON = re.compile(r"(/[^\s\"'!]*/python[\d.]*)\b")


class NoAzureCli(Exception):
    """The Azure CLI is not installed, or its Python cannot be found."""


def refused(commands: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return what the Azure CLI refuses, by the place of the command. Raise NoAzureCli."""
    lines = "\n".join(json.dumps({"where": where, "command": command}) for where, command in commands)
    if not lines:
        return {}
    # -I: the modules beside the script are no modules of the Azure CLI.
    words = [str(python()), "-I", "-W", "ignore", str(PARSER)]
    try:
        done = subprocess.run(  # noqa: S603 - our script, by the Python of the installed Azure CLI
            words, input=lines, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAzureCli(f"the Azure CLI did not start: {error}") from None
    if done.returncode not in (0, 1) or (done.returncode == 1 and " refused" not in done.stdout):
        why = done.stderr.strip().rpartition("\n")[2] or f"exit {done.returncode}"
        raise NoAzureCli(f"the Azure CLI did not parse them: {why}")
    result: dict[str, list[str]] = {}
    for block in done.stdout.split("\n\n")[:-1]:
        where, _, rest = block.partition("\n")
        result.setdefault(where, []).append(rest.rpartition("\n")[2].strip())
    return result


def python() -> Path:
    """Return the Python of `.venv-az` in a working copy, else of `az` on the PATH. Raise NoAzureCli."""
    bundled = content("rules").parent / ".venv-az" / "bin" / "python"
    if bundled.is_file():
        return bundled
    az = shutil.which("az")
    if az is None:
        raise NoAzureCli("there is no az on the PATH")
    match = _PYTHON.search(Path(az).read_text("utf-8", errors="replace"))
    if match is None or not Path(match[1]).is_file():
        raise NoAzureCli(f"{az} names no Python")
    return Path(match[1])
