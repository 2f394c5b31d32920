"""Write the HTML report: one file that opens from disk, loads nothing and runs only its own script."""

import base64
import hashlib
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import cache, partial
from importlib.metadata import version
from importlib.util import cache_from_source
from itertools import chain
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import jinja2
from jinja2.bccache import Bucket
from markupsafe import Markup

from scanner.content import content
from scanner.cycle_collector import without_cycle_collector
from scanner.document.schema import Document
from scanner.report.html.concepts import marked
from scanner.report.html.data_block import DataBlock
from scanner.report.html.packing import Packer
from scanner.report.html.page import cell_label, context, first_pass
from scanner.report.language.localized import localized
from scanner.report.language.text import escaped, with_code
from scanner.report.language.words import Words
from scanner.report.views.cards import rating_word
from scanner.store.temporary import AtomicFile

_STYLES = (
    "tokens.css", "page.css", "first.css", "matrix.css", "cards.css", "table.css", "changes.css", "map.css",
    "places.css", "encryption_keys.css", "capacity.css", "frameworks.css", "print.css", "print_first.css",
)  # fmt: skip
_SCRIPTS = (
    "words.js", "dom.js", "data_block.js", "query.js", "state.js", "path.js", "links.js", "tabs.js", "table.js",
    "endpoints.js", "finding_card.js", "csv.js", "script.js", "selection.js", "facets.js", "groups.js", "findings.js",
    "changes.js", "legend.js", "map_model.js", "map_edges.js", "map.js", "frameworks.js", "print.js", "keys.js",
    "main.js",
)  # fmt: skip


_ISLAND, _MORE = (b'<script type="application/octet-stream" id="%b">' % id for id in (b"island", b"island-more"))
"""Where the data block is written, and below the script, what no first drawing needs."""
_FOR_READERS = re.compile(r"^[ ]*//.*\n|^[ ]*/\*(?s:.*?)\*/\n|^[ ]+|^\n", re.MULTILINE)
"""Comments on lines of their own, indentation and empty lines of a script or style."""
_CSS_SPACES = re.compile(r" *(\{) *|;? *(\})|(;) +")
"""Spaces in styles that mean nothing. No text of a style has a brace or a semicolon."""
_SHORT_ACTION = 45
"""Characters of an action on the first screen."""


def write_html(
    document: Document, out: IO[bytes] | Path, language: str = "en", *, custom_actions: Collection[str] = ()
) -> None:
    """Write the report of a findings document as UTF-8. The same document gives the same bytes.

    `custom_actions`: those of the user's own rules (lower case) that the role to copy may hold.

    Raises OSError where `out` cannot be written. Nothing is written before the page is made; only its data block is
    packed while it is written.
    """
    with without_cycle_collector():
        words = Words(language)
        pieces = page_pieces(localized(document, words), words, custom_actions, document)
        first = next(pieces)
        with out.open("wb") if isinstance(out, Path) else nullcontext(out) as file:
            file.writelines(chain((first,), pieces))


def render(document: Document, words: Words, custom_actions: Collection[str] = ()) -> str:
    """Return the page as text."""
    return b"".join(page_pieces(document, words, custom_actions)).decode()


def page_pieces(
    document: Document, words: Words, custom_actions: Collection[str] = (), english: Document | None = None
) -> Iterator[bytes]:
    """Yield the page in pieces: what stands before the data block, the data block as it is packed, the rest.

    `english`: the document before it was put into another language, for the script of its fixes.

    The data block is two: the script between them starts on the first while the browser still reads the second. The
    first is everything but fingerprints; of a large report it is what the first pages need.
    """
    result = first_pass(document)
    variables = context(document, words, result, custom_actions)
    page = _without_data(words, variables).encode("utf-8", "backslashreplace")
    findings = result.findings if english is None or english is document else result.findings.of(english.findings)
    block = DataBlock(document, result.exposures, result.findings, findings)
    first, more = (block.first, block.rest) if block.is_large else (block.export, block.fingerprints)
    exported = first(words)
    head, island, rest = page.rpartition(_ISLAND)
    script, more_island, tail = rest.rpartition(_MORE)
    yield head + island
    yield from Packer(exported).pack()
    yield script + more_island
    yield from Packer(more()).pack()
    yield tail


def _without_data(words: Words, variables: Mapping[str, Any]) -> str:
    """Return the page with an empty data block."""
    css, head_script = joined(_STYLES), joined(["head.js"])
    script = '"use strict";(() => {\n' + joined(_SCRIPTS) + "})();\n"
    return (
        _environment(words)
        .get_template("report.html.j2")
        .render(
            css=trusted(css),
            head_script=trusted(head_script),
            script=trusted(script),
            csp=policy(css, head_script, script),
            sprite=trusted(joined(["sprite.svg"])),
            **variables,
        )
    )


