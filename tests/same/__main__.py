"""Evaluate the same inputs with this tree and with an earlier commit, and compare: `make same OLD=COMMIT`.

Nothing here imports the package: both trees are asked through their command lines (`driver.py`).
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import msgspec

from tests.same.compare import Comparison, Names, Result, Wording, merged_ids, old_ids

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
KEPT = ROOT / ".same"
SAMPLE = {
    "sample": [],
    "sample-low": ["--fail-on", "low"],
    "sample-never": ["--fail-on", "never"],
    "sample-network": ["--only", "category:network", "--fail-on", "medium"],
    "sample-settings": ["--config", "settings.toml"],
}
SETTINGS = """[networks]
own = ["203.0.113.0/24", "198.51.100.0/25"]
[[intended]]
resource = "*"
endpoint = "web"
reason = "Websites are public"
"""


def git(*words: str) -> str:
    """Return what git prints."""
    return subprocess.run(["git", "-C", str(ROOT), *words], check=True, capture_output=True, text=True).stdout.strip()


def checked_out(name: str) -> tuple[Path, Path]:
    """Return the folder of a commit and the Python that runs it: this one where it has the same dependencies."""
    try:
        commit = git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")[:12]
    except subprocess.CalledProcessError:
        raise SystemExit(f"error: {name} is no commit of this repository\nhint: make same OLD=COMMIT") from None
    tree = KEPT / commit / "tree"
    if not (tree / "pyproject.toml").exists():
        shutil.rmtree(KEPT / commit, ignore_errors=True)
        git("worktree", "prune")
        git("worktree", "add", "--detach", "--force", str(tree), commit)
    if (tree / "requirements.lock").read_bytes() == (ROOT / "requirements.lock").read_bytes():
        return tree, Path(sys.executable)
    print(f"{commit} has other dependencies: they are installed into a virtual environment of its own", flush=True)
    subprocess.run(["make", "-C", str(tree), "setup"], check=True)
    return tree, tree / ".venv/bin/python"


def started(python: Path, *words: object) -> subprocess.Popen[bytes]:
    """Start a program without the paths of this one."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    return subprocess.Popen([str(python), *map(str, words)], env=environment, stdout=subprocess.DEVNULL)


def ended(*processes: subprocess.Popen[bytes]) -> None:
    """Wait for all of them; exit where one failed."""
    codes = [process.wait() for process in processes]
    if any(codes):
        raise SystemExit(f"error: this failed: {' '.join(map(str, processes[0].args))}")  # type: ignore[arg-type]


