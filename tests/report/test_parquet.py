"""Parquet: read again by DuckDB, it has each row of the document with its types, and every text as it is."""

import errno
import io
import os
import random
import re
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import duckdb
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scanner.document.schema import Document, decode_document
from scanner.evaluate.counts import count
from scanner.history.compare import compare
from scanner.history.observation import ScanCoverage, bundle_of, observe
from scanner.report.sheets import parquet
from scanner.report.sheets.parquet import write_parquet
from scanner.report.sheets.parquet_rows import COLUMNS, rows, time
from tests.report import sample
from tests.report.parquet_file import Row, parquet_rows
from tests.report.sample import HOSTILE
from tests.terminals import account, snapshot, twolocks


def written(document: Document) -> bytes:
    out = io.BytesIO()
    write_parquet(document, out)
    return out.getvalue()


@pytest.fixture(scope="module")
def table() -> tuple[Document, list[Row]]:
    """A document of an invented estate with a history, and its rows."""
    document = sample.typed(sample.with_history())
    return document, parquet_rows(written(document))


def of(matches: list[Row], record: str) -> list[Row]:
    return [row for row in matches if row["record"] == record]


def test_a_row_for_each_exposure_finding_resource_and_failed_read(table: tuple[Document, list[Row]]) -> None:
    document, matches = table
    assert [row["fingerprint"] for row in of(matches, "exposure")] == [row.fingerprint for row in document.exposures]
    assert [row["fingerprint"] for row in of(matches, "finding")] == [row.fingerprint for row in document.findings]
    assert [row["resource"] for row in of(matches, "resource")] == list(document.resources)
    assert [row["resource"] for row in of(matches, "gap")] == [row.url for row in document.gaps] != []
    scopes = {scope.subscription.lower(): scope.view for scope in document.coverage.scopes}
    assert {row["subscription"]: row["view"] for row in of(matches, "subscription")} == scopes
    (last,) = of(matches, "scan")
    assert last == matches[-1]
    assert (last["complete"], last["subscriptions"]) == (document.scan.complete, list(scopes))
    assert last["rules"] == list(document.rules)
    assert {(row["scan"], row["tool"], row["taken"]) for row in matches} == {
        (document.scan.id, document.scan.tool, datetime.fromisoformat(document.scan.taken))
    }


