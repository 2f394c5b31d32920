"""Runs a whole script of `twolocks fix` in Bash with the real Azure CLI, against the recording stand-in.

    .venv/bin/twolocks fix findings.json --out fixes.sh
    .venv-az/bin/python tests/commands/recorded_script.py fixes.sh snapshot.jsonl findings.json

`az` is a small program that hands its words to this process, where the CLI is loaded once. Changes with an empty
variable are left out. A change that stops the script must be of a rule that `recorded.json` or `LACKING` lists, with
the reason why the stand-in cannot answer it; the script then goes on with `--from`, as it says.
"""

import collections
import contextlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.commands.recorded import signed_in

LACKING = {"machine-shared-credentials": "the command reads the instance view of a machine, which no snapshot keeps"}
"""Rules besides those of `recorded.json` whose commands need what the stand-in lacks, and why."""
SHIM = """#!{python} -SE
import os, socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.connect({address!r})
    line.sendall(b"\\0".join(map(os.fsencode, sys.argv[1:])))
    line.shutdown(socket.SHUT_WR)
    answer = b"".join(iter(lambda: line.recv(65536), b""))
code, out, err = answer.split(b"\\0")
sys.stdout.buffer.write(out)
sys.stderr.buffer.write(err)
sys.exit(int(code))
"""
STOPPED = re.compile(r"^Stopped in change (\d+) of (\d+): (.*)$", re.MULTILINE)
MADE = re.compile(r"Changes made: (\d+)|Run before it: (\d+) changes")


def answers(line: socket.socket, url: str) -> None:
    """Answer one `az` with exit code, standard output and standard error. The CLI does not wait between its polls."""
    from azure.cli.core import get_default_cli

    words = [os.fsdecode(each) for each in b"".join(iter(lambda: line.recv(65536), b"")).split(b"\0")]
    cli, out, err = get_default_cli(), io.StringIO(), io.StringIO()
    cli.cloud.endpoints.resource_manager = url
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = cli.invoke(words, out_file=out)
        except SystemExit as end:
            code = end.code
        except Exception as error:  # noqa: BLE001 - the CLI may raise anything
            code, err = 1, io.StringIO(f"{type(error).__name__}: {error}")
    line.sendall(
        b"\0".join(each.replace("\0", "").encode() for each in (str(code or 0), out.getvalue(), err.getvalue()))
    )


def bodies_of(snapshot: Path) -> dict[str, Any]:
    """Return the bodies of a snapshot by id."""
    lines = (json.loads(line) for line in snapshot.read_text("utf-8").splitlines())
    rows = [each.get("resource") or each.get("body") or each for each in lines if isinstance(each, dict)]
    return {row["id"]: row for row in rows if isinstance(row, dict) and str(row.get("id", "")).startswith("/subscr")}


def rules_of(script: str) -> dict[int, set[str]]:
    """Return the rules of each change, by its number."""
    parts = re.split(r"^# ---- (\d+) of \d+ ----$", script, flags=re.MULTILINE)
    return {
        int(n): set(re.findall(r"^# finding: .*, rule (\S+)$", text, re.MULTILINE))
        for n, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def run(script: Path, folder: Path, environment: dict[str, str]) -> tuple[int, dict[int, str]]:
    """Run a script to its end; return how many changes ran, and what stopped the others, by number."""
    start, made = 1, 0
    stopped: dict[int, str] = {}
    while True:
        words = ["bash", str(script), "--yes", "--skip-open", "--delete", "--from", str(start)]
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        made += sum(int(one or other) for one, other in MADE.findall(done.stdout + done.stderr))
        hit = STOPPED.search(done.stderr)
        if hit is None:
            return made, stopped if done.returncode == 0 else {**stopped, 0: done.stderr}
        stopped[int(hit[1])] = done.stderr[: hit.start()].strip()
        start = int(hit[1]) + 1
        if start > int(hit[2]):
            return made, stopped


def main(script: Path, snapshot: Path, findings: Path) -> int:
    known: dict[str, str] = json.loads((Path(__file__).parent / "recorded.json").read_text("utf-8"))
    listed = {*LACKING, *(key.rpartition(": ")[2] for key in known)}
    ids = {each["subscription"] for each in json.loads(findings.read_bytes())["coverage"]["scopes"]}
    with signed_in(ids) as (folder, arm, url):
        arm.load(bodies_of(snapshot))
        sleep = time.sleep
        time.sleep = lambda seconds: sleep(min(float(seconds), 0.001))
        address = str(folder / "az.socket")
        (folder / "bin").mkdir()
        az = folder / "bin" / "az"
        az.write_text(SHIM.format(python=sys.executable, address=address), "utf-8")
        az.chmod(0o755)
        result: list[tuple[int, dict[int, str]]] = []
        environment = {**os.environ, "PATH": f"{az.parent}:{os.environ['PATH']}"}
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(address)
            door.listen()
            door.settimeout(0.5)
            runner = threading.Thread(target=lambda: result.append(run(script.resolve(), folder, environment)))
            runner.start()
            while runner.is_alive():
                with contextlib.suppress(TimeoutError), door.accept()[0] as line:
                    line.settimeout(None)
                    answers(line, url)
    made, stopped = result[0]
    rules = rules_of(script.read_text("utf-8"))
    wrong = {number: text for number, text in stopped.items() if not rules.get(number, set()) & listed}
    for number, text in wrong.items():
        print(f"change {number}, {sorted(rules.get(number, ()))}\n  {text[-1200:]}\n")
    methods = collections.Counter(each.split(" ", 1)[0] for each in arm.seen)
    print(
        f"{made} changes ran, {len(stopped) - len(wrong)} stopped as listed, {len(wrong)} stopped; "
        f"sent: {dict(methods)}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:4])))
