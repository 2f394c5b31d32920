"""Run the command line of a tree over many inputs: `python driver.py TREE INPUTS OUT PART PARTS EVERY`, or `... demo`.

The entry is `[project.scripts]` of TREE, so that modules may have any name. Each document goes to OUT, exit codes to
`exits-PART.json`.
"""

import contextlib
import io
import json
import os
import sys
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

STOPPED = ("130", "143")
"""Exit codes of a scan that a signal stopped; the driver ends with it."""


def entry(tree: Path) -> Callable[[list[str]], Any]:
    """Import the function behind the `twolocks` script of a tree; exit where Python found it elsewhere."""
    sys.path[0] = str(tree)
    scripts = tomllib.loads((tree / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    name, _, function = scripts["twolocks"].partition(":")
    module = import_module(name)
    if not Path(module.__file__ or "").resolve().is_relative_to(tree.resolve()):
        raise SystemExit(f"error: {name} was imported from {module.__file__}, not from {tree}")
    return getattr(module, function)  # type: ignore[no-any-return]


def called(main: Callable[[list[str]], Any], arguments: list[str]) -> str:
    """Return the exit code, or what was raised instead."""
    try:
        main(arguments)
    except SystemExit as end:
        return str(end.code or 0)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is compared
        return f"raised {type(error).__name__}"
    return "0"


def off(main: Callable[[list[str]], Any]) -> list[str]:
    """Return the rules that are off unless they are named, since they cost many requests."""
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8")) as out:
        called(main, ["rules", "list", "--format", "json"])
        out.flush()
        text = out.buffer.getvalue().decode()
    return [each["id"] for each in json.loads(text) if each["costly"] or each.get("costly-types")]


def run(tree: Path, inputs: Path, out: Path, number: int, count: int, every: int) -> None:
    """Evaluate every input of this part."""
    main, exits = entry(tree), {}
    costly = [word for id in off(main) for word in ("--only", id)]
    for job in json.loads((inputs / "jobs.json").read_text("utf-8"))[::every][number::count]:
        options = [str(inputs / each) if each.endswith(".toml") else each for each in job["options"]]
        document = out / f"{job['name']}.json"
        document.unlink(missing_ok=True)
        words = ["scan", "--from", str(inputs / job["file"]), "--accept-version-1", "--out", str(document), *options]
        words += costly if "*" in options else []
        exits[job["name"]] = code = called(main, words)
        if code in STOPPED:
            raise SystemExit(int(code))
    (out / f"exits-{number}.json").write_text(json.dumps(exits), "utf-8")


if __name__ == "__main__":
    for variable in [each for each in os.environ if each.startswith(("TWOLOCKS_", "AZURE_", "ARM_"))]:
        del os.environ[variable]
    tree, inputs, out = (Path(each).resolve() for each in sys.argv[1:4])
    os.chdir(out)
    with contextlib.redirect_stderr((out / f"log-{sys.argv[4]}").open("w", encoding="utf-8")):
        if sys.argv[4] == "demo":
            code = called(entry(tree), ["demo", "--dir", str(out / "demo")])
            (out / "exits-demo.json").write_text(json.dumps({"demo": code}), "utf-8")
        else:
            run(tree, inputs, out, *map(int, sys.argv[4:7]))
