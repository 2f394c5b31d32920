"""The borders of the design are lint rules; these tests hold the rules."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
VOCABULARY = {"addresses", "exposure", "index", "reach", "resource", "rule", "verdict"}

REFUSED = [
    ("scanner/evaluate.py", "from azure.identity import DefaultAzureCredential"),
    ("scanner/evaluate.py", "import aiohttp"),
    ("scanner/evaluate.py", "import sqlalchemy"),
    ("scanner/scan.py", "from sqlalchemy import select"),
    ("scanner/scan.py", "from alembic import command"),
    ("scanner/azure/pipeline.py", "import psycopg"),
    ("scanner/history/store.py", "import azure.core"),
    ("scanner/scan.py", "import smtplib"),
    ("scanner/scan.py", "from http.client import HTTPSConnection"),
    ("scanner/scan.py", "import requests"),
    ("scanner/history/store.py", "import smtplib"),
    ("scanner/azure/arm.py", "import http.client"),
    ("scanner/notify/web.py", "import aiohttp"),
    ("scanner/notify/web.py", "import requests"),
    ("scanner/notify/tell.py", "from sqlalchemy import select"),
    ("rules/storage.py", "import smtplib"),
    ("rules/storage.py", "from scanner.notify import web"),
    ("scanner/report/html.py", "import azure.core"),
    ("scanner/sandbox/server.py", "from azure.core import PipelineClient"),
    ("scanner/azure/pipeline.py", "from scanner.cli import main"),
    ("rules/storage.py", "import aiohttp"),
    ("rules/storage.py", "from azure.core import PipelineClient"),
    ("rules/storage.py", "from scanner.evaluate import evaluate"),
    ("rules/storage.py", "from scanner import snapshot"),
    ("rules/storage.py", "import subprocess"),
    ("tests/test_scan.py", "from unittest.mock import patch"),
]
ALLOWED = [
    ("scanner/azure/pipeline.py", "from azure.core import PipelineClient"),
    ("scanner/azure/pipeline.py", "import aiohttp"),
    ("scanner/history/store.py", "from sqlalchemy import select"),
    ("scanner/notify/mail.py", "import smtplib"),
    ("scanner/notify/web.py", "from http.client import HTTPSConnection"),
    ("scanner/sandbox/server.py", "from aiohttp import web"),
    ("rules/storage.py", "from scanner.rule import Kind"),
    ("rules/storage.py", "from scanner.reach.firewall import firewall"),
]


def banned(path: str, line: str) -> bool:
    """Does ruff, with this project's settings, refuse the line in a file at that path?"""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--select", "TID251", "--no-cache", "--stdin-filename", path, "-"],
        input=line + "\n", capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    return "TID251" in done.stdout


@pytest.mark.parametrize(("path", "line"), REFUSED)
def test_refused(path: str, line: str) -> None:
    assert banned(path, line)


@pytest.mark.parametrize(("path", "line"), ALLOWED)
def test_allowed(path: str, line: str) -> None:
    assert not banned(path, line)


def test_rules_may_import_nothing_of_the_scanner_but_the_vocabulary() -> None:
    settings = tomllib.loads((ROOT / "rules" / "ruff.toml").read_text())
    named = set(settings["lint"]["flake8-tidy-imports"]["banned-api"])
    modules = {path.stem for path in (ROOT / "scanner").iterdir() if path.suffix == ".py" or path.is_dir()}
    others = {name for name in modules if not name.startswith("__")} - VOCABULARY
    banned_here = {name.removeprefix("scanner.") for name in named if name.startswith("scanner.")}
    assert not others - banned_here, "rules/ruff.toml must ban these, or VOCABULARY must name them"
