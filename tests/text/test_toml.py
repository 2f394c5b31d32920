"""TOML that is nested without end, in each file that a command takes: exit 2, and not after minutes."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.text.toml import MOST_MB, statements
from tests.cli.test_rules_test import ROW
from tests.terminals import account, snapshot, twolocks
from tests.work import calls

COUNT = 20_000
FORMS = {
    "a table": f"[{'.'.join('a' * COUNT)}]\nb = 1\n",
    "a quoted table": "[" + '"a b".' * COUNT + "a]\n",
    "a key": f"a{' . a' * COUNT} = 1\n",
    "inline tables": f"a = {'{a = ' * COUNT}1{'}' * COUNT}\n",
    "lists": f"a = {'[' * COUNT}{']' * COUNT}\n",
    "a number": f"a = {'9' * COUNT}\n",
    "a key of 90 parts": f"a{'.a' * 90} = 1\n",
    "90 lists": f"a = {'[' * 90}{']' * 90}\n",
}
SCAN = ("scan", "--from", "a.jsonl", "--only", "storage-plain-http")
COMMANDS = {
    "named.toml": ("config", "show", "--config", "named.toml"),
    "waivers.toml": (*SCAN, "--waivers", "waivers.toml"),
    "own/storage.toml": (*SCAN, "--rules", "own"),
    "own/controls.toml": ("rules", "list", "--rules", "own"),
    "own/cases/storage.toml": ("rules", "test", "own"),
    "own/paths.toml": ("rules", "test", "own"),
}


@pytest.mark.parametrize("file", COMMANDS)
@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_is_nested_without_end(
    form: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended with 70, or took minutes."""
    monkeypatch.chdir(tmp_path)
    Path("own/cases").mkdir(parents=True)
    Path("own/storage.toml").write_text(ROW)
    snapshot(Path("a.jsonl"), account("st"))
    Path(file).write_text(FORMS[form])
    ended = twolocks(*COMMANDS[file])
    # Files of examples may hold other keys.
    assert ended.code == 2 or (ended.code == 0 and "90" in form and "cases" in file), ended.err


def test_an_array_of_many_lines_takes_no_time(tmp_path: Path) -> None:
    """Each line was parsed with all before it: 8 kB took 16 seconds."""
    file = tmp_path / "named.toml"

    def show(lines: int) -> None:
        file.write_text("[networks]\nall = [\n" + '  "10.0.0.0/8", # a ] in a comment\n' * lines + "]\nb = 1\n")
        ended = twolocks("config", "show", "--config", file)
        assert f"{file}:{lines + 4}" in ended.err + ended.out

    show(20)  # imports what the command needs
    assert calls(lambda: show(4000)) < 3 * calls(lambda: show(2000))


def test_a_file_of_many_megabytes_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "named.toml"
    file.write_bytes(b"# comment\n" * (MOST_MB << 17))
    ended = twolocks("config", "show", "--config", file)
    assert (ended.code, f"more than {MOST_MB} MB" in ended.err) == (2, True), ended.err


@given(
    st.lists(
        st.sampled_from(
            [
                "a = 1", "[t]", "[[u]]", '[t."x.y"]', "b = [", "1,", "]", 'c = """', '"""', "x]", "d = '''", "'''",
                "# [",
                'e = "[#\\\\""', "f = {a = [1, 2]}", "", "  g = [[1], [2]] # ]", 'h = """a\\\\""" ', "i = '['",
            ]
        ),
        max_size=14,
    )
)  # fmt: skip
def test_statements_are_those_that_parse_by_themselves(lines: list[str]) -> None:
    text = "\n".join(f"{line.replace('=', f'{number} =', 1)}" for number, line in enumerate(lines))
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    held: list[str] = []
    expected, start = [], 1
    for number, row in enumerate(text.split("\n"), 1):
        start = start if held else number
        held.append(row)
        try:
            tomllib.loads("\n".join(held))
        except tomllib.TOMLDecodeError:
            continue
        expected.append((start, "\n".join(held)))
        held = []
    assert list(statements(text)) == expected
