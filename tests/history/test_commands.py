"""`twolocks history ...`, end to end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from scanner.history.database import revisions
from scanner.history.store import History
from tests.history.runs import OTHER, SUB, comparison_of, item, scan, taken
from tests.history.server import LOCKED_OUT, Server
from tests.terminals import twolocks

DB = "history.db"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def runs() -> None:
    """Three nights: one opens, one is fixed, one gets worse, one is not seen."""
    with History.open(DB) as history:
        history.record(scan(1, count=3), comparison_of(1, [item(2, 1), item(3, 1), item(4, 1)]))
        history.record(scan(2, count=3), comparison_of(2, [item(2, 2), item(5, 2), item(4, 2)]))
        worse = item(2, 3, severity="critical", reach="internet", authentication="anonymous")
        history.record(scan(3, SUB, OTHER, count=2), comparison_of(3, [worse, item(5, 3)], closed=False))


@pytest.mark.usefixtures("runs")
def test_list() -> None:
    ended = twolocks("history", "list", "--history", DB)
    assert ended.code == 0
    assert ended.out.splitlines() == [
        f"1\t{taken(1)}\t3 high\tcomplete\t1 subscription\tscan000000000001\tall",
        f"2\t{taken(2)}\t3 high\tcomplete\t1 subscription\tscan000000000002\tall",
        f"3\t{taken(3)}\t2 high\tcomplete\t2 subscriptions\tscan000000000003\tall",
    ]
    assert ended.err == "3 scans. Details: twolocks history show NUMBER\n"


@pytest.mark.usefixtures("runs")
def test_list_as_json() -> None:
    document = json.loads(twolocks("history", "list", "--history", DB, "--format", "json").out)
    assert document[0] == {
        "number": 1,
        "id": "scan000000000001",
        "taken": taken(1),
        "started": taken(1),
        "finished": taken(1),
        "tool": "twolocks 0.1.0",
        "selection": "all",
        "subscriptions": [SUB],
        "complete": True,
        "confirmed": False,
        "standing": {"critical": 0, "high": 3, "medium": 0, "low": 0, "info": 0},
        "undecided": 0,
        "unknown": 0,
    }


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_list_fits_the_terminal_and_loses_nothing(columns: int) -> None:
    """At 80 columns the lines were wider than the terminal."""
    most = {"critical": 12, "high": 104, "medium": 77, "low": 204, "info": 13}
    subscriptions = [f"3f0e9c1a-77aa-4c1e-9a55-{number:012}" for number in range(24)]
    with History.open(DB) as history:
        made = replace(scan(1), complete=False, undecided=1204, standing=most, subscriptions=tuple(subscriptions))
        history.record(replace(made, selection="all resource-group=rg-kart tag=env=prod"), comparison_of(1, []))
        history.record(scan(2), comparison_of(2, []))
    shown = twolocks("history", "list", "--history", DB, tty=True, env={"COLUMNS": str(columns)}).out
    assert max(map(len, shown.splitlines())) <= columns
    texts = set(shown.replace(",", "").split())
    assert texts >= {"limited", "resource-group=rg-kart", "tag=env=prod", "24", "1204", "scan000000000001", "all"}


def test_a_scan_of_a_part_says_so() -> None:
    segment = "all resource-group=rg-kart"
    with History.open(DB) as history:
        history.record(replace(scan(1), selection=segment), comparison_of(1, []))
    assert f"\tcomplete, limited\t1 subscription\tscan000000000001\t{segment}\n" in twolocks(
        "history", "list", "--history", DB
    ).out.replace("\r", "")
    assert f"Scan 1 of {segment}, {taken(1)}: " in twolocks("history", "show", "1", "--history", DB).err


def test_list_of_an_empty_history() -> None:
    History.open(DB).close()
    ended = twolocks("history", "list", "--history", DB)
    assert (ended.code, ended.out, ended.err) == (0, "", "No scans yet\n")


def test_an_incomplete_scan_says_so() -> None:
    with History.open(DB) as history:
        history.record(replace(scan(1), complete=False, undecided=6), comparison_of(1, []))
    assert "\tnothing open\tincomplete, 6 inconclusive\t" in twolocks("history", "list", "--history", DB).out


@pytest.mark.usefixtures("runs")
def test_show() -> None:
    ended = twolocks("history", "show", "--history", DB)
    assert ended.code == 0
    assert ended.out.splitlines() == [
        "raised\tcritical\tst00002: blob\t0000000211111111\thigh -> critical, authentication shared -> anonymous",
        "no longer visible\thigh\tst00004: blob\t0000000411111111"
        "\tthe resource was not visible, and its deletion is not confirmed",
        f"open\tcritical\tst00002: blob\t0000000211111111\tsince {taken(1)[:10]}, 2 days",
        f"open\thigh\tst00004: blob\t0000000411111111\tsince {taken(1)[:10]}, 2 days"
        f", not visible since {taken(2)[:10]}",
        f"open\thigh\tst00005: storage-plain-http\t0000000511111111\tsince {taken(2)[:10]}, 1 day",
    ]
    assert ended.err == f"Scan 3, {taken(3)}: 1 raised, 1 no longer visible; 3 open\n"
    earlier = twolocks("history", "show", taken(2)[:10], "--history", DB)
    assert [line.split("\t")[0] for line in earlier.out.splitlines()] == ["new", "fixed", "open", "open", "open"]


def test_counts_are_those_of_a_scan_and_of_one_age_the_worst_comes_first() -> None:
    lock = {"rule": "storage-network-unrestricted", "category": "network", "endpoint": "blob"}
    with History.open(DB) as history:
        history.record(scan(1, count=2), comparison_of(1, [item(4, 1), item(7, 1, **lock)]))
        items = [item(4, 2), item(7, 2, **lock), item(2, 2, severity="low"), item(9, 2, **lock), item(6, 2)]
        history.record(scan(2, count=4), comparison_of(2, items))
    ended = twolocks("history", "show", "--history", DB)
    assert [line.split("\t")[:3] for line in ended.out.splitlines()] == [
        ["new", "high", "st00006: blob"],
        ["new", "low", "st00002: blob"],
        ["open", "high", "st00004: blob"],
        ["open", "high", "st00006: blob"],
        ["open", "low", "st00002: blob"],
    ]
    assert ended.err == f"Scan 2, {taken(2)}: 2 new; 3 open\n"
    assert twolocks("history", "diff", "1", "2", "--history", DB).err.endswith(": 2 new; 1 unchanged\n")
    items = json.loads(twolocks("history", "show", "--history", DB, "--format", "json").out)
    assert (len(items["changes"]), len(items["open"])) == (3, 5)


@pytest.mark.usefixtures("runs")
def test_show_as_json() -> None:
    document = json.loads(twolocks("history", "show", "3", "--history", DB, "--format", "json").out)
    assert sorted(document) == ["changes", "open", "scan"]
    worse = document["changes"][0]
    assert (worse["news"], worse["severity"], worse["since"]) == ("worse", "critical", taken(1))
    was = {"severity": "high", "reach": "internet", "authentication": "shared", "state": "open"}
    assert worse["was"] == was
    assert len(document["open"]) == 3
    assert document["open"][0]["title"] == "Anybody with a key can read all files"


@pytest.mark.usefixtures("runs")
def test_diff() -> None:
    ended = twolocks("history", "diff", "1", "3", "--history", DB)
    assert [line.split("\t")[:3] for line in ended.out.splitlines()] == [
        ["new", "high", "st00005: storage-plain-http"],
        ["raised", "critical", "st00002: blob"],
        ["fixed", "high", "st00003: storage-plain-http"],
        ["no longer visible", "high", "st00004: blob"],
    ]
    assert ended.err.endswith(": 1 new, 1 raised, 1 fixed, 1 no longer visible;\n  0 unchanged\n")
    document = json.loads(twolocks("history", "diff", "1", "3", "--history", DB, "--format", "json").out)
    assert (document["from"]["number"], document["to"]["number"], document["same"]) == (1, 3, 0)
    assert len(document["changes"]) == 4
    assert twolocks("history", "diff", "2", "2", "--history", DB).err.endswith(": no changes; 3 unchanged\n")


@pytest.mark.usefixtures("runs")
def test_trend() -> None:
    ended = twolocks("history", "trend", "--history", DB)
    assert ended.out.splitlines() == [
        f"{taken(each)}\t0\t{high}\t0\t0\t0\t0\t0" for each, high in ((1, 3), (2, 3), (3, 2))
    ]
    document = json.loads(twolocks("history", "trend", "1", "--history", DB, "--format", "json").out)
    counts = {"critical": 0, "high": 2, "medium": 0, "low": 0, "info": 0, "undecided": 0, "unknown": 0}
    counts |= {"opened": 0, "closed": 0}
    assert document[2] == {"taken": taken(3), **counts}


@pytest.mark.usefixtures("runs")
def test_a_terminal_gets_columns_and_the_trend_a_heading() -> None:
    summary, _, table = twolocks("history", "trend", "--history", DB, tty=True).out.partition("\n\n")
    assert summary.startswith("3 scans with the selection of scan 3")
    lines = table.splitlines()
    assert lines[0].split() == ["TAKEN", "CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO", "INCONCLUSIVE", "NOT", "ASSESSED"]
    assert lines[1].split() == [taken(1), "0", "3", "0", "0", "0", "0", "0"]


@pytest.mark.usefixtures("runs")
def test_prune() -> None:
    ended = twolocks("history", "prune", "--older-than", "1", "--history", DB)
    assert ended.code == 0
    assert ended.err.startswith("Deleted data from before 20")
    assert ended.err.endswith(": 2 scans, 4 events, 1 fixed item. 3 items remain\n")
    assert len(twolocks("history", "list", "--history", DB).out.splitlines()) == 1
    assert [path.name for path in Path().iterdir()] == [DB]


@pytest.mark.parametrize(
    ("days", "what"),
    [((), "--older-than is not set"), (("--older-than", "0"), '"0" is not a number of days'),
     (("--older-than", "many"), '"many" is not a number'), (("--older-than", "9" * 30), "is not a number of days")],
)  # fmt: skip
@pytest.mark.usefixtures("runs")
def test_prune_needs_a_number_of_days(days: tuple[str, ...], what: str) -> None:
    ended = twolocks("history", "prune", *days, "--history", DB)
    assert ended.code == 2
    assert what in ended.err
    assert "--older-than 400" in ended.err


@pytest.mark.usefixtures("runs")
def test_export() -> None:
    ended = twolocks("history", "export", "--history", DB)
    rows = [json.loads(line) for line in ended.out.splitlines()]
    assert sorted(rows[0]["history"]) == ["id", "schema"]
    assert rows[1]["scans"]["number"] == 1
    again = twolocks("history", "export", "--history", DB, "--out", "all.jsonl")
    assert again.err == "Wrote all.jsonl\n"
    assert Path("all.jsonl").read_text() == ended.out
    wrong = twolocks("history", "export", "--history", DB, "--out", "no/all.jsonl")
    assert (wrong.code, wrong.err.splitlines()[:2]) == (
        2,
        ["error: the export was not written: no such file or directory", "--> --out no/all.jsonl"],
    )


def test_upgrade(server: Server) -> None:
    url = server.url(server.database())
    refused = twolocks("history", "list", "--history", url)
    assert refused.err.splitlines() == [
        "error: this database has no history yet",
        f"--> --history {url}",
        "hint: twolocks history upgrade",
        "exit 2",
    ]
    newest = f"schema {int(revisions()[-1])}"
    assert (
        twolocks("history", "upgrade", "--history", url).err == f"The history was created with {newest} and is empty\n"
    )
    assert twolocks("history", "upgrade", "--history", url).err == f"The history is up to date ({newest})\n"
    assert twolocks("history", "list", "--history", url).err == "No scans yet\n"


# Where the history is


@pytest.mark.usefixtures("runs")
def test_one_setting_serves_the_scan_and_these_commands() -> None:
    for name in ("TWOLOCKS_HISTORY_HISTORY", "TWOLOCKS_SCAN_HISTORY"):
        assert len(twolocks("history", "list", env={name: DB}).out.splitlines()) == 3
    Path("twolocks.toml").write_text(f'[scan]\nhistory = "{DB}"\n')
    assert len(twolocks("history", "list", "--config", "twolocks.toml").out.splitlines()) == 3
    Path("twolocks.toml").unlink()
    Path("sub").mkdir()
    Path("sub/my.toml").write_text(f'[scan]\nhistory = "../{DB}"\n')
    assert len(twolocks("history", "list", "--config", "sub/my.toml").out.splitlines()) == 3


def test_no_history_is_named() -> None:
    ended = twolocks("history", "list")
    assert ended.code == 2
    assert ended.err.splitlines() == [
        "error: no history is set",
        "hint: add --history FILE, or history to [scan] of twolocks.toml",
        "exit 2",
    ]


def test_a_question_makes_no_file() -> None:
    ended = twolocks("history", "show", "--history", DB)
    assert ended.err.splitlines()[:3] == [
        "error: no history exists here",
        f"--> --history {DB}",
        f"hint: a scan creates one: twolocks scan --history {DB}",
    ]
    assert not Path(DB).exists()


@pytest.mark.usefixtures("runs")
def test_what_is_wrong_with_a_scan_or_a_format_is_reported() -> None:
    ended = twolocks("history", "show", "77", "--history", DB)
    assert ended.code == 2
    assert ended.err.startswith('error: the history has no scan "77"\n')
    assert "nearest: json" in twolocks("history", "list", "--history", DB, "--format", "jsno").err


def test_a_password_of_a_variable_is_never_shown(server: Server, database: str) -> None:
    url = server.url(database, f"{LOCKED_OUT}:wrong-secret")
    for words in (("list",), ("list", "--verbose")):
        ended = twolocks("history", *words, env={"TWOLOCKS_SCAN_HISTORY": url, "TWOLOCKS_SCAN_VERBOSE": "1"})
        assert ended.code == 2
        assert "wrong-secret" not in ended.out + ended.err


@pytest.mark.usefixtures("runs")
def test_a_name_from_azure_cannot_forge_a_line() -> None:
    with History.open(DB) as history:
        forged = item(8, 4, endpoint="a\n::error::\tb\u202e")
        history.record(scan(4), comparison_of(4, [forged], closed=False))
    out = twolocks("history", "show", "--history", DB).out
    assert "st00008: a<U+000A><U+003A>:error::<U+0009>b<U+202E>" in out


# What is imported


@pytest.mark.parametrize(
    "words", [["--help"], ["scan", "--help"], ["history", "--help"], ["history", "show", "--help"]]
)
def test_help_imports_no_database(words: list[str]) -> None:
    code = (
        "import sys\nfrom scanner.cli.app import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('sqlalchemy', 'alembic', 'psycopg', 'sqlite3') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout.splitlines()[-1] == "[]"


ROOT = Path(__file__).parent.parent.parent
