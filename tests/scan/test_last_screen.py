"""The last screen, word for word, on an estate that is small enough to count by hand."""

import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scanner.evaluate.results import Crash, EvaluationResult
from scanner.exit_codes import decide
from scanner.rulebook.loader import Broken
from scanner.sandbox.server import Sandbox, running
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.azure.requests import SUBSCRIPTIONS
from tests.azure.requests import account as stored
from tests.terminals import STORAGE, SUB, account, closed, listed, twolocks
from tests.test_exit_codes import result

RULES = (
    "--only",
    "storage-anonymous-blob-access",
    "--only",
    "storage-shared-key-enabled",
    "--only",
    "storage-plain-http",
)


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def container(of: str, name: str, access: str) -> dict[str, Any]:
    id = f"{STORAGE}/{of}/blobServices/default/containers/{name}"
    return {"id": id, "name": name, "type": "Microsoft.Storage/storageAccounts/blobServices/containers",
            "properties": {"publicAccess": access}}  # fmt: skip


def estate(path: Path, *, refused: bool = False, quiet: bool = False) -> None:
    """Two closed accounts; one whose containers answer anybody; with `refused`, one whose containers were not read."""
    store = Store(Header(taken="2026-11-25T02:00:00Z", principal="kari", scopes=[SUB]))
    store.scope(SUB, "prod-journal", "agency.example", "full")
    listed(store)
    for name in ("stlukket1", "stlukket2"):
        store.resource(closed(name), "2025-08-01", "list")
    if not quiet:
        open_account = account("stjournal", allowBlobPublicAccess=True, allowSharedKeyAccess=False)
        store.resource(open_account, "2025-08-01", "list")
        for name in ("skann", "eksport"):
            store.resource(container("stjournal", name, "Container"), "2025-08-01", "list")
        store.read(f"{STORAGE}/stjournal/blobServices/default/containers", 2, "list")
    if refused:
        store.resource(
            account("stvedlegg", allowBlobPublicAccess=True, allowSharedKeyAccess=False), "2025-08-01", "list"
        )
        action = "Microsoft.Storage/storageAccounts/blobServices/containers/read"
        store.gap(f"{STORAGE}/stvedlegg/blobServices/default/containers", 403, "AuthorizationFailed", action)
    store.write(path)


def test_only_what_no_rule_evaluates_has_no_rule_however_its_type_is_spelled(tmp_path: Path) -> None:
    store = Store(Header(taken="2026-11-25T02:00:00Z", principal="kari", scopes=[SUB]))
    store.scope(SUB, "prod-journal", "agency.example", "full")
    store.resource(closed("stlukket1"), "2025-08-01", "list")
    group = STORAGE.split("/providers/")[0]
    odd = {"id": f"{group}/providers/Microsoft.Odd/things/en", "name": "en", "type": "Microsoft.Odd/things"}
    store.resource(odd, "2025-08-01", "list")
    store.write(tmp_path / "n.jsonl")
    ended = twolocks("scan", "--from", "n.jsonl", *RULES, "--fail-on", "never", tty=True)
    evaluated = next(line for line in ended.err.splitlines() if line.startswith("Evaluated"))
    assert evaluated.endswith("3 rules; 1 resource of 1 type is not covered by any rule:")
    assert "Odd/things 1" in ended.err


