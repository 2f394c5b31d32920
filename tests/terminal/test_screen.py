"""What people see: names made harmless, width, colour, tables, progress in three modes, the last screen."""

import io
import re
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from scanner.document.schema import FieldRow, FixRow
from scanner.errors import InputError
from scanner.scan.answer_lines import closing
from scanner.terminal.lines import Line, coloured, error_lines, prepare
from scanner.terminal.screen import Screen, mode_of
from scanner.terminal.tables import table
from scanner.terminal.text import cells, clean, middle, named, odd, span, wrap
from tests.terminal.recordings import in_terminal

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Stream(io.StringIO):
    def __init__(self, *, tty: bool = True) -> None:
        super().__init__()
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


TTY = {"TERM": "xterm-256color"}


# Names


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("stjournal", "stjournal"),
        ("blåbærsyltetøy", "blåbærsyltetøy"),
        ("ops\u202egnp.exe", "ops<U+202E>gnp.exe"),
        ("a\nb\r\tc", "a<U+000A>b<U+000D><U+0009>c"),
        ("\x1b[31mred", "<U+001B>[31mred"),
        ("a\u00a0b\u3000c d", "a<U+00A0>b<U+3000>c d"),
        ("\u2028\u2029\u200b\ufeff", "<U+2028><U+2029><U+200B><U+FEFF>"),
        ("\ud800", "<U+D800>"),
        ("\ue000\U000e0041", "<U+E000><U+E0041>"),
        ("e\u0301", "e\u0301"),
    ],
)
def test_a_name_is_one_token_on_one_line(name: str, shown: str) -> None:
    assert clean(name) == shown


@effort(max_examples=200, deadline=None)
@given(st.text())
@example("##")
def test_no_text_moves_the_cursor_or_ends_a_line(text: str) -> None:
    made = clean(text)
    assert all(unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for char in made)
    assert len(made.splitlines()) <= 1
    assert bool(odd(text)) == (made != text)


def test_width_is_counted_in_cells() -> None:
    assert (cells("abc"), cells("日本"), cells("e\u0301")) == (3, 4, 1)


@effort(max_examples=200, deadline=None)
@given(st.text(st.characters(categories=("L", "N", "P")), max_size=80), st.integers(12, 60))
def test_a_long_name_loses_its_middle(name: str, width: int) -> None:
    short = middle(name, width)
    assert cells(short) <= width
    if cells(name) <= width:
        assert short == name
    else:
        assert "..." in short


def test_a_long_id_keeps_both_ends() -> None:
    id = "/subscriptions/3f0e9c1a-77aa-4c1e-9a55-0b8f3c1d2e4f/providers/Microsoft.Storage/storageAccounts/stjournal"
    short = middle(id, 62)
    assert short.startswith("/subscriptions/3f0e9c1a")
    assert short.endswith("/storageAccounts/stjournal")


@effort(max_examples=100, deadline=None)
@given(st.lists(st.text("abc:#é", min_size=1, max_size=12), min_size=1, max_size=30), st.integers(30, 100))
def test_sentences_are_wrapped_and_lose_nothing(words: list[str], width: int) -> None:
    text = " ".join(words)
    rows = list(wrap(text, width, 9))
    assert " ".join(rows) == text
    assert not [row for row in rows[1:] if row.startswith(("::", "##"))]


@pytest.mark.parametrize(
    ("name", "shown"),
    [("##vso[task.complete]x", "<U+0023>#vso[task.complete]x"), ("a ##[error]b", "a <U+0023>#[error]b"),
     ("###vso[x]", "<U+0023><U+0023>#vso[x]"), ("#1 of #2", "#1 of #2"), ("\u202e##", "<U+202E><U+0023>#")],
)  # fmt: skip
def test_no_name_is_a_command_wherever_it_stands_in_a_line(name: str, shown: str) -> None:
    """The agent of Azure Pipelines looks for `##vso[` anywhere in a line, the runner of GitHub for `##[`."""
    assert clean(name) == shown
    assert clean(shown) == shown


