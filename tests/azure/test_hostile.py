"""Answers of a hostile ARM: each is a gap that says why, never a pass, never the end of the scan."""

import subprocess
import sys
from pathlib import Path

import pytest

from scanner.azure.answers import decode, is_deep
from scanner.azure.errors import ReadError
from tests.azure.hostile import BEHAVIOURS, FINE, LIST, answered

LIMITS = {
    "endless links": "50 pages of one list (raise limits.list-pages)",
    "link of a megabyte": "32 kB of a link to the next page",
    "gzip bomb": "32 MB of one answer (raise limits.answer-size)",
    "deflate bomb": "32 MB of one answer (raise limits.answer-size)",
    "more bytes than the limit": "32 MB of one answer (raise limits.answer-size)",
    "more values than the limit": "500,000 values of one answer (raise limits.answer-values)",
    "deep arrays": "100 levels of JSON (raise limits.answer-depth)",
    "nesting beyond the limit": "100 levels of JSON (raise limits.answer-depth)",
}


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_a_hostile_answer_is_a_gap(name: str) -> None:
    result = answered(BEHAVIOURS[name])
    assert LIST not in result.reads
    code = result.gaps[LIST]["code"]
    assert code
    assert code.isprintable()
    if name in LIMITS:
        assert code == f"limit: {LIMITS[name]}"


@pytest.mark.parametrize("name", FINE)
def test_an_ordinary_answer_is_read(name: str) -> None:
    result = answered(FINE[name])
    assert LIST not in result.gaps
    assert result.reads[LIST] == (1300 if "12 MB" in name else 1)


def test_memory_stays_below_500_mb() -> None:
    names = [name for name in LIMITS if name != "endless links"]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "tests.azure.hostile", *names], cwd=root, check=True, capture_output=True, text=True
    )
    assert max(int(line.split("\t")[2].split()[0]) for line in done.stdout.splitlines()[:-1]) < 500


@pytest.mark.parametrize(("levels", "deep"), [(1, False), (100, False), (101, True), (102, True)])
def test_depth_is_counted_in_levels(levels: int, deep: bool) -> None:
    body = b'{"a":' * levels + b'"[{"' + b"}" * levels
    if deep:
        with pytest.raises(ReadError, match="100 levels"):
            decode(body, "/x")
    else:
        assert not is_deep(decode(body, "/x"))
