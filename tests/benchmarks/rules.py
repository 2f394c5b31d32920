"""CPU time of loading rules, in a fresh process: `python -m tests.benchmarks.rules COUNT`.

COUNT rules by copies of the rows; 0 for the built-in rules as they are.
"""

import json
import re
import shutil
import sys
import tempfile
import time
import tomllib
from pathlib import Path

import scanner.evaluate.run  # noqa: F401 - a scan has imported it, and with it what rule files import
from scanner.content import content
from scanner.rulebook import loader


def copied(folder: Path, count: int) -> Path:
    """Copy the built-in rules, and their rows again under other ids until there are at least `count` rules."""
    made = folder / "rules"
    shutil.copytree(content("rules"), made, ignore=shutil.ignore_patterns("__pycache__"))
    paths = [path for path in (*made.glob("*.toml"), *made.glob("tables/*.toml")) if path.name != loader.CONTROLS]
    texts = {path: path.read_text("utf-8") for path in paths}
    have = sum(map(rows, texts.values()))
    for number in range(1, 1 + count // have):
        for path, text in texts.items():
            if have < count:
                with path.open("a", encoding="utf-8") as file:
                    file.write(f"\n{renamed(text, number)}")
                have += rows(text)
    return made


def rows(text: str) -> int:
    """Return the number of rules in a file of rows."""
    tables = tomllib.loads(text)
    shared = tables.pop("table", {})
    matches = [*tables.values(), *(row for table in shared.values() for row in table["rows"].values())]
    return sum(len(row["types"]) if "types" in row else 1 for row in matches)


def renamed(text: str, number: int) -> str:
    """Return a file of rows with other ids."""
    text = re.sub(r"^(\[+table\.[\w-]+)(\.rows\.[\w-]+)?", rf"\g<1>-{number}\g<2>", text, flags=re.M)
    text = re.sub(r"^(\[+(?!table\.)[\w-]+|\[+table\.[\w-]+\.rows\.[\w-]+)", rf"\g<1>-{number}", text, flags=re.M)
    text = re.sub(r'(was = \["[\w-]+)"', rf'\g<1>-{number}"', text)
    return re.sub(r"^([\w-]+)( = \{ (?:what|product))", rf"\g<1>-{number}\g<2>", text, flags=re.M)


def main(count: int) -> None:
    """Print the number of rules, and the milliseconds of CPU that loading them took."""
    sys.dont_write_bytecode = False
    with tempfile.TemporaryDirectory() as folder:
        rules = copied(Path(folder), count)
        loader.load(code=[rules], built_in=False, packages=False)  # writes the bytecode, as an installation does
        for name in [name for name in sys.modules if name.startswith("scanner.rules_user_0")]:
            del sys.modules[name]
        start = time.process_time()
        rule_set = loader.load(code=[rules], built_in=False, packages=False)
        spent = time.process_time() - start
    assert not rule_set.broken, rule_set.broken[0]
    print(json.dumps({"rules": len(rule_set.rules), "cpu_ms": round(spent * 1000, 1)}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