def test_a_command_is_whole_and_a_hidden_character_in_it_is_reported() -> None:
    command = "az storage account update -n " + "x" * 200
    rows = list(next(closing(FixRow(commands=[command]))).render(80, False))
    assert rows == ["  az storage account update \\", f"    -n {'x' * 200}"]
    lines = [
        row
        for line in closing(FixRow(commands=["az storage account delete -n 'a\u202eb'"]))
        for row in line.render(80, False)
    ]
    assert lines == ["  No command is shown because the name contains U+202E. Use the portal."]
    fix = FixRow(commands=["az x <YOUR_RANGE>"], steps=["Close it."], fields=[FieldRow("YOUR_RANGE", "what stays")])
    assert [line.text for line in closing(fix)] == ["az x <YOUR_RANGE>", "<YOUR_RANGE>: what stays"]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_command_is_wrapped_between_options_and_stays_the_same(width: int) -> None:
    command = (
        "printf %s+ --ids /subscriptions/a/b --set properties.x='a  b --c' --name \"x y\" -r '.[] | .id' --no-wait"
    )
    rows = list(Line(command, column=2, command=True).render(width, False))
    ran = [
        subprocess.run(["sh", "-c", text], capture_output=True, check=True).stdout
        for text in (command, "\n".join(rows))
    ]
    assert ran[0] == ran[1]
    assert all(row.endswith(" \\") for row in rows[:-1])
    assert not [row for row in rows if row.removesuffix(" \\").endswith(("--ids", "--set", "--name", "-r"))]
    strange = "az x  'unbalanced -- and more " + "word " * 30
    assert list(Line(strange.rstrip(), column=0, command=True).render(width, False)) == [strange.rstrip()]


def test_a_letter_that_the_stream_cannot_encode_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, "ascii")
    monkeypatch.setattr("sys.stderr", stream)
    prepare()
    stream.write("blåbær \U0001f600\n")
    stream.flush()
    assert raw.getvalue() == b"bl\\u00e5b\\u00e6r \\U0001f600\n"


# Modes and colour


@pytest.mark.parametrize(
    ("tty", "environ", "more", "mode"),
    [
        (True, TTY, {}, "live"),
        (True, TTY, {"verbose": True}, "log"),
        (True, TTY, {"quiet": True}, "quiet"),
        (True, {**TTY, "CI": "true"}, {}, "log"),
        (True, {"TERM": "dumb"}, {}, "log"),
        (True, {}, {}, "log"),
        (False, TTY, {}, "log"),
        (False, {**TTY, "FORCE_COLOR": "1"}, {}, "log"),
    ],
)
def test_modes(tty: bool, environ: dict[str, str], more: dict[str, bool], mode: str) -> None:
    assert mode_of(Stream(tty=tty), environ, **more) == mode