def _environment(words: Words) -> jinja2.Environment:
    """Return the environment of the page's templates."""
    environment = template_environment(content("templates") / "report", keep_trailing_newline=True)
    filters: dict[str, Callable[..., Any]] = {
        "query_href": lambda query: href("findings", query),
        "cell_href": lambda cell: href("endpoints", cell.query),
        "cell_label": partial(cell_label, words),
        "rating_word": partial(rating_word, words),
        "command_words": command_words,
        "short_action": short_action,
        "marked": marked,
    }
    environment.filters |= filters
    environment.globals |= {"t": words, "n": words.number}
    return environment


class _CompiledTemplates(jinja2.BytecodeCache):
    """Keeps compiled templates in memory, and beside the templates as Python keeps compiled modules: compiling them is
    most of the work of a small report, and of each part.
    """

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], Any] = {}
        self.are_files_written = not sys.dont_write_bytecode
        self._suffix = f".{sys.implementation.cache_tag}.{version('jinja2')}.jinja"

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill a bucket of Jinja with what is kept for its template, if anything is. A file of another source, of other
        versions of Jinja and Python, and one that is damaged are not used.
        """
        bucket.code = self._codes.get((bucket.key, bucket.checksum))
        if bucket.code is None:
            with suppress(Exception), self._file(bucket).open("rb") as file:
                bucket.load_bytecode(file)
                self._codes[bucket.key, bucket.checksum] = bucket.code

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what Jinja has compiled. Where the file cannot be written, in memory alone."""
        self._codes[bucket.key, bucket.checksum] = bucket.code
        if not self.are_files_written:
            return
        with suppress(OSError):
            path = self._file(bucket)
            path.parent.mkdir(parents=True, exist_ok=True)
            with AtomicFile(path) as file:
                bucket.write_bytecode(file)

    def _file(self, bucket: Bucket) -> Path:
        """Return where a compiled template is: in the folder of compiled modules, or where its setting puts these."""
        beside = Path(cache_from_source(str(content("templates") / "template.py")))
        return beside.with_name(bucket.key + self._suffix)


_COMPILED = _CompiledTemplates()


def compile_templates() -> None:
    """Compile the templates of reports into files, as `compileall` does with modules."""
    _COMPILED.are_files_written = True
    environment = _environment(Words("en"))
    for name in environment.list_templates(extensions=("j2",)):
        environment.get_template(name)


def template_environment(folder: Path, *, keep_trailing_newline: bool = False) -> jinja2.Environment:
    """Return an environment for the templates of a folder that escapes text and knows the filter `escaped`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        bytecode_cache=_COMPILED,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=keep_trailing_newline,
    )
    filters: dict[str, Callable[..., Any]] = {"escaped": escaped, "with_code": with_code}
    environment.filters |= filters
    return environment


def command_words(text: str) -> Markup:
    """Return a command as HTML, each word and each segment of an id as one box; as `commandText` in `dom.js`."""
    return Markup("<bdi>{}</bdi>").format(Markup("").join(map(_word, re.split("( +|\n)", text))))


def _word(word: str) -> Markup | str:
    if "/subscriptions/" in word:
        # The short tag, because a page has thousands of segments.
        return Markup("").join(Markup("<i>{}</i>").format(segment) for segment in re.split(r"(?<=\w/)(?=\w)", word))
    return Markup('<span class="word">{}</span>').format(word) if re.search(r"[^\w\s]", word, re.ASCII) else word


def short_action(action: str) -> str:
    """Return a long action without its middle: `Microsoft.Storage/.../containers/read`."""
    segments = action.split("/")
    if len(action) <= _SHORT_ACTION or len(segments) < 4:
        return action
    return "/".join([segments[0], "...", *segments[-2:]])


def href(view: str, query: str) -> str:
    """Return the hash of a view with a filter, as `state.js` writes it."""
    return f"#{view}?q={quote(query, safe=':,/').replace('%20', '+')}"


def trusted(text: str) -> Markup:
    """Return the text of a file of this project as markup."""
    return Markup(text)  # noqa: S704


def joined(names: Sequence[str]) -> str:
    """Return the texts of files of `templates/report`, one after the other, without what serves only a reader of the
    source. No text of these files spans lines.
    """
    return "".join(map(_shortened, names))


@cache
def _shortened(name: str) -> str:
    text = _FOR_READERS.sub("", (content("templates") / "report" / name).read_text("utf-8"))
    return _CSS_SPACES.sub(r"\1\2\3", text) if name.endswith(".css") else text


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def policy(css: str, *scripts: str) -> str:
    """Return the content security policy that allows these styles and scripts alone."""
    allowed = f"script-src {' '.join(map(_hash, scripts))}; " if scripts else ""
    return f"default-src 'none'; {allowed}style-src {_hash(css)}; base-uri 'none'; form-action 'none'"