def demo(python: Path, tree: Path, out: Path) -> subprocess.Popen[bytes]:
    """Start the demo of a tree, in an empty folder."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    return started(python, HERE / "driver.py", tree, tree, out, "demo")


def inputs(source: str, recorded: str) -> Path:
    """Make the inputs by the helpers of a commit, once for each version of the programs that make them."""
    tree, python = checked_out(source)
    programs = b"".join((HERE / name).read_bytes() for name in ("inputs.py", "driver.py"))
    key = hashlib.sha256(programs).hexdigest()[:8]
    folder = tree.parent / f"inputs-{key}{'-recorded' if recorded else ''}"
    if (folder / "jobs.json").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    ended(demo(python, tree, tree.parent / "sample"))
    os.environ["TWOLOCKS_RECORDED"] = recorded
    process = started(python, HERE / "inputs.py", tree, folder, *([recorded] if recorded else []))
    if process.wait():
        raise SystemExit(f"error: no inputs by the helpers of {source}\nhint: make same OLD=COMMIT INPUTS=0e3411b8")
    shutil.copy(tree.parent / "sample/demo/snapshot.jsonl", folder / "sample.jsonl")
    (folder / "settings.toml").write_text(SETTINGS, "utf-8")
    jobs = json.loads((folder / "jobs.json").read_text("utf-8"))
    jobs += [{"name": name, "file": "sample.jsonl", "options": options} for name, options in SAMPLE.items()]
    (folder / "jobs.json").write_text(json.dumps(jobs), "utf-8")
    return folder


def evaluated(
    python: Path, tree: Path, folder: Path, out: Path, count: int, every: int = 1
) -> list[subprocess.Popen[bytes]]:
    """Start the evaluation of all inputs, or of every so many, by a tree, in so many processes."""
    return [started(python, HERE / "driver.py", tree, folder, out, number, count, every) for number in range(count)]


def exits(out: Path) -> dict[str, str]:
    """Read the exit code of each input."""
    return {key: code for path in out.glob("exits-*.json") for key, code in json.loads(path.read_text("utf-8")).items()}


def compared(names: Names, old: Path, new: Path, jobs: Sequence[str]) -> Result:
    """Compare the documents of some inputs."""
    comparison = Comparison(names)
    for name in jobs:
        files = [folder / f"{name}.json" for folder in (old, new)]
        there = [file.exists() for file in files]
        if all(there):
            comparison.documents(name, *(msgspec.json.decode(file.read_bytes()) for file in files))
        elif any(there):
            comparison.result.differ("document: only on one side", f"{name}: {'old' if there[0] else 'new'}")
    return comparison.result


def demos(names: Names, old: Path, new: Path) -> Result:
    """Compare what both trees collected of the sample estate, and what they found in it."""
    comparison = Comparison(names)
    result = comparison.result
    lines = []
    for out in (old, new):
        text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", (out / "demo/snapshot.jsonl").read_text("utf-8"))
        matches = (json.loads(line) for line in text.splitlines())
        # The digests of a chain depend on the port of the sandbox, which stands in the first line.
        bare = ({**line, "chain": ""} for line in matches if "snapshot" not in line and "end" not in line)
        lines.append(Counter(json.dumps(line, sort_keys=True) for line in bare))
    result.counts["collected lines"] += lines[0].total()
    for side, left in (("old", lines[0] - lines[1]), ("new", lines[1] - lines[0])):
        for line in left.elements():
            result.differ(f"collected: only in {side}", line)
    documents = [msgspec.json.decode((out / "demo/findings.json").read_bytes()) for out in (old, new)]
    for each in documents:
        each["scan"] |= {"cloud": "", "taken": ""}
    comparison.documents("demo", *documents)
    return result


def purpose() -> Names:
    """Read which rules were renamed, and what may differ."""
    document = tomllib.loads((HERE / "accepted.toml").read_text("utf-8"))
    command = [sys.executable, "-m", "scanner", "rules", "list", "--no-rule-packages", "--format", "json"]
    rules = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    return Names(old_ids(rules), frozenset(document["controls"]), frozenset(document["fields"]), merged_ids(rules))


def told(result: Result, wording: Wording) -> int:
    """Print what was compared and what differs; return the exit code."""
    for name, number in sorted(result.counts.items()):
        print(f"{number:>12,}  {name}")
    for kind, names in sorted(result.on_purpose.items()):
        print(f"{kind} changed on purpose: {len(names)} ({', '.join(sorted(names))})")
    for stale in wording.stale():
        print(f"stale in wording.toml: {stale}")
    for kind, number in result.kinds.most_common():
        print(f"\n{kind}: {number:,}")
        print("".join(f"    {example}\n" for example in result.examples[kind]), end="")
    print(f"differences: {result.kinds.total():,}")
    return 1 if result.kinds else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make same")
    parser.add_argument("old", metavar="OLD", help="the commit to compare with")
    parser.add_argument("--inputs", help="the commit whose tests make the inputs (default: OLD)")
    parser.add_argument("--recorded", default="", help="the folder of recorded resources")
    parser.add_argument("--every", type=int, default=1, help="compare every so many inputs only")
    parser.add_argument("--accept-wording", action="store_true", help="add new pairs of clauses to wording.toml")
    given = parser.parse_args()
    recorded = str(Path(given.recorded).resolve()) if given.recorded and Path(given.recorded).is_dir() else ""
    folder = inputs(given.inputs or given.old, recorded)
    tree, python = checked_out(given.old)
    of = f"-{given.every}" if given.every > 1 else ""
    old, new = tree.parent / f"documents-{folder.parent.name}-{folder.name}{of}", KEPT / f"new{of}"
    known = (old / "whole").exists()
    waiting = [demo(Path(sys.executable), ROOT, new), *([] if known else [demo(python, tree, old)])]
    ended(*waiting)
    if known:
        ended(*evaluated(Path(sys.executable), ROOT, folder, new, 2, given.every))
    else:
        ended(
            *evaluated(Path(sys.executable), ROOT, folder, new, 1, given.every),
            *evaluated(python, tree, folder, old, 1, given.every),
        )
        (old / "whole").touch()
    names, result, codes = purpose(), Result(), (exits(old), exits(new))
    for name, code in codes[0].items():
        result.counts["exit codes"] += 1
        result.counts[f"exit codes: {code}"] += 1
        if codes[1].get(name) != code:
            result.differ("exit code", f"{name}: {code} -> {codes[1].get(name)}")
    jobs = sorted(codes[0].keys() - {"demo"})
    with ProcessPoolExecutor(2) as pool:
        for each in pool.map(partial(compared, names, old, new), [jobs[::2], jobs[1::2]]):
            result.add(each)
    result.add(demos(names, old, new))
    wording, accept = Wording(HERE / "wording.toml"), given.accept_wording and not result.kinds
    if given.accept_wording and not accept:
        print("no wording was accepted, since more than wording differs")
    wording.check(result, accept=accept)
    if accept:
        wording.write()
    return told(result, wording)


if __name__ == "__main__":
    sys.exit(main())
