"""Files of frameworks (`frameworks/*.toml` of a rules folder): each lists every control, and the rules that test it.

    name = "NSM 2.0"                 # the short name; then title, version, publisher, url, source, published
    [sections]
    "2.7" = "Protect data at rest and in transit"
    [controls]
    "2.7.1" = { in = "2.7", title = "A strategy for cryptography", not_testable = "process" }
    "2.7.4" = { in = "2.7", title = "Encrypt what is sent", tests = ["tls"], rest = "mail and networks of one's own" }
    "2.7.9" = { in = "2.7", title = "...", tests = ["tls"], wholly = true }

The control ids of a rule follow from these files; no other file names them.
"""

from functools import lru_cache
from pathlib import Path

import msgspec

from scanner.content import content
from scanner.model.framework import NOT_TESTABLE, Control, Framework
from scanner.model.rows import BadRow
from scanner.rulebook.row_files import RuleFiles, broken, read_toml, unfit

FOLDER = "frameworks"


class ControlData(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"section": "in"}):
    """A row of [controls]."""

    section: str
    title: str
    title_nb: str = ""
    """The title in Norwegian, where the framework itself is Norwegian."""
    tests: tuple[str, ...] = ()
    rest: str = ""
    wholly: bool = False
    not_testable: str = ""


class FrameworkData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file."""

    name: str
    title: str
    version: str
    publisher: str
    url: str
    source: str
    sections: dict[str, str]
    controls: dict[str, ControlData]
    published: int = 0
    listed: str = ""
    key: str = ""
    """Its name in `controls.toml` of a rules folder of one's own."""
    sections_nb: dict[str, str] = {}


def read_frameworks(folder: Path, files: RuleFiles) -> None:
    """Add the frameworks of a rules folder. What is wrong with a file is added to `broken`, and the file left out."""
    for file in sorted((folder / FOLDER).glob("*.toml")):
        tables, text = read_toml(file, files)
        if not tables:
            continue
        try:
            made = _framework(file.stem, msgspec.convert(tables, FrameworkData))
        except msgspec.ValidationError as error:
            files.broken.append(broken(file, text, (), unfit(error)))
        except BadRow as fault:
            files.broken.append(broken(file, text, ("controls",), fault))
        else:
            _add(made, str(tables.get("key") or made.id), files)


def _framework(id: str, data: FrameworkData) -> Framework:
    return Framework(
        id=id,
        name=data.name,
        title=data.title,
        version=data.version,
        publisher=data.publisher,
        url=data.url,
        source=data.source,
        published=data.published,
        listed=data.listed,
        sections=data.sections,
        sections_in={"nb": data.sections_nb} if data.sections_nb else {},
        controls={id: _control(id, row, data) for id, row in data.controls.items()},
    )


def _control(id: str, row: ControlData, data: FrameworkData) -> Control:
    """Return a control. Raise BadRow for one that contradicts itself."""
    if row.section not in data.sections:
        raise BadRow(f'unknown section "{row.section}"', id, word=row.section, known=data.sections)
    if row.not_testable and row.not_testable not in NOT_TESTABLE:
        raise BadRow(f'unknown reason "{row.not_testable}"', id, word=row.not_testable, known=NOT_TESTABLE)
    if row.tests and row.not_testable:
        raise BadRow("a control with tests is testable", id)
    if bool(row.tests) != (row.wholly != bool(row.rest)):
        raise BadRow("a control with tests has wholly = true, or the rest that they leave open", id)
    return Control(
        id=id,
        section=row.section,
        title=row.title,
        titles={"nb": row.title_nb} if row.title_nb else {},
        tests=row.tests,
        rest=row.rest,
        not_testable=row.not_testable,
    )


def _add(made: Framework, key: str, files: RuleFiles) -> None:
    files.catalogues[made.id] = made
    files.frameworks[key] = made.name
    for control in made.controls.values():
        for name in control.tests:
            ids = files.tested.setdefault(name, {}).setdefault(made.name, [])
            if control.id not in ids:
                ids.append(control.id)


@lru_cache(maxsize=1)
def catalogues() -> dict[str, Framework]:
    """Return the built-in frameworks by id, without loading rules."""
    files = RuleFiles()
    read_frameworks(content("rules"), files)
    return files.catalogues
