"""The borders in `.importlinter` refuse what they are written to refuse."""

import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINT = Path(sys.executable).with_name("lint-imports")

REFUSED = [
    (
        "scanner/evaluate/run.py",
        "from azure.identity import DefaultAzureCredential",
        "azure",
        "scanner.evaluate.run -> azure (l.",
    ),
    (
        "scanner/sandbox/server.py",
        "from azure.core import PipelineClient",
        "azure",
        "scanner.sandbox.server -> azure (l.",
    ),
    ("rules/storage.py", "from azure.core import PipelineClient", "azure", "rules.storage -> azure (l."),
    ("scanner/evaluate/run.py", "import aiohttp", "sockets", "scanner.evaluate.run -> aiohttp (l."),
    ("scanner/notify/http_post.py", "import aiohttp", "sockets", "scanner.notify.http_post -> aiohttp (l."),
    (
        "scanner/scan/pipeline.py",
        "from sqlalchemy import select",
        "databases",
        "scanner.scan.pipeline -> sqlalchemy (l.",
    ),
    ("scanner/azure/pipeline.py", "import psycopg", "databases", "scanner.azure.pipeline -> psycopg (l."),
    ("scanner/output/targets.py", "import duckdb", "parquet", "scanner.output.targets -> duckdb (l."),
    ("scanner/scan/pipeline.py", "import smtplib", "notices", "scanner.scan.pipeline -> smtplib (l."),
    (
        "scanner/scan/pipeline.py",
        "from http.client import HTTPSConnection",
        "notices",
        "scanner.scan.pipeline -> http (l.",
    ),
    ("scanner/scan/pipeline.py", "import requests", "notices", "scanner.scan.pipeline -> requests (l."),
    ("rules/storage.py", "import subprocess", "pure", "rules.storage -> subprocess (l."),
    ("scanner/reach/rules/nsg.py", "import time", "pure", "scanner.reach.rules.nsg -> time (l."),
    ("rules/storage.py", "from scanner.evaluate import run", "layers", "rules.storage -> scanner.evaluate.run (l."),
    ("rules/storage.py", "from scanner import snapshot", "layers", "rules.storage -> scanner.snapshot (l."),
    (
        "scanner/azure/pipeline.py",
        "from scanner.cli.app import main",
        "layers",
        "scanner.azure.pipeline -> scanner.cli.app (l.",
    ),
    ("scanner/model/ids.py", "from scanner.model import resource", "cycles", ".resource -> .ids (1 import)"),
]
"""A file, what is added to it, the border that refuses it, and how it is named there."""


BROKEN_NAME = re.compile(r"^(.+)\n-+\n", re.MULTILINE)


def linted(folder: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(
        [LINT, "--no-logo", "--no-cache"], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the borders are about, in a folder of their own."""
    folder = tmp_path_factory.mktemp("borders")
    for name in ("scanner", "rules"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", folder)
    return folder


def test_the_code_keeps_its_borders(copy: Path) -> None:
    done = linted(copy)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def broken(copy: Path) -> dict[str, str]:
    """What is said of each border that does not hold, by its name, where a file has each of the lines."""
    for path, line, *_ in REFUSED:
        with (copy / path).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    done = linted(copy)
    assert done.returncode == 1
    _, *stated = BROKEN_NAME.split(done.stdout.partition("Broken contracts")[2])
    return dict(zip(stated[::2], stated[1::2], strict=True))


@pytest.mark.parametrize(("path", "line", "contract", "named"), REFUSED)
def test_refused(broken: dict[str, str], path: str, line: str, contract: str, named: str) -> None:
    borders = ConfigParser()
    borders.read(ROOT / ".importlinter", "utf-8")
    text = broken[borders[f"importlinter:contract:{contract}"]["name"]]
    assert f"- {named}" in re.sub(" +", " ", text)
