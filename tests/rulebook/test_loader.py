"""The built-in rules are loaded once; what is forgotten is loaded again, with its modules."""

import subprocess
import sys

SCRIPT = """
import sys
from pathlib import Path
from scanner.rulebook.loader import load
from scanner.rulebook.new_rule import loaded

load(packages=False)
loaded(Path(sys.argv[1]), built_in=False)
load(packages=False)
from scanner.rules.storage import ACCOUNT
assert any(rule.resource_type is ACCOUNT for rule in load(packages=False).rules.values())
"""


def test_rules_that_were_forgotten_are_modules_again(tmp_path: object) -> None:
    """A user's file that imported a built-in one failed with ModuleNotFoundError after `rules new`."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
