"""The borders in `.importlinter` refuse what they are written to refuse."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINT = Path(sys.executable).with_name("lint-imports")

REFUSED = [
    ("scanner/evaluate/run.py", "from azure.identity import DefaultAzureCredential", "azure"),
    ("scanner/sandbox/server.py", "from azure.core import PipelineClient", "azure"),
    ("rules/storage.py", "from azure.core import PipelineClient", "azure"),
    ("scanner/evaluate/run.py", "import aiohttp", "sockets"),
    ("scanner/notify/http_post.py", "import aiohttp", "sockets"),
    ("scanner/scan/pipeline.py", "from sqlalchemy import select", "databases"),
    ("scanner/azure/pipeline.py", "import psycopg", "databases"),
    ("scanner/output/targets.py", "import duckdb", "parquet"),
    ("scanner/scan/pipeline.py", "import smtplib", "notices"),
    ("scanner/scan/pipeline.py", "from http.client import HTTPSConnection", "notices"),
    ("scanner/scan/pipeline.py", "import requests", "notices"),
    ("rules/storage.py", "import subprocess", "pure"),
    ("scanner/reach/nsg.py", "import time", "pure"),
    ("rules/storage.py", "from scanner.evaluate import run", "layers"),
    ("rules/storage.py", "from scanner import snapshot", "layers"),
    ("scanner/azure/pipeline.py", "from scanner.cli.app import main", "layers"),
    ("scanner/model/ids.py", "from scanner.model import resource", "cycles"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the borders are about, in a folder of their own."""
    folder = tmp_path_factory.mktemp("borders")
    for name in ("scanner", "rules"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", folder)
    return folder


def linted(folder: Path, *contract: str) -> subprocess.CompletedProcess[str]:
    words = [str(LINT), "--no-logo", "--no-cache", *(word for each in contract for word in ("--contract", each))]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def test_the_code_keeps_its_borders(copy: Path) -> None:
    done = linted(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("path", "line", "contract"), REFUSED)
def test_refused(copy: Path, path: str, line: str, contract: str) -> None:
    file = copy / path
    text = file.read_text("utf-8")
    file.write_text(f"{text}\n{line}\n", "utf-8")
    try:
        done = linted(copy, contract)
    finally:
        file.write_text(text, "utf-8")
    assert done.returncode == 1, done.stdout
    assert "BROKEN" in done.stdout