@pytest.mark.parametrize(
    ("tty", "environ", "on"),
    [
        (True, TTY, True),
        (True, {"TERM": "dumb"}, False),
        (False, TTY, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": "0"}, False),
        (True, {**TTY, "FORCE_COLOR": ""}, True),
        (True, {**TTY, "NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (True, {**TTY, "NO_COLOR": ""}, True),
    ],
)
def test_colour(tty: bool, environ: dict[str, str], on: bool) -> None:
    assert coloured(Stream(tty=tty), environ) is on


def test_only_the_word_is_coloured() -> None:
    assert list(Line("stjournal: blob", "critical", 10, "critical").render(80, True)) == [
        "\x1b[1;31mcritical\x1b[0m  stjournal: blob"
    ]
    assert list(Line("x", "Read").render(80, True)) == ["Read      x"]


def test_tables_are_columns_on_a_terminal_and_tabs_in_a_pipe() -> None:
    rows = [("high", "a", "x" * 120), ("exposure", "bb", "y\tz")]
    pipe = Stream(tty=False)
    table(rows, pipe, {})
    assert pipe.getvalue() == f"high\ta\t{'x' * 120}\nexposure\tbb\ty<U+0009>z\n"
    screen = Stream()
    table(rows, screen, TTY)
    # A word that is wider than the screen stands below the others, whole.
    lines = ["\x1b[31mhigh\x1b[0m      a", " " * 10 + "x" * 120, "exposure  bb", " " * 10 + "y<U+0009>z"]
    assert screen.getvalue().splitlines() == lines
    table([], screen, TTY)


def test_the_summary_and_the_heads_come_first_and_the_last_column_is_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    rows = [("high", "storage-plain-http", "word " * 20 + "end"), ("low", "b", "short")]
    screen = Stream()
    assert table(
        rows, screen, {"TERM": "xterm", "NO_COLOR": "1"}, heads=("severity", "id", "title"), summary="2 rules."
    )
    lines = screen.getvalue().splitlines()
    assert lines[:3] == ["2 rules.", "", "SEVERITY  ID                  TITLE"]
    assert lines[3] == "high      storage-plain-http  " + "word " * 9 + "word"
    assert lines[4] == " " * 30 + "word " * 9 + "word"
    assert lines[5:] == [" " * 30 + "end", "low       b                   short"]
    pipe = Stream(tty=False)
    assert not table(rows, pipe, {}, heads=("severity", "id", "title"), summary="2 rules.")
    assert pipe.getvalue().splitlines()[1:] == ["low\tb\tshort"]


@pytest.mark.parametrize(("rows", "is_paged"), [(20, True), (5000, False)])
def test_a_table_that_is_longer_than_the_terminal_goes_through_the_pager(
    rows: int, is_paged: bool, tmp_path: Path
) -> None:
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\necho paged\nexec cat\n")
    pager.chmod(0o755)
    text = in_terminal(["rules", "list"], columns=80, rows=rows, env={"PAGER": str(pager)})
    assert text.startswith("paged\n") is is_paged
    assert "rules on" in text.splitlines()[is_paged]
    assert text.rstrip().splitlines()[-1].startswith(("medium ", "low ", "exposure ", "high ", " "))


def test_a_long_name_in_the_middle_of_a_row_is_broken_after_a_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    screen = Stream()
    name, why = f"{'n' * 40}.{'m' * 30}/x", "the resource was not visible, and its deletion is not confirmed"
    table([("new", name, "0123456789abcdef", ""), ("unseen", "kort", "0123456789abcdef", why)], screen, TTY, 1)
    first, second, third, *more = screen.getvalue().splitlines()
    assert first == f"new     {'n' * 40}.{' ' * 7}  0123456789abcdef"
    assert second == f"        {'m' * 30}/x"
    assert third == f"unseen  kort{' ' * 46}0123456789abcdef  the resource was not"
    assert " ".join(line.strip() for line in more) == "visible, and its deletion is not confirmed"


def test_names_are_no_markup_and_colours_can_be_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    rows = [("high", "[red]a[/red]", ":smile: [link=x]\x1b[31mb")]
    for environ, word in ((TTY, "\x1b[31mhigh\x1b[0m"), ({**TTY, "NO_COLOR": "1"}, "high"), ({"TERM": "dumb"}, "high")):
        screen = Stream()
        table(rows, screen, environ)
        assert screen.getvalue() == f"{word}  [red]a[/red]  :smile: [link=x]<U+001B>[31mb\n"


def test_rich_is_imported_only_for_a_table_on_a_terminal() -> None:
    program = (
        "import io, sys\nfrom scanner.terminal.tables import table\n"
        "table([('a', 'b')], io.StringIO(), {})\nprint('rich' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


# Progress


@pytest.fixture
def clock() -> SimpleNamespace:
    return SimpleNamespace(now=100.0)


def screen(clock: SimpleNamespace, environ: dict[str, str], *, tty: bool = True, **more: bool) -> Screen:
    moment = datetime(2026, 11, 25, 2, 0, 0, tzinfo=UTC)
    return Screen(Stream(tty=tty), environ, clock=lambda: clock.now, now=lambda: moment, **more)


def written(screen: Screen) -> str:
    assert isinstance(screen.stream, Stream)
    return screen.stream.getvalue()


@pytest.fixture
def live(clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    monkeypatch.setenv("COLUMNS", "100")
    made = screen(clock, TTY)
    yield made
    made.finish()


def test_a_live_screen_says_who_where_and_how_far(live: Screen, clock: SimpleNamespace) -> None:
    live.start("twolocks 0.1.0, read-only")
    live.begin("Reading")
    assert live.block() == ["Reading   0 s: signing in"]
    live.account("kari@agency.example", "cli", "agency.example", ["other.example"])
    assert live.block() == ["Reading   0 s: looking for subscriptions"]
    live.scope("3f0e9c1a-77aa-4c1e-9a55-0b8f3c1d2e4f", "prod-journal", "full")
    live.scope("8b21d0c4-1f6e-4d0b-8e77-52c9a6e0f913", "test-journal", "partial")
    live.counts(1204, 113, 247, 9)
    live.reading("functions of function apps", 31, 40)
    live.wait("storage lists (100 in 5 minutes), prod-journal norwayeast", 38.0)
    clock.now += 11
    assert live.block() == [
        "Reading   11 s: 1,204 reads done, 113 remaining; 247 resources; 9 failed",
        "  now    31 of 40 reads: functions of function apps",
        "  wait   27 s more for storage lists (100 in 5 minutes), prod-journal norwayeast; other reads go on",
    ]
    live.reading("functions of function apps", 40, 40)
    clock.now += 30
    assert len(live.block()) == 1
    live.finish()
    lines = ANSI.sub("", written(live)).splitlines()
    assert "Account   kari@agency.example (cli), tenant agency.example" in lines
    assert "          not scanned: other.example; use --tenant to select one" in lines
    assert "Scope     prod-journal  3f0e9c1a-77aa-4c1e-9a55-0b8f3c1d2e4f  full visibility" in lines
    assert "          test-journal  8b21d0c4-1f6e-4d0b-8e77-52c9a6e0f913  partial visibility" in lines


def test_the_block_has_at_most_four_lines_and_never_wraps(live: Screen) -> None:
    live.begin("Reading")
    live.account("k", "cli", "t", [])
    live.scope("s", "n" * 200, "full")
    for number in range(9):
        live.reading(f"kind {number} " + "x" * 100, 1, 9)
        live.wait(f"limit {number} " + "y" * 100, 60 + number)
    assert len(live.block()) <= 4
    assert max(map(len, live.block())) < 100


def test_the_block_is_erased_before_a_line_that_stays(live: Screen) -> None:
    live.begin("Reading")
    time.sleep(0.4)
    live.write([Line("a line", column=0)])
    text = written(live)
    assert text.index("signing in") < text.index("\x1b[1A\r\x1b[J") < text.index("a line")


def test_a_log_is_stamped_and_short(clock: SimpleNamespace) -> None:
    log = screen(clock, {}, tty=False)
    log.start("twolocks 0.1.0 scan, reads only")
    log.scope("3f0e9c1a-77aa-4c1e-9a55-0b8f3c1d2e4f", "prod", "full")
    for number in range(332):
        log.gap(
            f"/subscriptions/3f0e9c1a-77aa-4c1e-9a55-0b8f3c1d2e4f/providers/Microsoft.Web/t{number}", 429, "TooMany", ""
        )
    log.rest("gap", "gaps")
    lines = written(log).splitlines()
    assert lines[0] == "2026-11-25T02:00:00Z start    twolocks 0.1.0 scan, reads only"
    assert lines[2] == "2026-11-25T02:00:00Z gap      t0 of prod: 429 TooMany"
    assert len(lines) == 2 + 20 + 1
    assert lines[-1] == "2026-11-25T02:00:00Z gap      and 312 more gaps"
    assert "\x1b" not in written(log)


def test_a_log_is_never_silent_for_longer_than_half_a_minute(clock: SimpleNamespace) -> None:
    log = screen(clock, {}, tty=False)
    log.account("k", "cli", "t", [])
    log.scope("s", "n", "full")
    log.counts(1204, 113, 247, 1)
    log.begin("Reading")
    clock.now += 31
    time.sleep(0.6)
    log.finish()
    reads = [line for line in written(log).splitlines() if " read " in line]
    assert reads == ["2026-11-25T02:00:00Z read     31 s: 1,204 reads done, 113 remaining; 247 resources; 1 failed"]


def test_a_wait_is_reported_once_in_half_a_minute(clock: SimpleNamespace) -> None:
    log = screen(clock, {}, tty=False)
    for _ in range(50):
        log.wait("storage lists (100 in 5 minutes), prod", 38)
        clock.now += 1
    assert len(written(log).splitlines()) == 2


def test_quiet_is_quiet(clock: SimpleNamespace) -> None:
    quiet = screen(clock, TTY, quiet=True)
    quiet.start("x")
    quiet.account("k", "cli", "t", [])
    quiet.scope("s", "n", "full")
    quiet.gap("/subscriptions/s", 403, "x", "")
    quiet.begin("Reading")
    quiet.finish()
    quiet.last([Line("x")])
    assert written(quiet) == ""
    quiet.plain([Line("the one line", column=0)])
    assert written(quiet) == "the one line\n"


def test_hostile_names_forge_no_line_of_a_log(clock: SimpleNamespace) -> None:
    log = screen(clock, {}, tty=False)
    log.scope("s", "x\n::error::y\n##vso[task.complete]", "full")
    log.gap("/subscriptions/s/providers/Microsoft.Web/sites/a\r::warning::b", 403, "C\n", "d\ne")
    assert all(line.startswith("2026-") for line in written(log).splitlines())


def test_many_subscriptions_are_counted(live: Screen) -> None:
    for number in range(30):
        live.scope(f"s{number}", f"n{number}", "full")
    live.counts(1, 2, 3, 0)
    assert written(live).count("full visibility") == 8
    assert "and 22 more subscriptions" in written(live)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (38.4, "38 s"), (99, "99 s"), (252, "4 min 12 s"), (7500, "2 h 5 min")]
)
def test_spans(seconds: float, text: str) -> None:
    assert span(seconds) == text


ACCOUNT = "/subscriptions/S/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("/subscriptions/S/providers/Microsoft.Web/sites", "sites of prod"),
        ("/subscriptions/S/resourceGroups/rg/providers/Microsoft.Web/sites", "sites of rg"),
        (ACCOUNT, "st"),
        (f"{ACCOUNT}/blobServices/default/containers?api-version=1", "containers of st"),
        (f"{ACCOUNT}/blobServices/default", "blobServices of st"),
        ("/subscriptions/S", "prod"),
        ("/subscriptions/other", "other"),
        ("/providers/Microsoft.ResourceGraph/resources", "Microsoft.ResourceGraph/resources"),
    ],
)
def test_a_read_is_named_for_people(url: str, text: str) -> None:
    assert named(url, {"s": "prod"}) == text


def test_an_error_is_what_where_and_what_to_do() -> None:
    lines = [line.text for line in error_lines(InputError("it broke", at="file:3", do="fix it"))]
    assert lines == ["error: it broke", "--> file:3", "hint: fix it"]


def test_progress_goes_on_after_a_step_within_it() -> None:
    shown = screen(SimpleNamespace(now=0.0), {})
    shown.begin("Reading")
    with shown.busy("Storing", "a blob"):
        assert shown.progress.verb == "Storing"
    assert shown.progress.verb == "Reading"
    shown.finish()
    with shown.busy("Storing", "a blob"):
        pass
    assert shown.progress.verb == ""