def test_the_columns_have_their_types(table: tuple[Document, list[Row]], tmp_path: Path) -> None:
    file = tmp_path / "f.parquet"
    file.write_bytes(written(table[0]))
    with duckdb.connect() as database:
        matches = database.execute("DESCRIBE FROM read_parquet(?)", [str(file)]).fetchall()
    types = {name: kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ") for name, kind, *_ in matches}
    assert types == COLUMNS
    assert list(types) == list(COLUMNS)


def test_the_page_about_formats_describes_each_column() -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text("utf-8")
    table = page.partition("\n## Parquet\n")[2].partition("\n## ")[0]
    heads = re.findall(r"^\| (`.*?`) \| ", table, re.MULTILINE)
    assert sorted(name for head in heads for name in re.findall(r"`(\w+)`", head)) == sorted(COLUMNS)


def test_cells_are_those_of_the_document(table: tuple[Document, list[Row]]) -> None:
    document, matches = table
    for exposure, row in zip(document.exposures, of(matches, "exposure"), strict=True):
        assert (row["status"], row["severity"], row["worst"]) == (exposure.state, exposure.severity, exposure.worst)
        assert (row["endpoint"], row["reach"], row["message"]) == (exposure.endpoint, exposure.reach, exposure.reason)
        assert row["new"] == (exposure.new if isinstance(exposure.new, bool) else None)
    for finding, row in zip(document.findings, of(matches, "finding"), strict=True):
        assert (row["rule"], row["status"], row["message"]) == (finding.rule, finding.status, finding.message)
        assert (row["worst"], row["endpoints"], row["gaps"]) == (finding.severity, finding.endpoints, finding.gaps)
        since = finding.since if isinstance(finding.since, str) else None
        assert row["since"] == (datetime.fromisoformat(since) if since else None)
        expires = finding.waiver.expires if finding.waiver else ""
        assert row["waiver_expires"] == (date.fromisoformat(expires) if expires else None)
    for id, row in zip(document.resources, of(matches, "resource"), strict=True):
        assert row["tags"] == document.resources[id].tags
        assert (row["passed"], set(row["not_applicable"])) == (
            document.passed.get(id, []),
            set(document.not_applicable.get(id, ())),
        )


def test_what_is_inconclusive_is_never_closed_and_says_why(table: tuple[Document, list[Row]]) -> None:
    document, matches = table
    for row in matches:
        if row["status"] in ("unknown", "error"):
            assert row["outcome"] == "inconclusive"
            assert row["cause"] in ("missing permission", "failed read", "no value", "rule crashed")
    numbers = count(document).numbers()
    causes = [row["cause"] for row in of(matches, "finding") if row["status"] == "unknown"]
    assert causes.count("missing permission") == numbers.inconclusive.missing_permission
    assert len(causes) == numbers.inconclusive.total > 0


def test_the_outcome_of_a_row_is_what_a_comparison_makes_of_it(table: tuple[Document, list[Row]]) -> None:
    document, matches = table
    seen = observe(document, {})
    right: dict[tuple[str, str], str] = {key: item.state for key, item in seen.items.items()}
    right |= {key: "inconclusive" if uncertain else "closed" for key, uncertain in seen.closed.items()}
    right |= dict.fromkeys(seen.inconclusive, "inconclusive")
    rows = [row for row in matches if row["outcome"]]
    assert {(row["record"], row["fingerprint"]): row["outcome"] for row in rows} == right
    is_counted = {key: item.is_counted for key, item in seen.items.items()}
    assert all(row["counted"] == is_counted.get((row["record"], row["fingerprint"]), row["counted"]) for row in rows)


def test_a_resource_says_whether_something_unread_may_hide_an_endpoint(table: tuple[Document, list[Row]]) -> None:
    document, matches = table
    known = observe(document, {}).items
    exposures = {key: item for key, item in known.items() if item.kind == "exposure"}
    # A scan in which none of the endpoints is seen: those of certain resources are fixed.
    later = msgspec.structs.replace(document, exposures=[row for row in document.exposures if row.state == "unknown"])
    now = observe(later, known)
    types = {row["type"].lower() for row in of(matches, "exposure")}
    subscriptions = {scope.subscription.lower() for scope in document.coverage.scopes}
    changes = compare(exposures, now, ScanCoverage(subscriptions, set(), types), lambda *_: True)
    unread = {row["bundle"]: row["unread"] for row in of(list(rows(later)), "resource")}
    fixed = {each.item.key for each in changes.changed if each.kind.name == "fixed"}
    inconclusive = {("exposure", row.fingerprint) for row in later.exposures}
    mine = {key for key, item in exposures.items() if not unread[bundle_of(item.resource)]} - inconclusive
    assert mine == fixed
    assert 0 < len(fixed) < len(exposures)


def test_the_same_document_gives_the_same_bytes(table: tuple[Document, list[Row]]) -> None:
    assert written(table[0]) == written(table[0])


@settings(max_examples=6, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=40, max_size=60))
@example(
    [
        "nul\x00",
        '"; DROP TABLE x; --',
        "line\r\nbreak\u2028",
        "\\u0000\\",
        "{'a': 1}",
        "",
        " ",
        "\ufffe\uffff",
        "😀",
        *HOSTILE,
    ]
)
def test_every_text_is_read_as_it_was_written(texts: list[str]) -> None:
    document = sample.typed(sample.document(2))
    row, id = document.findings[0], document.findings[0].resource
    document.findings = [
        msgspec.structs.replace(row, message=text, title=f"{text}!", endpoints=[text, "x"]) for text in texts
    ]
    tags = {text: f"{text}?" for text in texts}
    document.resources = {id: msgspec.structs.replace(document.resources[id], name=texts[0], tags=tags)}
    matches = parquet_rows(written(document))
    cells = [(row["message"], row["title"], row["endpoints"]) for row in of(matches, "finding")]
    assert cells == [(text, f"{text}!", [text, "x"]) for text in texts]
    assert of(matches, "resource")[0]["tags"] == tags


def test_unpaired_surrogates_are_written_out() -> None:
    document = sample.typed(sample.document(2))
    document.findings = [msgspec.structs.replace(document.findings[0], message="a\ud800b", endpoints=["\udfff"])]
    result = of(parquet_rows(written(document)), "finding")[0]
    assert (result["message"], result["endpoints"]) == ("a[U+D800]b", ["[U+DFFF]"])


def test_a_row_larger_than_duckdb_takes_by_itself() -> None:
    document = sample.typed(sample.document(2))
    text = "x" * (17 << 20)
    document.findings = [msgspec.structs.replace(document.findings[0], message=text)]
    assert of(parquet_rows(written(document)), "finding")[0]["message"] == text


