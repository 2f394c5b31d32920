"""The file of `--record`: whole or not there, for its owner alone, without secrets; and recordings without secrets."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from scanner.azure.pipeline import RecordFile
from scanner.errors import InputError
from scanner.model.masked_values import masked_value
from scanner.sandbox.server import Sandbox
from tests.azure.test_pipeline import API, LIST, ROW, listed

SIGNED = f"{LIST}?api-version={API}&$skiptoken=page2&sv=2022-11-02&sig=4b1Qz0canaryCANARY1234%3D"
JWT = f"{LIST}?api-version={API}&$skiptoken=eyJhbGciOiJub25lIn0.eyJjYW5hcnkiOiJjYW5hcnkifQ.canary"
KILLED = """
import os, sys
from pathlib import Path
from scanner.azure.pipeline import RecordFile
record = RecordFile(Path(sys.argv[1]))
for number in range(10_000):
    record.add("GET", f"/subscriptions?{number}", 200, 1.0)
os.kill(os.getpid(), 9)
"""


def paths(path: Path) -> list[str]:
    return [json.loads(line)["path"] for line in path.read_text("utf-8").splitlines()]


def test_a_record_is_whole_or_not_there_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    record = RecordFile(path)
    record.add("GET", "/subscriptions?api-version=1", 200, 12.34)
    assert not path.exists()
    record.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    more = RecordFile(path, append=True)
    more.add("GET", "/tenants?api-version=1", 200, 1.0)
    assert paths(path) == ["/subscriptions?api-version=1"]
    more.close()
    assert paths(path) == ["/subscriptions?api-version=1", "/tenants?api-version=1"]
    RecordFile(path).close()
    assert (path.read_bytes(), [each.name for each in tmp_path.iterdir()]) == (b"", ["record.jsonl"])


def test_a_kill_leaves_the_earlier_record(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    path.write_text('{"path": "/earlier"}\n')
    here = {"PYTHONPATH": str(Path(__file__).parents[2])}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], env=here, check=False, timeout=60)
    assert killed.returncode == -9
    assert paths(path) == ["/earlier"]
    RecordFile(path).close()
    assert [each.name for each in tmp_path.iterdir()] == ["record.jsonl"], "the part that was left is removed"


def test_a_record_that_cannot_be_appended_to_leaves_no_part(tmp_path: Path) -> None:
    (tmp_path / "record.jsonl").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        RecordFile(tmp_path / "record.jsonl", append=True)
    assert [each.name for each in tmp_path.iterdir()] == ["record.jsonl"]


@pytest.mark.parametrize("path", [SIGNED, JWT])
def test_a_record_holds_no_secret_of_a_link(tmp_path: Path, path: str) -> None:
    record = RecordFile(tmp_path / "record.jsonl")
    record.add("GET", path, 200, 1.0)
    record.close()
    text = (tmp_path / "record.jsonl").read_text()
    assert "***" in text
    assert "canary" not in text.lower()


@pytest.mark.parametrize("link", [SIGNED, JWT])
def test_a_recording_without_its_secrets_replays(link: str) -> None:
    """A link is masked where it is answered and where it was asked for, in the same way."""
    first = {"method": "GET", "url": f"{LIST}?api-version={API}", "status": 200}
    exchanges = [
        {**first, "body": {"value": [], "nextLink": f"https://management.azure.com{link}"}},
        {"method": "GET", "url": link, "status": 200, "body": {"value": [ROW]}},
    ]
    assert listed(Sandbox.from_exchanges(exchanges)) == [ROW]
    masked = [masked_value(each) for each in exchanges]
    assert "canary" not in json.dumps(masked).lower()
    assert listed(Sandbox.from_exchanges(masked)) == [ROW]
