"""Stage the pages for the web site: `make site`. They keep their places, so that links hold.

`python -m docs.site` runs from the root of a working copy and writes build/pages.
"""

import re
import shutil
from functools import partial
from pathlib import Path

STAGE = Path("build/pages")
PAGES = (
    "*.md",
    "docs/**/*.md",
    "docs/*.png",
    "docs/*.svg",
    "docs/*.json",
    "docs/*.js",
    "docs/sample/*.html",
    "deploy/*/README.md",
    "LICENSE",
)
_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)#:\s]*)(#[^)]*)?\)")


def stage(root: Path, target: Path) -> None:
    """Copy the pages, and each file that they link to. A link to a folder leads to its README.md, if any."""
    shutil.rmtree(target, ignore_errors=True)
    pages = [path for pattern in PAGES for path in sorted(root.glob(pattern)) if path.is_file()]
    for page in pages:
        copy = target / page.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if page.suffix != ".md":
            shutil.copyfile(page, copy)
            continue
        copy.write_text(_LINK.sub(partial(_link, root, target, page), page.read_text("utf-8")), "utf-8")


def _link(root: Path, target: Path, page: Path, found: re.Match[str]) -> str:
    text, link, anchor = found[1], found[2], found[3] or ""
    if not link:
        return found[0]
    place = (page.parent / link).resolve()
    if place.is_dir():
        if not (place / "README.md").is_file():
            return text.removesuffix("(").lstrip("!").strip("[]")
        return f"{text}{link.rstrip('/')}/README.md{anchor})"
    if place.suffix != ".md" and place.is_file():
        copy = target / place.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(place, copy)
    return found[0]


def main() -> None:
    stage(Path.cwd(), Path.cwd() / STAGE)


if __name__ == "__main__":
    main()
