"""Read the translations of texts: gettext catalogues below `locale/`, of our own words, rules, and messages."""

from collections.abc import Mapping
from functools import lru_cache

from scanner.content import content
from scanner.model.rule import PRODUCT
from scanner.rulebook.loader import load

WORDS, RULES, MESSAGES = "twolocks", "rules", "messages"
"""The catalogues of a language. The context of an entry is the key of a word, or the field of a rule; messages, which
rules and the evaluation make, have none."""
TITLE, IMPACT = "title", "impact"
RULE_TEXTS = (TITLE, "pass_title", "why", IMPACT)
"""The fields of a rule that are translated."""
CONTROL, SECTION = "control", "section"
"""The contexts of the titles of frameworks, in the catalogue of rules."""


@lru_cache
def translations(language: str, catalogue: str) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """Return the plural forms of each translated message by its context and its English text.

    Messages that are empty, or marked as fuzzy because the English text has changed, are left out. Raises OSError
    where the language has no such catalogue.
    """
    from babel.messages.pofile import read_po

    with (content("locale") / language / "LC_MESSAGES" / f"{catalogue}.po").open("rb") as file:
        catalog = read_po(file, locale=language)
    made: dict[tuple[str, str], tuple[str, ...]] = {}
    for message in catalog:
        singular = message.id if isinstance(message.id, str) else message.id[0]
        text = message.string or ""
        forms = (text,) if isinstance(text, str) else tuple(text)
        if singular and all(forms) and not message.fuzzy:
            made[message.context or "", singular] = forms
    return {**_of_types(language, made), **made} if catalogue == RULES else made


def _of_types(
    language: str, known: Mapping[tuple[str, str], tuple[str, ...]]
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the titles of rules on many types, for each of these."""
    names = translations(language, MESSAGES)
    made: dict[tuple[str, str], tuple[str, ...]] = {}
    for rule in load(packages=False).rules.values():
        if rule.of_many is None or (template := known.get(("title", rule.of_many.template))) is None:
            continue
        for title, product in rule.of_many.named():
            made["title", title] = (template[0].replace(PRODUCT, names.get(("", product), (product,))[0]),)
    return made


@lru_cache
def plural_categories(language: str) -> Mapping[str, int]:
    """Return the position of the plural form of each category of CLDR: `{"one": 0, "other": 1}`."""
    from gettext import c2py

    from babel import Locale
    from babel.messages.plurals import get_plural

    position, category = c2py(get_plural(language).plural_expr), Locale.parse(language).plural_form
    result: dict[str, int] = {}
    for count in range(200):
        result.setdefault(category(count), position(count))
    return result


def rule_text(language: str, field: str, text: str) -> str:
    """Return the translation of a text of a rule, the text itself where there is none; `field`: one of RULE_TEXTS,
    CONTROL or SECTION.
    """
    if language == "en" or not text:
        return text
    return translations(language, RULES).get((field, text), (text,))[0]
