"""Write the HTML report: one file that opens from disk, loads nothing and runs only its own script."""

import base64
import hashlib
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from scanner.content import content
from scanner.document.schema import Document
from scanner.evaluate.cycle_collector import without_cycle_collector
from scanner.report.cards import rating_word
from scanner.report.localized import localized
from scanner.report.page import cell_label, context
from scanner.report.text import escaped
from scanner.report.words import Words

_STYLES = ("tokens.css", "page.css", "matrix.css", "cards.css", "changes.css", "print.css")
_SCRIPTS = (
    "words.js", "dom.js", "data_block.js", "query.js", "state.js", "path.js", "endpoints.js", "finding_card.js",
    "groups.js", "findings.js", "changes.js", "print.js", "keys.js", "main.js",
)  # fmt: skip


def write_html(
    document: Document, out: IO[bytes] | Path, language: str = "en", *, own_actions: Collection[str] = ()
) -> None:
    """Write the report of a findings document as UTF-8. The same document gives the same bytes.

    `own_actions`: those of the user's own rules (lower case) that the role to copy may hold.

    Raises OSError where `out` cannot be written. Nothing is written before the whole page is made.
    """
    with without_cycle_collector():
        words = Words(language)
        page = render(localized(document, words), words, own_actions).encode("utf-8", "backslashreplace")
    if isinstance(out, Path):
        out.write_bytes(page)
    else:
        out.write(page)


def render(document: Document, words: Words, own_actions: Collection[str] = ()) -> str:
    """Return the page as text."""
    css, head_script = joined(_STYLES), joined(["head.js"])
    script = '"use strict";(() => {\n' + joined(_SCRIPTS) + "})();\n"
    environment = template_environment(content("templates") / "report", keep_trailing_newline=True)
    filters: dict[str, Callable[..., Any]] = {
        "query_href": lambda query: href("findings", query),
        "cell_href": lambda cell: href("endpoints", cell.query),
        "cell_label": partial(cell_label, words),
        "rating_word": partial(rating_word, words),
    }
    environment.filters |= filters
    environment.globals |= {"t": words, "n": words.number}
    return environment.get_template("report.html.j2").render(
        css=trusted(css),
        head_script=trusted(head_script),
        script=trusted(script),
        csp=policy(css, head_script, script),
        sprite=trusted(joined(["sprite.svg"])),
        **context(document, words, own_actions),
    )


def template_environment(folder: Path, *, keep_trailing_newline: bool = False) -> jinja2.Environment:
    """Return an environment for the templates of a folder that escapes text and knows the filter `escaped`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=keep_trailing_newline,
    )
    filters: dict[str, Callable[..., Any]] = {"escaped": escaped}
    environment.filters |= filters
    return environment


def href(view: str, query: str) -> str:
    """Return the hash of a view with a filter, as `state.js` writes it."""
    return f"#{view}?q={quote(query, safe=':,/').replace('%20', '+')}"


def trusted(text: str) -> Markup:
    """Return the text of a file of this project as markup."""
    return Markup(text)  # noqa: S704


def joined(names: Sequence[str]) -> str:
    """Return the texts of files of `templates/report`, one after the other."""
    folder = content("templates") / "report"
    return "".join((folder / name).read_text("utf-8") for name in names)


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def policy(css: str, *scripts: str) -> str:
    """Return the content security policy that allows these styles and scripts alone."""
    allowed = f"script-src {' '.join(map(_hash, scripts))}; " if scripts else ""
    return f"default-src 'none'; {allowed}style-src {_hash(css)}; base-uri 'none'; form-action 'none'"
