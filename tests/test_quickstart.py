"""The steps of docs/quickstart.md that need no Azure account end as the page says."""

import calendar
import json
import re
import subprocess
from pathlib import Path

from scanner.config.commands import COMMANDS
from scanner.output.formats import FORMATS
from tests.processes import in_shell

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "quickstart.md").read_text("utf-8")
DEMO = next(str(option.default) for option in COMMANDS["demo"].options if option.name == "dir")
"""Where the demo writes unless it is told."""
LOCAL = {"2": 1, "3": 0, "4": 1, "5": 0}
"""The exit code of the last command of each step that runs on the sample environment."""


def step(number: str) -> str:
    match = re.search(rf"^## {number}\. .*?```sh\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
    assert match
    return match[1]


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run lines of the page with the command of this working copy."""
    command = ["bash", "-c", f'twolocks() {{ {in_shell()} "$@"; }}\n{script}']
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_each_step_ends_as_the_page_says(demo_folder: Path, tmp_path: Path) -> None:
    (tmp_path / DEMO).symlink_to(demo_folder)
    ended = {number: run(step(number), tmp_path) for number in LOCAL}
    assert {number: each.returncode for number, each in ended.items()} == LOCAL, ended
    assert "1 waived" in ended["4"].stdout + ended["4"].stderr
    assert "exit 3" in ended["5"].stderr
    assert "baseline" in ended["5"].stderr


def test_what_the_readme_asks_is_what_the_page_asks() -> None:
    asked = re.search(r"twolocks reach .*", step("3"))
    assert asked
    assert asked[0] in (ROOT / "README.md").read_text("utf-8")


def test_the_numbers_are_those_of_the_sample(demo_folder: Path) -> None:
    gaps = json.loads((demo_folder / "findings.json").read_bytes())["gaps"]
    assert f"({len(gaps)} reads fail in the sample" in PAGE
    assert sum(gap["status"] == 403 for gap in gaps) > len(gaps) / 2
    size = (ROOT / "docs" / "sample" / "report.html").stat().st_size / 1e6
    assert f"({size:.1f} MB)" in (ROOT / "README.md").read_text("utf-8")


def test_the_waiver_ends_in_the_month_of_its_reason() -> None:
    for page in (PAGE, *(path.read_text("utf-8") for path in (ROOT / "docs" / "waivers.md", ROOT / "README.md"))):
        for month, expires in re.findall(r'--reason "\w+ in (\w+)".*?--expires \d{4}-(\d\d)', page):
            assert calendar.month_name[int(expires)] == month


def test_every_format_is_in_the_list_of_pages() -> None:
    row = next(line for line in (ROOT / "docs" / "README.md").read_text("utf-8").splitlines() if "[formats.md]" in line)
    names = {each.suffix.removeprefix(".").split(".")[0].upper() for each in FORMATS}
    assert [name for name in names if name.replace("MD", "MARKDOWN") not in row.upper()] == []
