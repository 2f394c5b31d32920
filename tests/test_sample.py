"""docs/sample/report.html: the demo at a fixed time, written again when its inputs change."""

import json
import shutil
from pathlib import Path

import pytest

from docs import sample

ROOT = Path(__file__).parent.parent


def test_a_changed_input_makes_it_old(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(ROOT / "templates", tmp_path / "templates")
    report = tmp_path / sample.REPORT
    report.parent.mkdir(parents=True)
    report.write_bytes(b"<html></html>\n" + sample.end(tmp_path))
    assert (sample.main(["--check"], tmp_path), capsys.readouterr().err) == (0, "")
    input = next((tmp_path / "templates").rglob("*.css"))
    input.write_text(input.read_text("utf-8") + " ", "utf-8")
    assert sample.main(["--check"], tmp_path) == 1
    assert "docs/sample/report.html: old; run `make docs`" in capsys.readouterr().err


def test_the_time_and_port_of_a_run_are_not_in_it() -> None:
    scan = {"id": "ff", "started": "now", "finished": "now", "taken": "now", "cloud": "127.0.0.1:4711", "reads": 1}
    document = '{\n"scan": %s,\n"rules": {"cloud": "x"}\n}\n'
    made = json.loads(sample.at_fixed_time(document % json.dumps(scan)))
    assert made == {"scan": {**scan, **sample.FIXED}, "rules": {"cloud": "x"}}
