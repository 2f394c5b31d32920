"""The attacks of docs/dev/attacks.md against this checkout; those that take longer run by `python -m tests.attacks`.

Each starts processes. `make test` tries one in two, because each names a test that fails where it is not held, and
that test runs there.
"""

from pathlib import Path

import pytest

from tests.attacks import folders
from tests.attacks.__main__ import ROOT, chosen
from tests.attacks.lab import Attack, Lab
from tests.sampled import some

STUB = """
import sys
from pathlib import Path
if "--snapshot" in sys.argv:
    Path("taken.jsonl").touch()
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(ROOT, tmp_path_factory.mktemp("attacks"))


QUICK = [each for each in chosen() if not each.slow]


@pytest.mark.parametrize("attack", some(QUICK, len(QUICK) // 2), ids=lambda attack: attack.name)
def test_this_checkout_holds(attack: Attack, lab: Lab) -> None:
    outcome = attack.run(lab)
    assert not outcome.fell, outcome


def test_a_command_that_finds_nothing_falls(tmp_path: Path) -> None:
    (tmp_path / "stub" / "scanner").mkdir(parents=True)
    (tmp_path / "stub" / "scanner" / "__init__.py").touch()
    (tmp_path / "stub" / "scanner" / "__main__.py").write_text(STUB)
    outcome = folders.settings_never_fail(Lab(tmp_path / "stub", tmp_path))
    assert (outcome.fell, outcome.code) == (True, 0)


def test_each_attack_names_a_test_and_is_in_the_table() -> None:
    table = (ROOT / "docs" / "dev" / "attacks.md").read_text("utf-8")
    for each in chosen():
        file, _, name = each.test.partition("::")
        assert f"\ndef {name}(" in (ROOT / file).read_text("utf-8"), each.test
        assert f"\n| {each.name} |" in table
        assert f"`{name}` in `{file}`" in table
