"""What the words and numbers of a result mean, as tables: the legend of the report and docs/concepts.md."""

import re

from markupsafe import Markup
from msgspec import Struct

from scanner.model.levels import Auth, EndpointKind, Reach, cell
from scanner.report.language.words import Words
from scanner.report.views.summary import COLUMNS, ROWS

STATES = ("open", "unknown", "waived", "intended", "closed")
NUMBERS = {
    "endpoints": "`endpoints`, `states`", "severities": "`severities`", "public": "`public`",
    "public_apps": "`public_apps`", "nearly_public": "`nearly_public`", "shared_key_only": "`shared_key_only`",
    "accepted_public": "`accepted_public`", "unknown": "`states.unknown`", "in_part": "`in_part`",
    "not_fully_assessed": "`not_fully_assessed`", "other_findings": "`other_findings`",
    "open_items": "`severities` + `other_findings`", "checks": "`checks`", "inconclusive": "`inconclusive`",
    "gaps": "`gaps`",
}  # fmt: skip
"""The numbers with their places in JSON."""
_JSON = {"app_open": "`anonymous`", "app_guarded": "`shared` or `identity`"}
_MARKS = re.compile(r"\*\*(.+?)\*\*|\*(.+?)\*|`(.+?)`")
_TAGS = (Markup("<strong>{}</strong>"), Markup("<em>{}</em>"), Markup("<code>{}</code>"))
_REACHES = (Reach.internet, Reach.azure, Reach.wide, Reach.selected, Reach.private, Reach.none)


class Term(Struct, frozen=True):
    """A word as people read it, its value or place in JSON, and its meaning; `json` and `text` are Markdown."""

    name: str
    word: str
    json: str
    text: str


class Concepts(Struct, frozen=True):
    """The tables in one language. `severities`: of each row of the matrix, "" where it is closed."""

    networks: list[Term]
    authentications: list[Term]
    states: list[Term]
    numbers: list[Term]
    columns: list[str]
    severities: list[tuple[str, list[str]]]


def concepts(t: Words) -> Concepts:
    """Return the tables in the language of the words."""
    return Concepts(
        [Term(each, t("column." + each), f"`{each}`", t("concept_network." + each)) for each in COLUMNS],
        [
            Term(each, t("row." + each), _JSON.get(each, f"`{each}`"), t("concept_authentication." + each))
            for each in ROWS
        ],
        [Term(each, t("state." + each), f"`{each}`", t("concept_state." + each)) for each in STATES],
        [Term(name, t("concept_count." + name), json, _number(name, t)) for name, json in NUMBERS.items()],
        [t("column." + reach.name) for reach in _REACHES],
        list(_severities(t).items()),
    )


def _number(name: str, t: Words) -> str:
    anonymous, shared, app_open = (t("row." + row) for row in ("anonymous", "shared", "app_open"))
    internet = t("column.internet")
    return t("concept_number." + name, anonymous=anonymous, shared=shared, app_open=app_open, internet=internet)


def _severities(t: Words) -> dict[str, list[str]]:
    rows: list[tuple[str, EndpointKind, Auth]] = [(t("row." + auth.name), "data", auth) for auth in reversed(Auth)]
    rows.append((t("row.app_open"), "app", Auth.anonymous))
    rows += [(f"app: {t('row.' + auth.name)}", "app", auth) for auth in (Auth.shared, Auth.identity)]
    result = {name: [cell(kind, auth, reach) for reach in _REACHES] for name, kind, auth in rows}
    return {name: ["" if each is None else each.name for each in rated] for name, rated in result.items()}


def marked(text: str) -> Markup:
    """Return a text with the marks of Markdown (`code`, *emphasis*, **strong**) as HTML."""
    marked_texts: list[str | Markup] = []
    at = 0
    for hit in _MARKS.finditer(text):
        kind = hit.lastindex or 1
        marked_texts += [text[at : hit.start()], _TAGS[kind - 1].format(hit[kind])]
        at = hit.end()
    return Markup("").join([*marked_texts, text[at:]])
