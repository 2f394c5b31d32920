"""Generated pages: written, compared, and taken away when nothing makes them any more."""

from pathlib import Path

import click
import pytest

from docs import build as docs
from docs.build import MARK, compare, helps, main, write


def test_a_missing_an_old_and_a_stale_page_are_distinguished(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "old.md").write_text(MARK + "before")
    (tmp_path / "rules" / "gone.md").write_text(MARK + "a rule that is no more")
    (tmp_path / "architecture.md").write_text("by hand")
    wanted = {"old.md": "now", "rules/new.md": "new"}
    faults = compare(tmp_path, wanted)
    assert faults == {"old.md": "old", "rules/new.md": "missing", "rules/gone.md": "stale"}
    write(tmp_path, wanted, faults)
    assert compare(tmp_path, wanted) == {}
    assert (tmp_path / "architecture.md").read_text() == "by hand"
    assert not (tmp_path / "rules" / "gone.md").exists()


def test_check_writes_nothing_and_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(docs, "pages", lambda: iter([("page.md", "text")]))
    assert main(["--check"], tmp_path) == 1
    assert "page.md: missing" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0


def test_help_of_commands_below_commands_is_there() -> None:
    below = click.Group("rules", commands=[click.Command("list"), click.Command("show")])
    app = click.Group("twolocks", commands=[below, click.Command("secret", hidden=True)])
    assert [name for name, _ in helps(app, "twolocks", None)] == [
        "twolocks",
        "twolocks rules",
        "twolocks rules list",
        "twolocks rules show",
    ]