def test_many_large_rows_fit_into_the_memory_of_duckdb() -> None:
    document, draw = sample.typed(sample.document(2)), random.Random(1)
    texts = [draw.randbytes(400_000).hex() for _ in range(150)]
    document.findings = [msgspec.structs.replace(document.findings[0], message=text) for text in texts]
    assert [row["message"] for row in of(parquet_rows(written(document)), "finding")] == texts


def test_a_time_is_one_of_duckdb() -> None:
    assert time("2026-11-25T02:00:00Z") == "2026-11-25 02:00:00+00:00"
    assert time("") is None


# DuckDB itself


def test_duckdb_uses_its_folder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", None)
    written(sample.typed(sample.document(5)))
    assert list(tmp_path.iterdir()) == []


def test_json_and_parquet_are_built_in() -> None:
    with duckdb.connect() as database:
        matches = database.execute(
            "SELECT extension_name, install_mode FROM duckdb_extensions() WHERE loaded ORDER BY 1"
        ).fetchall()
    assert {("json", "STATICALLY_LINKED"), ("parquet", "STATICALLY_LINKED")} <= set(matches)


def test_without_memory_the_file_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MEMORY_MB", 1)
    with pytest.raises(OSError, match="DuckDB") as caught:
        written(sample.typed(sample.document(5)))
    assert caught.value.errno == errno.ENOMEM


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    snapshot(tmp_path / "s.jsonl", *[account(f"st{number:03}") for number in range(40)])
    assert twolocks("scan", "--from", tmp_path / "s.jsonl", "--out", tmp_path / "f.json").code in (0, 1, 3)
    (tmp_path / "f.parquet").write_text("before")
    code = """
import resource, signal, sys
from scanner.cli.app import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
sys.argv = ["twolocks", "report", "f.json", "--out", "f.parquet"]
main()
"""
    ran = python(code, tmp_path)
    assert (ran.returncode, (tmp_path / "f.parquet").read_text()) == (2, "before"), ran.stderr
    assert "f.parquet cannot be written" in ran.stderr
    assert "the old one is unchanged" in ran.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.json", "f.parquet", "s.jsonl"]


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(Path.cwd()), "TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=folder, capture_output=True, text=True, check=False
    )


# Without the extra


@pytest.mark.parametrize("words", [("report", "f.json"), ("scan", "--from", "missing.jsonl"), ("scan",)])
def test_without_duckdb_nothing_is_read(words: tuple[str, ...], tmp_path: Path) -> None:
    code = (
        "import sys\nsys.modules['duckdb'] = None\nfrom scanner.cli.app import main\n"
        f"sys.argv = ['twolocks', *{words!r}, '--out', 'f.parquet']\nmain()\n"
    )
    ran = python(code, tmp_path)
    assert ran.returncode == 2
    assert ".parquet needs duckdb, which is not installed; nothing was read" in ran.stderr
    assert "hint: pip install 'twolocks[parquet]'" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_duckdb_is_imported_only_for_a_parquet_file(tmp_path: Path) -> None:
    snapshot(tmp_path / "s.jsonl", account("st"))
    code = (
        "import sys\nfrom scanner.cli.app import main\n"
        "sys.argv = 'twolocks scan --from s.jsonl --out f.json --out f.csv --fail-on never'.split()\n"
        "try:\n    main()\nfinally:\n    print('duckdb' in sys.modules)\n"
    )
    assert python(code, tmp_path).stdout.splitlines()[-1] == "False"


def test_a_scan_writes_it(tmp_path: Path) -> None:
    snapshot(tmp_path / "s.jsonl", account("st"))
    outs = ("--out", tmp_path / "f.json", "--out", tmp_path / "f.parquet")
    ended = twolocks("scan", "--from", tmp_path / "s.jsonl", *outs, "--fail-on", "never")
    assert ended.code in (0, 3), ended.err
    document = decode_document((tmp_path / "f.json").read_bytes())
    assert (tmp_path / "f.parquet").read_bytes() == written(document)
    assert (tmp_path / "f.parquet").stat().st_mode & 0o777 == 0o600
    ended = twolocks("report", tmp_path / "f.json", "--format", "parquet", "--out", tmp_path / "named")
    assert (ended.code, (tmp_path / "named").read_bytes()) == (0, written(document))
