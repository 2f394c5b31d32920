"""Every `az` command of deploy/ and docs/operating.md, as `scanner/azure/az_parser.py` takes them: `make commands`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from tests.deploy.files import DEPLOY, ROOT, files

FENCED = re.compile(r"^```sh\n(.*?)^```", re.M | re.S)
WITHIN = re.compile(r"\$\((az .*?)\)\s*$")
CODE = re.compile(r"`(az [^`]+)`")


def commands(page: Path) -> Iterator[str]:
    """The commands of a page: of its blocks, those within `$(...)` too, and of its sentences."""
    text = page.read_text("utf-8")
    for block in FENCED.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            match = WITHIN.search(line)
            command = (match[1] if match else line).split(" # ")[0].strip()
            if command.startswith("az "):
                yield command
    yield from CODE.findall(FENCED.sub("", text))


if __name__ == "__main__":
    for page in [*files("*.md", below=DEPLOY), ROOT / "docs" / "operating.md"]:
        for command in commands(page):
            print(json.dumps({"where": page.relative_to(ROOT).as_posix(), "command": command}))
