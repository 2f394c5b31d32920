"""Update the catalogues of translations in `locale/` from the English texts, and say what is not translated.

`python -m docs.translations` runs from the root of a working copy. With `--check` it writes nothing, and ends with 1
where a file is not up to date; with `--complete` also where a text is not translated, as before a release. A text whose
English has changed keeps its translation, marked as fuzzy, and counts as not translated until the mark is removed.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

from docs import messages
from scanner.config.options import LANGUAGES
from scanner.content import content
from scanner.model.framework import Framework
from scanner.report.language.translations import CONTROL, MESSAGES, RULE_TEXTS, RULES, SECTION, WORDS
from scanner.report.language.words import ENGLISH, SETS, source
from scanner.rulebook.loader import load

Text = tuple[str | None, str | tuple[str, str], list[str]]
"""The context of a text, its English with the plural, and comments for translators."""
_UNTIMED = (
    b'"POT-Creation-Date',
    b'"PO-Revision-Date',
    b'"Generated-By',
    b'"Last-Translator',
    b'"Language-Team',
    b'"Report-Msgid',
)
_WIDTH = 120
_HEADERS = {
    WORDS: "# Words of reports, summaries and notices. The context is the key in templates/*/en.toml.",
    RULES: "# Texts of rules. The context is the field; a comment names the rules.",
    MESSAGES: "# Messages of rules and the evaluation: templates with fields in braces. A comment names the files.",
}


def words() -> Iterator[Text]:
    """Yield our own texts. The context is their key."""
    for name in SETS:
        yield from _words(source(name), "")


def _words(texts: Mapping[str, Any], above: str) -> Iterator[Text]:
    for name, text in texts.items():
        key = f"{above}{name}"
        if isinstance(text, str):
            yield key, text, []
        elif "other" in text:
            yield key, (text["one"], text["other"]), []
        else:
            yield from _words(text, f"{key}.")


def rule_texts() -> Iterator[Text]:
    """Yield the texts of the built-in rules, titles first. The context is the field; the comment names the rules. Then
    the titles of frameworks that have none in other languages; the comment names the frameworks.
    """
    result: dict[tuple[str, str], list[str]] = defaultdict(list)
    known = load(packages=False)
    for rule in known.rules.values():
        for field in RULE_TEXTS:
            text = rule.fix.impact if field == "impact" else getattr(rule, field)
            if field == "title" and rule.of_many is not None:
                text = rule.of_many.template
            if rule.id not in result[field, text]:
                result[field, text].append(rule.id)
    for field in RULE_TEXTS:
        for (context, text), ids in result.items():
            if text and context == field:
                yield context, text, [", ".join(ids)]
    yield from _titles(known.frameworks.values())


def _titles(frameworks: Iterable[Framework]) -> Iterator[Text]:
    result: dict[tuple[str, str], list[str]] = defaultdict(list)
    for framework in frameworks:
        if framework.sections_in:
            continue
        texts = [(SECTION, title) for title in framework.sections.values()]
        texts += [(CONTROL, control.title) for control in framework.controls.values()]
        for key in dict.fromkeys(texts):
            result[key].append(framework.name)
    for (context, text), names in result.items():
        yield context, text, [", ".join(names)]


def message_texts() -> Iterator[Text]:
    """Yield the templates of messages; a comment names the files."""
    for text, files in messages.texts():
        yield None, text, [", ".join(files)] if files else []


TEXTS = {WORDS: words, RULES: rule_texts, MESSAGES: message_texts}


def template(name: str, language: str | None = None) -> Catalog:
    """Return a catalogue with all texts and no translation."""
    made = Catalog(locale=language, project="twolocks", version="", fuzzy=False, header_comment=_HEADERS[name])
    for context, text, comments in TEXTS[name]():
        made.add(text, context=context, auto_comments=comments)
    return made


def updated(name: str, language: str, old: Catalog) -> Catalog:
    """Return a catalogue of a language with the translations of an older one. Those that are not used any more stay in
    it as obsolete, and serve again where the text returns.
    """
    made = template(name, language)
    kept = [*old, *old.obsolete.values()]
    known = {(each.context, each.id): each for each in kept if each.id and any(_forms(each))}
    by_key = {each.context: each for each in kept if name == WORDS and any(_forms(each))}
    for message in made:
        same = known.pop((message.context, message.id), None)
        if same is not None:
            message.string, message.flags = same.string, same.flags
        elif (other := by_key.get(message.context)) and type(other.id) is type(message.id) and message.id:
            message.string, message.previous_id = other.string, list(_ids(other))
            message.flags.add("fuzzy")
    made.obsolete = {(_ids(each)[0], each.context): each for each in known.values()}
    return made


def _ids(message: Message) -> tuple[str, ...]:
    """Return the English of a message, and its plural if it has one."""
    return (message.id,) if isinstance(message.id, str) else tuple(message.id)


def _forms(message: Message) -> tuple[str, ...]:
    """Return the translations of a message, one for each plural form; "" where there is none."""
    result = message.string or ""
    return (result,) if isinstance(result, str) else tuple(result)


def untranslated(catalogue: Catalog) -> list[Message]:
    """Return the messages without a translation, or with one that is fuzzy."""
    return [each for each in catalogue if each.id and (each.fuzzy or not all(_forms(each)))]


def written(catalogue: Catalog) -> bytes:
    """Return a catalogue as the text of a file, without times."""
    out = BytesIO()
    write_po(out, catalogue, width=_WIDTH, include_previous=True)
    return b"".join(each for each in out.getvalue().splitlines(keepends=True) if not each.startswith(_UNTIMED))


def files(folder: Path) -> Iterator[tuple[Path, Catalog]]:
    """Yield each file of `locale/` and what it is to hold."""
    for name in TEXTS:
        for language in LANGUAGES:
            if language == ENGLISH:
                continue
            path = folder / language / "LC_MESSAGES" / f"{name}.po"
            old = read_po(BytesIO(path.read_bytes()), locale=language) if path.exists() else Catalog(locale=language)
            yield path, updated(name, language, old)


def main(arguments: list[str], folder: Path | None = None) -> int:
    """Write the files, or compare them with `--check` and `--complete`. Return the exit code."""
    folder, stale, lines = folder or content("locale"), [], []
    is_complete, checks = "--complete" in arguments, bool({"--check", "--complete"}.intersection(arguments))
    for path, catalogue in files(folder):
        text = written(catalogue)
        if not path.exists() or path.read_bytes() != text:
            stale.append(f"{path.relative_to(folder.parent)}: not up to date; make locale")
            if not checks:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text)
        missing = untranslated(catalogue)
        if is_complete and missing:
            stale.append(
                f"{path.relative_to(folder.parent)}: {len(missing)} texts not translated; make locale lists them"
            )
        lines.append(f"{path.relative_to(folder.parent)}: {len(missing)} of {len(catalogue)} not translated")
        lines += [f"  {each.context}: {_ids(each)[0]}" for each in missing if "--list" in arguments]
    sys.stdout.writelines(f"{line}\n" for line in lines)
    if checks:
        sys.stderr.writelines(f"{line}\n" for line in stale)
        return 1 if stale else 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
