"""The fixes of property rules on top-level resources, made once for all resources whose ids differ by plain names.

What the plain functions say of one such resource they say of the others, with other names. So they are asked about a
resource with made-up names, and the names in their answer are the places of real ones.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from msgspec import Struct

from scanner.document.schema import FixRow, PlaceRow
from scanner.evaluate.bicep import Versions, bicep_of, is_of_scalars, needs_more, versions_of
from scanner.evaluate.fix_rows import MOST_OTHERS, fix_row
from scanner.evaluate.remedies import rule_remedy, templates_of
from scanner.evaluate.set_commands import depends_on_body, first_missing
from scanner.model.ids import type_of
from scanner.model.remedy import Edit, Remedy
from scanner.model.resource import Bundle, Resource
from scanner.model.resource_type import ResourceType
from scanner.model.rule import Rule

_PLAIN = re.compile(r"(?:/[A-Za-z0-9_.-]+)+", re.ASCII)
"""Ids that stand as they are in commands, steps and Bicep: nothing in them is quoted, a field or a placeholder."""
_PLACE: Final = re.compile(r"zQ(\d+)Qz|zq2qz")
"""A made-up name, and the made-up subscription in lower case, as commands have it."""
_LEFT: Final = re.compile(r"zq\d+qz", re.IGNORECASE)
_MOST = 4096
"""How many forms are kept."""


class PlainId(NamedTuple):
    """An id in parts. `structure`: the id with made-up names. `words`: the names, by their place in the structure."""

    structure: str
    words: dict[str, str]


def plain_id(id: str) -> PlainId | None:
    """Return the parts of a plain id of a resource in a resource group; None of any other id."""
    if _PLAIN.fullmatch(id) is None or id.lower().count("/providers/") != 1:
        return None
    parts = id.split("/")
    if len(parts) < 9 or not len(parts) % 2 or parts[5] != "providers" or parts[3].lower() != "resourcegroups":
        return None
    words = {"id": id, "subscription": parts[2].lower()}
    for place in (2, 4, *range(8, len(parts), 2)):
        words[str(place)] = parts[place]
        parts[place] = f"zQ{place}Qz"
    return PlainId("/".join(parts), words)


class Form(Struct, frozen=True):
    """A fix with places for names, in templates of the operator `%`. `bicep`: None where it depends on more."""

    row: FixRow
    narrows: bool
    commands: tuple[str, ...]
    steps: tuple[str, ...]
    check_first: str
    bicep: str | None
    edits: tuple[tuple[str, Edit], ...]
    """What is changed, after the template of the resource's id."""
    below: tuple[str, ...]
    """What follows the id (lower case) of each resource whose body may change the Bicep."""

    def remedy(self, words: dict[str, str]) -> Remedy:
        """Return the remedy of a resource."""
        return Remedy(
            tuple([each % words for each in self.commands]),
            tuple([each % words for each in self.steps]),
            tuple([Edit(id % words, edit.path, edit.value, edit.entry) for id, edit in self.edits]),
            narrows=self.narrows,
            impact=self.row.impact,
            of_rule=self.row.of_rule,
        )

    def fix(
        self, remedy: Remedy, words: dict[str, str], top: Resource, also: list[PlaceRow], versions: Versions
    ) -> FixRow:
        """Return the fix of a resource. `also`: the endpoints that it closes."""
        is_known = self.bicep is not None and all(_is_plain(top, each) for each in self.below)
        return FixRow(
            commands=list(remedy.commands),
            steps=list(remedy.steps),
            fields=list(self.row.fields),
            check_first=self.check_first % words,
            also_closes_count=len(also),
            also_closes=also[:MOST_OTHERS],
            impact=self.row.impact,
            of_rule=self.row.of_rule,
            bicep=self.bicep % words
            if is_known and self.bicep
            else ""
            if is_known
            else bicep_of(remedy, top, versions),
        )


class FixForms:
    """The forms of the fixes of rules. `versions`: of the types, for Bicep."""

    def __init__(self, versions: Versions) -> None:
        self.versions = versions
        self._known: dict[tuple[Rule, str, int], Form | None] = {}

    def of(self, rule: Rule, id: PlainId, top: Resource) -> Form | None:
        """Return the form of a rule's fix for a resource; None where only the plain functions know it."""
        templates = templates_of(rule.fix.az)
        missing = first_missing(templates[0], top, top) if templates is not None and len(templates) == 1 else -1
        key = rule, id.structure, missing
        if key in self._known:
            return self._known[key]
        if len(self._known) >= _MOST:
            self._known.clear()
        made = self._known[key] = self._made(rule, id.structure, missing)
        return made

    def _made(self, rule: Rule, structure: str, missing: int) -> Form | None:
        fix = rule.fix
        templates = templates_of(fix.az) or ()
        if rule.subject is not None or fix.delete or (len(templates) == 1 and depends_on_body(templates[0])):
            return None
        if any("{location" in each for each in (*templates, *fix.steps, fix.check_first)):
            return None
        top = Resource({"id": structure, "properties": {}}, bundle=Bundle(structure.lower()))
        remedy = rule_remedy(rule, top, top, missing)
        row = fix_row(rule, remedy, top, top, versions=self.versions)
        edits = [each for each in remedy.changes if isinstance(each, Edit)]
        is_said = all(each.resource.lower().count("/providers/") == 1 for each in edits)
        is_scalar = all(each.resource.startswith(structure) for each in edits) and is_of_scalars(edits)
        is_scalar &= not any(needs_more(type_of(each.resource).lower(), edits) for each in edits)
        form = Form(
            row,
            remedy.narrows,
            tuple([_template(each, structure) for each in remedy.commands]),
            tuple([_template(each, structure) for each in remedy.steps]),
            _template(row.check_first, structure),
            _template(row.bicep, structure) if is_scalar or not is_said else None,
            tuple([(_template(each.resource, structure), each) for each in edits]),
            tuple({each.resource.removeprefix(structure).lower() for each in edits}) if is_said else (),
        )
        texts = [*form.commands, *form.steps, form.check_first, form.bicep or ""]
        texts += [text for id, edit in form.edits for text in (id, edit.path, repr(edit.value), repr(edit.entry))]
        return None if any(map(_LEFT.search, texts)) else form


def forms_of(kinds: Iterable[ResourceType]) -> FixForms:
    """Return the forms of all evaluations with these types."""
    known = tuple(kinds)
    return _forms(known, sum(len(kind.children) for kind in known))


@lru_cache(maxsize=4)
def _forms(kinds: tuple[ResourceType, ...], children: int) -> FixForms:
    """Return the same. `children`: the number of reads, so that one that is added later is not left out."""
    return FixForms(versions_of(kinds))


def _is_plain(top: Resource, below: str) -> bool:
    """Return whether the resource at a path below another one is not known, or its body is whole."""
    found = top.bundle.resources.get(top.key + below)
    return found is None or type(found.body) is dict


def _template(text: str, structure: str) -> str:
    """Return a text with places for the id and the names in it."""
    escaped = text.replace("%", "%%").replace(structure, "%(id)s")
    return _PLACE.sub(lambda hit: f"%({hit[1] or 'subscription'})s", escaped)