def test_the_last_screen(tmp_path: Path) -> None:
    estate(tmp_path / "n.jsonl", refused=True)
    ended = twolocks("scan", "--from", "n.jsonl", *RULES, "--out", "report.html", tty=True)
    assert ended.out == ""
    lines = ended.err.splitlines()
    assert lines[0] == "twolocks 0.1.0, read-only"
    assert lines[1] == "Account   kari, as of 2026-11-25T02:00:00Z"
    assert lines[2] == f"Scope     prod-journal  {SUB}  full visibility"
    worst = next(position for position, line in enumerate(lines) if line.startswith("Do these first"))
    assert lines[worst] == "Do these first: 2 of 2 changes answer 2 of 2 critical or high endpoints and findings"
    fingerprint = lines[worst + 1].split()[1]
    assert lines[worst + 1] == f"critical  {fingerprint}  Blob container allows anonymous access"
    assert lines[worst + 2].startswith("          on stjournal: blob/eksport. Container eksport ")
    container = f"{STORAGE}/stjournal/blobServices/default/containers/eksport"
    command = lines.index("  az resource update \\")
    assert lines[command + 1 : command + 3] == [f"    --ids {container} \\", "    --set properties.publicAccess=None"]
    position = next(position for position, line in enumerate(lines) if line.startswith("Not assessed: "))
    assert lines[position - 1] == ""
    assert lines[position].startswith("Not assessed: 1 gap leaves 1 check inconclusive")
    assert lines[position + 1 :][:4] == [
        "up to critical  1 check: containers of stvedlegg, 403 AuthorizationFailed",
        "  missing Microsoft.Storage/storageAccounts/blobServices/containers/read",
        "To create a role that resolves it:",
        "  twolocks access role > role.json",
    ]
    assert lines[position + 5 :][:8] == [
        "",
        "Severity      endpoints  other findings",
        "critical              2               0",
        "high                  0               0",
        "medium               10               0",
        "low                   0               0",
        "info                  0               0",
        "not assessed          2",
    ]
    assert lines[-10:-1] == [
        "Result    Not fully assessed: 3 endpoints (1 for a missing permission, 2 because Azure",
        "          returned no value)",
        "          2 endpoints are publicly accessible without authentication",
        "          1 check is inconclusive: 1 for a missing permission; 1 read failed. None of them",
        "          counts as passed",
        "Wrote     report.html",
        "Next      after a fix, to check that resource alone:",
        "          twolocks scan \\",
        f"            --resource {STORAGE}/stjournal",
    ]
    assert lines[-1].startswith("Exit 1    2 endpoints at high or above; also incomplete (1 gap)")
    assert len(lines) - position <= 24
    assert max(len(line) for line in lines if not line.startswith("  ")) <= 90


def test_the_fingerprint_of_the_worst_one_is_what_waive_takes(tmp_path: Path) -> None:
    estate(tmp_path / "n.jsonl")
    ended = twolocks("scan", "--from", "n.jsonl", *RULES, "--out", "report.html", "--out", "f.json", tty=True)
    lines = ended.err.splitlines()
    position = lines.index("Next      to accept the worst one, with your reason, name and date:")
    command = shlex.split(" ".join(line.strip().removesuffix("\\") for line in lines[position + 1 : -1]))
    words = {"TEXT": "agreed", "NAME": "kari", "YYYY-MM-DD": f"{datetime.now(UTC).date() + timedelta(days=30)}"}
    waived = twolocks(*(words.get(word, word) for word in command[1:]))
    assert waived.code == 0, waived.err
    assert "stjournal: blob/eksport" in waived.err


def test_gaps_and_nothing_found_is_never_zero_alone(tmp_path: Path) -> None:
    estate(tmp_path / "n.jsonl", refused=True, quiet=True)
    ended = twolocks("scan", "--from", "n.jsonl", "--only", "storage-anonymous-blob-access", tty=True)
    lines = ended.err.splitlines()
    result = next(position for position, line in enumerate(lines) if line.startswith("Result"))
    assert lines[result:] == [
        "Result    Not fully assessed: 2 endpoints (1 for a missing permission, 1 because Azure",
        "          returned no value)",
        "          No exposed endpoint was found in the rest",
        "          1 check is inconclusive: 1 for a missing permission; 1 read failed. None of them",
        "          counts as passed",
        "Next      to write a report with all findings and fixes:",
        "          twolocks scan --from n.jsonl --only storage-anonymous-blob-access \\",
        "            --out report.html",
        "Exit 3    incomplete (1 gap)",
    ]


def test_findings_of_severity_info_are_one_line_a_type(tmp_path: Path) -> None:
    store = Store(Header(taken="2026-11-25T02:00:00Z", principal="kari", scopes=[SUB]))
    store.scope(SUB, "prod-journal", "agency.example", "full")
    listed(store)
    for name in ("stkart", "stplan"):
        old = account(name, minimumTlsVersion="TLS1_0", encryption={"keySource": "Microsoft.Storage"})
        store.resource(old, "2025-08-01", "list")
    store.write(tmp_path / "n.jsonl")
    rules = ("--only", "storage-platform-key", "--only", "storage-old-tls")
    lines = twolocks("scan", "--from", "n.jsonl", *rules, tty=True).err.splitlines()
    position = lines.index("4 findings of severity info; only --fail-on info counts them")
    assert " ".join(lines[position + 1 : position + 3]).split() == [
        "info",
        "Microsoft.Storage/storageAccounts:",
        "4",
        "findings,",
        "storage-old-tls,",
        "storage-platform-key",
    ]
    assert lines[-1].startswith("Exit 0")
    told = twolocks("scan", "--from", "n.jsonl", *rules, "--fail-on", "info", tty=True).err.splitlines()
    assert "4 findings of severity info" in told
    assert told[-1].startswith("Exit 1")


