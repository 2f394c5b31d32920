"""The SDKs of single services: `sdks = [...]`, the first line of the examples of a service. `make lock` pins them.

They serve tests only, which compare the reads and the paths of rules with them (`make paths`, `test_drift.py`).
"""

import tomllib
from pathlib import Path

CASES = Path(__file__).parents[1] / "rules" / "cases"


def sdks() -> list[str]:
    """Return the names of the packages, sorted."""
    # Only what stands before the first table: whole files take a second of each process of the suite.
    files = (tomllib.loads(path.read_text("utf-8").partition("\n[")[0]) for path in CASES.glob("*.toml"))
    return sorted({name for file in files for name in file.get("sdks", ())})


if __name__ == "__main__":
    print("\n".join(sdks()))
