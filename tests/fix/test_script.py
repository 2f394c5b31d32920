"""The script of fixes: its order, its questions, its stops; Bash and ShellCheck over those of all examples."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanner.document.schema import FieldRow, FindingRow, FixRow, UndoRow
from scanner.fix.script import CHANGES, HEADER, LEFT, Order, Piece, joined, piece_of, with_variables
from tests.estate.test_fixes import before
from tests.rules import examples
from tests.rules.simulate import everything

TOGETHER = examples.TOGETHER
BASH = "/bin/bash"
HEAD = HEADER.format(taken="2026-12-01T02:00:00Z", ids="#   5a000000-0000-4000-8000-000000000001\n")
SHELLCHECK = Path(sys.executable).with_name("shellcheck")
GROUP = "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg"
ID = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/st"


def finding(*commands: str, category: str = "network", mark: str = "a", **more: Any) -> FindingRow:
    """Return a failure with a fix."""
    texts = {key: more.pop(key) for key in ("title", "resource", "status") if key in more}
    row = {"title": "Too open", "resource": ID, "status": "fail", **texts}
    fix = FixRow(commands=list(commands), **more)
    return FindingRow(
        rule="rule", category=category, severity="high", endpoints=[], message="", evidence=[], fix=fix, gaps=[],
        fingerprint=mark * 16, **row,
    )  # fmt: skip


def made(row: FindingRow) -> Piece:
    piece = piece_of(row)
    assert piece is not None
    return piece


def text_of(*rows: FindingRow) -> str:
    return joined(HEAD, [made(row) for row in rows])


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a script with an `az` that writes its words to `calls`, answers checks, and fails at `sabotaged`."""
    az = tmp_path / "bin" / "az"
    az.parent.mkdir()
    az.write_text(
        f"""#!{BASH}
printf '%s\\n' "$*" >>calls
if [[ $1 == resource && $2 == show ]]; then echo "${{ANSWER:-true}}"; fi
if [[ $1 == rest ]]; then echo '{{}}'; fi
[[ "$*" != *sabotaged* ]]
""",
        "utf-8",
    )
    az.chmod(0o755)

    def result(text: str, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        (tmp_path / "fixes.sh").write_text(text, "utf-8")
        path = f"{az.parent}:{os.environ['PATH']}"
        return subprocess.run(
            [BASH, "fixes.sh", *words], cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, env={"PATH": path, "LC_ALL": "C.UTF-8", **environment},
        )  # fmt: skip

    return result


def calls(folder: Path) -> list[str]:
    file = folder / "calls"
    return file.read_text("utf-8").splitlines() if file.exists() else []


def test_without_a_terminal_nothing_runs_but_with_yes(run: Run, tmp_path: Path) -> None:
    text = text_of(finding("az x --ids a"))
    done = run(text)
    assert (done.returncode, calls(tmp_path)) == (2, [])
    assert "Nothing was changed" in done.stderr
    assert (run(text, "--yes").returncode, calls(tmp_path)) == (0, ["x --ids a"])


def test_a_terminal_is_asked(run: Run, tmp_path: Path) -> None:
    import pty

    run(text_of(finding("az x --ids a")))  # writes the file
    for answer, expected in (("n", []), ("y", ["x --ids a"])):
        controller, terminal = pty.openpty()
        os.write(controller, f"{answer}\n".encode())
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        done = subprocess.run(
            [BASH, "fixes.sh"], cwd=tmp_path, stdin=terminal, capture_output=True, check=False, env={"PATH": path}
        )
        os.close(controller)
        os.close(terminal)
        assert (done.returncode, calls(tmp_path)) == (0 if expected else 2, expected)


def test_an_empty_variable_stops_and_is_named(run: Run, tmp_path: Path) -> None:
    row = finding("az x --ip '<YOUR_RANGE>' --ids a", fields=[FieldRow("YOUR_RANGE", "your range")])
    text = text_of(finding("az y --ids a"), row)
    assert "YOUR_RANGE=''  # your range\n" in text
    done = run(text, "--yes")
    assert (done.returncode, calls(tmp_path)) == (1, ["y --ids a"])
    assert "The variable YOUR_RANGE is empty" in done.stderr
    assert "bash fixes.sh --from 2" in done.stderr
    filled = text.replace("YOUR_RANGE=''", "YOUR_RANGE='192.0.2.0/24 $(x)'")
    assert run(filled, "--yes", "--from", "2").returncode == 0
    assert calls(tmp_path)[1:] == ["x --ip 192.0.2.0/24 $(x) --ids a"]


def test_an_empty_variable_may_be_left_out_and_is_counted(run: Run, tmp_path: Path) -> None:
    row = finding("az x --ip '<YOUR_RANGE>'", fields=[FieldRow("YOUR_RANGE", "your range")])
    done = run(text_of(row, finding("az y --ids a")), "--yes", "--skip-open")
    assert (done.returncode, calls(tmp_path)) == (0, ["y --ids a"])
    assert "Changes made: 1. Left out: 0 that need --delete, 1 with an empty variable." in done.stdout


def test_a_failure_stops_and_says_how_to_go_on(run: Run, tmp_path: Path) -> None:
    done = run(text_of(finding("az a"), finding("az sabotaged", "az never", title="Second"), finding("az c")), "--yes")
    assert (done.returncode, calls(tmp_path)) == (1, ["a", "sabotaged"])
    assert "Stopped in change 2 of 3: Second: st" in done.stderr
    assert "bash fixes.sh --from 2" in done.stderr


def test_a_check_that_fails_stops_before_the_command(run: Run, tmp_path: Path) -> None:
    from scanner.fix.by_value import removals

    (command,) = removals(ID, "properties.ipRules", [(0, {"value": "192.0.2.1/24"})])
    text = text_of(finding(command), finding("az after"))
    done = run(text, "--yes", ANSWER="false")
    assert (done.returncode, len(calls(tmp_path))) == (1, 1)
    assert "the list is not as it was scanned" in done.stderr
    done = run(text, "--yes")
    assert done.returncode == 0
    assert calls(tmp_path)[-2:] == [f"resource update --ids {ID} --remove properties.ipRules 0", "after"]


def test_what_deletes_runs_last_and_only_when_asked(run: Run, tmp_path: Path) -> None:
    rows = [
        finding("az resource delete --ids a"),
        finding("az keyvault update --enable-purge-protection true", undo=UndoRow(cannot="Never.")),
        finding("az x --ids a"),
    ]
    text = text_of(*rows)
    assert "Of these, 2 delete something" in text
    done = run(text, "--yes")
    assert (done.returncode, calls(tmp_path)) == (0, ["x --ids a"])
    assert "2 that need --delete" in done.stdout
    run(text, "--yes", "--delete", "--from", "2")
    assert calls(tmp_path)[1:] == ["resource delete --ids a", "keyvault update --enable-purge-protection true"]


def test_the_state_before_a_fix_is_kept_and_never_overwritten(run: Run, tmp_path: Path) -> None:
    undo = UndoRow(save=["az rest --method get --url a > default.before.json"], commands=["az rest --method put"])
    text = text_of(finding("az x --ids a", undo=undo), finding("az x --ids b", undo=undo))
    assert run(text, "--yes").returncode == 0
    assert len(list(tmp_path.glob("before-*/default.before.json"))) == 2
    done = run(text, "--yes")
    assert done.returncode == 1
    assert "cannot overwrite" in done.stderr


ORDERED = [
    (Order.log, finding("az monitor diagnostic-settings create --name logs", category="logging")),
    (Order.role, finding("az role assignment create --role Reader")),
    (Order.allow, finding("az keyvault network-rule add --name a")),
    (Order.network, finding("az keyvault network-rule add --name a", "az keyvault update --default-action Deny")),
    (
        Order.authentication,
        finding("az storage account update --allow-shared-key-access false", category="authentication"),
    ),
    (Order.rest, finding("az storage account update --https-only true", category="transport")),
    (Order.delete, finding("az network nsg rule delete --ids a")),
    (Order.delete, finding("az resource update --ids a --remove properties.locations 1")),
    (Order.lock, finding("az lock create --name keep")),
]


def test_what_allows_comes_before_what_closes() -> None:
    assert [made(row).order for _, row in ORDERED] == [order for order, _ in ORDERED]
    text = joined(HEAD, [made(row) for _, row in reversed(ORDERED)])
    assert re.findall(r"^# ---- (\d+) of 9", text, re.MULTILINE) == [str(number) for number in range(1, 10)]
    assert text.index("network-rule add") < text.index("--default-action Deny") < text.index("rule delete")
    assert text.index("rule delete") < text.index("az lock create")


def test_findings_with_the_same_fix_are_one_change_below_both_headings() -> None:
    text = text_of(finding("az x", mark="a", title="One"), finding("az y"), finding("az x", mark="b", title="Two"))
    assert "# Changes: 2." in text
    assert text.count("  az x >") == 1
    assert text.index("a" * 16) < text.index("b" * 16) < text.index("az x") < text.index("az y")
    assert CHANGES not in text
    assert LEFT not in text


def test_waivers_and_words_have_no_piece() -> None:
    assert piece_of(finding("az x", status="waived")) is None
    assert piece_of(finding(steps=["Move it."])) is None
    assert piece_of(finding("az x --name 'a\u202eb'")) is None
    assert piece_of(finding("az x --name 'a\nb'")) is None
    assert piece_of(finding("az x --name '##vso[a]'")) is None
    assert joined(HEAD, []) == ""


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("az x --a <A>", 'az x --a "${A}"'),
        ("az x --a '<A>/b'", """az x --a ''"${A}"'/b'"""),
        ('az x --a \'{"b": "<A>"}\'', """az x --a '{"b": "'"${A}"'"}'"""),
        ('az x --a "<A> $b"', 'az x --a "${A} $b"'),
        ("az x --a \\'<A>", 'az x --a \\\'"${A}"'),
        ("az x --a '<B>' '\\' <A>", "az x --a '<B>' '\\' \"${A}\""),
    ],
)
def test_variables_stand_in_whatever_quotes_the_field_had(command: str, expected: str) -> None:
    assert with_variables(command, {"A"}) == expected