def test_all_clean(tmp_path: Path) -> None:
    estate(tmp_path / "n.jsonl", quiet=True)
    ended = twolocks("scan", "--from", "n.jsonl", *RULES, tty=True)
    lines = ended.err.splitlines()
    result = next(position for position, line in enumerate(lines) if line.startswith("Result"))
    assert lines[result : result + 2] == [
        "Result    No endpoint is publicly accessible without authentication; none is protected",
        "          only by a shared key or password",
    ]
    assert lines[-1] == "Exit 0    nothing at high or above"
    assert "Severity" not in ended.err
    assert "Do these first" not in ended.err
    assert "Not assessed" not in ended.err


def test_nothing_there_at_all(tmp_path: Path) -> None:
    store = Store(Header(taken="2026-11-25T02:00:00Z", scopes=[SUB]))
    store.scope(SUB, "prod-journal", "agency.example", "full")
    listed(store)
    store.write(tmp_path / "n.jsonl")
    ended = twolocks("scan", "--from", "n.jsonl", "--only", "storage-*", tty=True)
    assert "Result    No resource of a supported type was found in prod-journal" in ended.err
    assert ended.code == 0


@pytest.mark.parametrize(
    ("words", "off"),
    [
        (("--only", "storage-old-tls"), ""),
        (
            ("--only", "storage-*"),
            "Off       10 rules, which would make about 21 more reads, are off by default: --only RULE enables one",
        ),
        (
            ("--only", "storage-*", "--only", "storage-scope-key-elsewhere"),
            "Off       8 rules, which would make about 18 more reads",
        ),
        (("--skip", "logs-outside"), "--only '*' --only RULE enables one"),
    ],
)
def test_what_is_off_by_cost_is_said_with_its_price_and_how_it_is_enabled(words: tuple[str, ...], off: str) -> None:
    three = [each for number in range(3) for each in stored(f"st{number}")]
    with running(Sandbox(three, SUBSCRIPTIONS[:1])) as box:
        live = ("--arm-endpoint", box.url, "--auth", "environment", "--fail-on", "never")
        on_terminal = twolocks("scan", *live, *words, tty=True, env={"COLUMNS": "200", **box.environment()}).err
        logged = twolocks("scan", *live, *words, env=box.environment()).err
    assert off in on_terminal
    assert bool(off) == ("off by default" in on_terminal) == ("off by default" in logged)


@pytest.mark.parametrize(
    ("made", "fail_on", "code", "why"),
    [
        (result(), "high", 0, "nothing at high or above"),
        (
            result(open={"medium": 3}, others={"medium": 1, "low": 6}),
            "high",
            0,
            "nothing at high or above; 4 medium, 6 low",
        ),
        (
            result(open={"critical": 5, "high": 14}, others={"high": 3}),
            "high",
            1,
            "19 endpoints and 3 other findings at high or above",
        ),
        (result(open={"high": 1}), "critical", 0, "nothing at critical; 1 high"),
        (result(open={"critical": 1}), "critical", 1, "1 endpoint at critical"),
        (result(others={"info": 1}), "info", 1, "1 finding at info or above"),
        (result(states={"waived": 3, "intended": 2, "closed": 9}), "info", 0, "nothing at info or above"),
        (result(open={"critical": 2}), "never", 0, "--fail-on never; 2 critical"),
        (result(crashes=[Crash("r", "x", "m", 1), Crash("r", "y", "m", 1)]), "never", 1, "1 rule crashed"),
        (
            result(open={"high": 2}, crashes=[Crash("r", "x", "m", 1)]),
            "high",
            1,
            "2 endpoints at high or above; 1 rule crashed",
        ),
        (result(complete=False, gaps=5, unknown=27), "high", 3, "incomplete (5 gaps)"),
        (result(complete=False, unknown=1), "high", 3, "incomplete, 1 check inconclusive"),
        (
            result(complete=False, gaps=1, open={"high": 1}),
            "high",
            1,
            "1 endpoint at high or above; also incomplete (1 gap)",
        ),
    ],
)
def test_the_first_code_that_fits(made: EvaluationResult, fail_on: str, code: int, why: str) -> None:
    end = decide(made, fail_on)
    assert (end.code, end.why) == (code, why)


def test_a_rule_file_or_an_output_that_is_missing_comes_before_findings() -> None:
    evaluation_result = result(open={"critical": 1})
    assert decide(evaluation_result, "high", broken=[Broken("sql.py", 3, "x")]).code == 2
    end = decide(evaluation_result, "high", unwritten=["report.html", "a.json"])
    assert (end.code, end.why) == (2, "report.html, a.json were not written")
