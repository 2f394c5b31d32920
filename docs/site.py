"""Stage the pages for the web site: `make site`. They keep their places, so that links hold.

`python -m docs.site` runs from the root of a working copy and writes build/pages. The site has a page for each rule and
framework, which the repository does not have; the id of one, in code, becomes a link to its page. Pages for builders
(docs/dev) are in the repository alone; a link to one becomes its text and the path of the page.
"""

import os
import re
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from docs.build import site_pages

STAGE = Path("build/pages")
NOT_STAGED = Path("docs/dev")
PAGES = (
    "*.md",
    "docs/*.md",
    "docs/decisions/*.md",
    "docs/frameworks/*.md",
    "docs/rules/*.md",
    "docs/*.png",
    "docs/*.svg",
    "docs/*.json",
    "docs/*.js",
    "docs/sample/*.html",
    "deploy/*/README.md",
    "LICENSE",
)
_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)#:\s]*)(#[^)]*)?\)")


_CODE = re.compile(r"(?<![\[`])`([a-z0-9][a-z0-9.-]*)`(?![\]`])")
_BLOCK = re.compile(r"(^ *```.*?^ *```[^\n]*$)", re.DOTALL | re.MULTILINE)


def stage(root: Path, target: Path, made: Mapping[str, str]) -> None:
    """Copy the pages, and each file that they link to. A link to a folder leads to its README.md, if any.

    `made`: pages that only the site has, by their path from docs/.
    """
    shutil.rmtree(target, ignore_errors=True)
    named = {Path(name).stem: Path("docs") / name for name in made}
    pages = [path for pattern in PAGES for path in sorted(root.glob(pattern)) if path.is_file()]
    for page in pages:
        copy = target / page.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if page.suffix != ".md":
            shutil.copyfile(page, copy)
            continue
        text = _LINK.sub(partial(_link, root, target, page), page.read_text("utf-8"))
        copy.write_text(linked(text, page.relative_to(root), named), "utf-8")
    for name, text in made.items():
        page = Path("docs") / name
        (target / page).parent.mkdir(parents=True, exist_ok=True)
        (target / page).write_text(linked(text, page, named), "utf-8")


def linked(text: str, page: Path, named: Mapping[str, Path]) -> str:
    """Return the text of a page in which each id of `named` that stands in code leads to its page."""

    def link(match: re.Match[str]) -> str:
        to = named.get(match[1])
        return match[0] if to in (None, page) else f"[{match[0]}]({Path(os.path.relpath(to, page.parent)).as_posix()})"

    return "".join(
        block if block.lstrip(" ").startswith("```") else _CODE.sub(link, block) for block in _BLOCK.split(text)
    )


def _link(root: Path, target: Path, page: Path, match: re.Match[str]) -> str:
    text, link, anchor = match[1], match[2], match[3] or ""
    if not link:
        return match[0]
    target_path = (page.parent / link).resolve()
    plain = text.removesuffix("(").lstrip("!").strip("[]")
    if target_path.is_relative_to(root / NOT_STAGED):
        path = f"`{target_path.relative_to(root).as_posix()}`"
        return path if plain == link else f"{plain} ({path})"
    if target_path.is_dir():
        if not (target_path / "README.md").is_file():
            return plain
        return f"{text}{link.rstrip('/')}/README.md{anchor})"
    if target_path.suffix != ".md" and target_path.is_file():
        copy = target / target_path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(target_path, copy)
    return match[0]


def main() -> None:
    stage(Path.cwd(), Path.cwd() / STAGE, dict(site_pages()))


if __name__ == "__main__":
    main()