NASTY = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(
    [
        "'; touch pwned #",
        "$(touch pwned)",
        "`touch pwned`",
        "a\ntouch pwned",
        "\u202eb",
        "@CHANGES@",
        "@FINDING@",
        "$&",
        "\r",
        '"',
    ]
)


@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_name_runs_or_leaves_its_comment(run: Run, tmp_path: Path, data: st.DataObject) -> None:
    title, name, impact, what = (data.draw(NASTY) for _ in range(4))
    row = finding(
        f"az x --name {shlex.quote(name)} --b '<A>'", title=title, resource=f"{ID}/{name}", impact=impact,
        fields=[FieldRow("A", what)], undo=UndoRow(cannot=data.draw(NASTY)), steps=[data.draw(NASTY)],
        closes=[data.draw(NASTY)], check_first=f"az x show {name}",
    )  # fmt: skip
    piece = piece_of(row)
    if piece is None:
        return
    (tmp_path / "calls").unlink(missing_ok=True)
    text = joined(HEAD, [piece]).replace("A=''", "A=value", 1)
    done = run(text, "--yes", "--delete")
    assert (done.returncode, done.stderr) == (0, "")
    assert calls(tmp_path) == [f"x --name {name} --b value"]
    assert not (tmp_path / "pwned").exists()
    assert text.replace("\n", "").isprintable() or not text.isascii()


