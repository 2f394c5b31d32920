"""Take the picture of the README from the report of the demo: `make docs`, where Chromium is installed."""

import subprocess
import sys
import tempfile
from pathlib import Path

CHROMIUM = Path("/usr/bin/chromium")
PICTURES = {"report.png": ""}
"""The pictures in docs/, by the view of the report that they show."""
WIDTH, HEIGHT = 1280, 800
FIXED_TIME = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode())
    walker.currentNode.data = walker.currentNode.data
      .replace(/\\b\\d{1,2} \\w+ 20\\d\\d\\b/g, "27 November 2026")
      .replace(/\\b20\\d\\d-\\d\\d-\\d\\d\\b/g, "2026-11-27")
      .replace(/\\b\\d\\d:\\d\\d\\b(?= *UTC)/g, "02:14");
}"""
"""Writes one date and time in place of those of the run, so that the same report gives the same picture."""


def take(folder: Path) -> list[str]:
    """Write the pictures that differ, and return their names."""
    from playwright.sync_api import sync_playwright

    changed = []
    with tempfile.TemporaryDirectory() as demo, sync_playwright() as playwright:
        command = [sys.executable, "-m", "scanner", "demo", "--quiet", "--dir", demo]
        subprocess.run(command, check=True)  # noqa: S603
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--disable-gpu"])
        page = browser.new_page(
            offline=True,
            viewport={"width": WIDTH, "height": HEIGHT},
            color_scheme="light",
            reduced_motion="reduce",
        )
        for name, view in PICTURES.items():
            page.goto(f"{Path(demo, 'report.html').as_uri()}{view}")
            page.evaluate(FIXED_TIME)
            picture = page.screenshot()
            path = folder / name
            if not path.is_file() or path.read_bytes() != picture:
                path.write_bytes(picture)
                changed.append(name)
        browser.close()
    return changed


def main() -> None:
    try:
        import playwright  # noqa: F401
    except ImportError:
        print("docs/*.png: not taken, because playwright is not installed (make lint installs it)", file=sys.stderr)
        return
    if not CHROMIUM.is_file():
        print(f"docs/*.png: not taken, because {CHROMIUM} is not installed", file=sys.stderr)
        return
    for name in take(Path("docs")):
        print(f"docs/{name}: new")


if __name__ == "__main__":
    main()
