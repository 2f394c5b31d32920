"""What looks like a secret is masked in each line for people: logs, errors, tables, tracebacks, progress."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from scanner.cli import failures
from scanner.errors import AccessError, InputError
from scanner.terminal.lines import Line, error_lines
from scanner.terminal.progress import ProgressState
from scanner.terminal.screen import Screen
from scanner.terminal.tables import table
from scanner.text.masks import masked

ROOT = Path(__file__).parents[2]
URL = "https://st.blob.core.windows.net/c?sv=2022-11-02&sig=4b1Qz0canaryCANARY1234%3D&se=2027"
ARM = f"400 BadRequest: the URL {URL} does not work"


@pytest.mark.parametrize("quiet", [False, True])
def test_lines_of_a_screen(quiet: bool) -> None:
    stream = io.StringIO()
    screen = Screen(stream, {}, quiet=quiet, verbose=True)
    screen.log("gap", ARM)
    screen.write([Line(ARM)], "scope", ARM)
    screen.note_response("GET", URL, 200, 1.0)
    screen.gap(URL, 409, ARM, "")
    screen.tell(ARM)
    screen.plain([Line(ARM, "Account"), *error_lines(InputError(ARM, at=URL, do=ARM))])
    screen.last([Line(ARM, whole=True)])
    table([[ARM, URL]], stream, {})
    text = stream.getvalue()
    assert "canary" not in text
    assert text.count("sig=***&se=2027") == text.count("sig=")
    assert text.count("sig=") > 5


def test_the_block_of_progress() -> None:
    progress = ProgressState(0.0)
    progress.verb, progress.status = "Storing", lambda: URL
    assert "canary" not in str(progress.block(1.0, 200))


def test_an_error_and_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    for error in (AccessError(ARM), ValueError(ARM), OSError(5, ARM)):
        try:
            raise error
        except Exception as caught:  # noqa: BLE001
            failures.report(caught, ["--verbose"])
        text = capsys.readouterr().err
        assert "canary" not in text
        assert "sig=***" in text
        assert "Traceback" in text


def test_nothing_of_our_own_texts_is_masked() -> None:
    texts = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "rules").rglob("*.toml"), *(ROOT / "tests/rules").rglob("*.toml")]
    texts += [path for path in (ROOT / "tests" / "estate" / "expected").rglob("*") if path.is_file()]
    lines = [line for path in texts for line in path.read_text("utf-8").splitlines()]
    assert len(lines) > 20_000
    assert [line for line in lines if masked(line) != line] == []


HELP = """
import sys
from scanner.cli.app import main
try:
    main(["scan", "--help"])
except SystemExit:
    pass
from scanner.text import masks
print(masks._pattern.cache_info().currsize, "cryptography" in sys.modules, "msgspec" in sys.modules, file=sys.stderr)
"""


def test_help_compiles_no_pattern() -> None:
    here = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", HELP], env=here, capture_output=True, check=True)
    assert done.stderr.strip() == b"0 False False"