@lru_cache
def of_examples() -> str:
    """Return the script of one fix of each form: its rule, its commands and their options."""
    rows = (msgspec.structs.replace(each.finding, status="fail") for each in everything())
    pieces = {(row.rule, *re.findall(r" -[-\w]+| \\| ", text_of_fix(row))): piece_of(row) for row in rows}
    return joined(HEAD, [piece for piece in pieces.values() if piece is not None])


def text_of_fix(row: FindingRow) -> str:
    return row.fix.key if row.fix is not None else ""


@lru_cache
def of_estate() -> str:
    return joined(HEAD, [piece for row in before().findings.values() if (piece := piece_of(row)) is not None])


@pytest.mark.parametrize("make", [of_examples, of_estate])
def test_bash_and_shellcheck_accept_the_script_of_everything(make: Callable[[], str], tmp_path: Path) -> None:
    file = tmp_path / "fixes.sh"
    file.write_text(make(), "utf-8")
    assert len(re.findall("^# ----", make(), re.MULTILINE)) > 200
    for words in ([BASH, "-n"], [SHELLCHECK, "--severity=style", "--shell=bash"]):
        done = subprocess.run([*words, file], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout[:2000], done.stderr) == (0, "", "")


def test_the_script_of_the_estate_runs_to_its_end(run: Run, tmp_path: Path) -> None:
    done = run(of_estate(), "--yes", "--skip-open", "--delete")
    assert (done.returncode, done.stderr) == (0, "")
    number = int(re.findall(r"Changes made: (\d+)", done.stdout)[0])
    assert number > 200
    assert len(calls(tmp_path)) >= number
