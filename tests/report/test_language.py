"""Reports in another language: every text is translated, nothing but texts differs, numbers are alike everywhere."""

import re
import shutil
import subprocess
import sys
import warnings
from datetime import date, timedelta
from functools import lru_cache
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from docs import translations
from scanner.config.options import LANGUAGES
from scanner.content import content
from scanner.document.message_data import data_of
from scanner.model.exposure import access_sentence
from scanner.model.message import Message as Text
from scanner.model.message import message_text
from scanner.output.formats import FORMATS
from scanner.output.writers import write
from scanner.report.html.rendering import render
from scanner.report.language.localized import localized
from scanner.report.language.translations import MESSAGES, RULES, WORDS
from scanner.report.language.words import Words
from tests.notify.sample import NEWS, facts, reported, target
from tests.report import sample
from tests.report.conftest import Reader

OTHERS = [each for each in LANGUAGES if each != "en"]
FIELDS = re.compile(r"\{(\w+)(?:![clp])?\}")


@lru_cache
def catalogue(language: str, name: str) -> Catalog:
    """Return a catalogue, which is not to be changed."""
    path = content("locale") / language / "LC_MESSAGES" / f"{name}.po"
    return read_po(BytesIO(path.read_bytes()), locale=language)


def messages(language: str, name: str) -> list[Message]:
    return [each for each in catalogue(language, name) if each.id and each.string]


def texts(value: str | tuple[str, ...] | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def test_the_languages_are_those_of_the_folder() -> None:
    assert sorted(OTHERS) == sorted(each.name for each in content("locale").iterdir() if each.is_dir())


def test_what_is_not_translated_is_a_warning_until_the_release(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The author of a rule needs no other language."""
    for language, name in product(OTHERS, (WORDS, RULES, MESSAGES)):
        if missing := translations.untranslated(catalogue(language, name)):
            warnings.warn(f"{language}: {len(missing)} texts of {name}.po are not translated", stacklevel=1)
    folder = tmp_path / "locale"
    shutil.copytree(content("locale"), folder)
    path = folder / "nb" / "LC_MESSAGES" / f"{MESSAGES}.po"
    path.write_bytes(path.read_bytes().replace(b'msgstr "ingen nettverk"', b'msgstr ""'))
    assert translations.main(["--check"], folder) == 0
    assert translations.main(["--complete"], folder) == 1
    assert "messages.po: 1 texts not translated" in capsys.readouterr().err


@pytest.mark.parametrize(("language", "name"), product(OTHERS, (WORDS, RULES, MESSAGES)))
def test_translations_have_the_fields_and_plurals_of_the_english(language: str, name: str) -> None:
    for message in messages(language, name):
        wanted = {field for text in texts(message.id) for field in FIELDS.findall(text)}
        *others, last = (set(FIELDS.findall(form)) for form in texts(message.string))
        assert last == wanted, message.context
        # One of a thing may need no number.
        assert all(each | {"n"} == wanted | {"n"} for each in others), message.context
        plural = not isinstance(message.id, str)
        assert len(texts(message.string)) == (catalogue(language, name).num_plurals if plural else 1), message.context


def test_a_changed_text_is_not_translated_until_somebody_looked_at_it() -> None:
    old = Catalog(locale="nb")
    old.add("Dark side", "Mørk side", context="dark")
    old.add("Gone", "Borte", context="gone")
    made = translations.updated(WORDS, "nb", old)
    changed = made.get("Dark", "dark")
    assert changed is not None
    assert (changed.string, changed.fuzzy, list(changed.previous_id)) == ("Mørk side", True, ["Dark side"])
    assert changed in translations.untranslated(made)
    # What is not used any more serves again when its text returns, such as that of another branch.
    text = translations.written(made)
    assert b'#~ msgid "Gone"' in text
    assert ("Gone", "gone") in read_po(BytesIO(text), locale="nb").obsolete


def test_english_needs_no_library() -> None:
    script = (
        "import sys; from scanner.report.language.words import Words; Words().number(7); print('babel' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_numbers_dates_and_plurals_in_norwegian() -> None:
    words = Words("nb")
    assert words("count.checks", 1204) == "1\xa0204 kontroller"
    assert words("count.checks", 1) == "1 kontroll"
    assert words.date_and_time("2026-11-25T15:12:03+01:00") == "25. november 2026, 14:12 UTC"
    assert words.date("yesterday") == "yesterday"


def test_the_page_writes_numbers_dates_and_plurals_as_python_does(reader: Reader) -> None:
    script = (content("templates") / "report" / "words.js").read_text("utf-8")
    values = [0, 1, 2, 7, 999, 1000, 1204, 1234567]
    days = [(date(2026, 1, 5) + timedelta(days=31 * month)).isoformat() for month in range(12)]
    for language in LANGUAGES:
        words = Words(language)
        block = {"lang": language, "words": words.catalogue}
        run = f"([block, values, days]) => {{ {script}; useWords(block);"
        run += "return [values.map(number), days.map(date), values.map((each) => t('count.checks', each))]; }"
        numbers, dates, checks = reader.page().evaluate(run, [block, values, days])
        assert numbers == [words.number(each) for each in values]
        assert dates == [words.date(each) for each in days]
        assert checks == [words("count.checks", each) for each in values]


def test_the_page_in_norwegian_works(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    with path.open("wb") as out:
        write(".html", sample.typed(sample.with_history(60)), out, language="nb")
    page = reader.open(path, "#findings")
    assert page.evaluate("document.documentElement.lang") == "nb"
    assert page.locator("#findings h1").inner_text() == "Funn"
    page.locator("#filter").fill("status:fail")
    assert " av " in page.locator(".status").inner_text()
    assert reader.said == []


def test_only_texts_for_people_differ() -> None:
    document = sample.typed(sample.with_history(200))
    before = msgspec.json.encode(document, enc_hook=message_text)
    for format in FORMATS:
        if not format.writer:
            continue
        made = {language: BytesIO() for language in LANGUAGES}
        for language, out in made.items():
            write(format.suffix, document, out, language=language)
        assert (len({out.getvalue() for out in made.values()}) > 1) == format.has_language, format.suffix
    assert msgspec.json.encode(document, enc_hook=message_text) == before


TEXTS = {"title", "pass_title", "why", "breaks", "impact", "message", "reason", "admits", "steps", "what", "names"}
"""What a language changes in a document; evidence and hops have parts that stay."""


def without_texts(document: Any) -> Any:
    """Return a document without the texts that a language changes."""
    if isinstance(document, list):
        return [without_texts(each) for each in document]
    if not isinstance(document, dict):
        return document
    changed = TEXTS | ({"name", "detail"} if "lets" in document else set())
    if "path" in document and "value" in document and "properties" not in document["path"]:
        changed |= {"path", "value", "expected"}
    return {
        key: {id: sorted(reasons) for id, reasons in each.items()} if key == "not_applicable" else without_texts(each)
        for key, each in document.items()
        if key not in changed
    }


def test_ids_statuses_and_values_of_properties_stay() -> None:
    document = sample.typed(sample.with_history(200))
    result = localized(document, Words("nb"))
    rows = {name: list(getattr(result, name)) for name in ("findings", "exposures")}
    whole = msgspec.structs.replace(result, **rows, not_applicable=dict(result.not_applicable))
    assert without_texts(msgspec.to_builtins(whole, enc_hook=message_text)) == without_texts(
        msgspec.to_builtins(document, enc_hook=message_text)
    )


def test_a_rule_of_the_users_own_stays_in_english() -> None:
    made = sample.document(20)
    name = next(iter(made["rules"]))
    made["rules"][name]["title"] = "Our own rule"
    assert localized(sample.typed(made), Words("nb")).rules[name].title == "Our own rule"


def test_a_hostile_name_in_a_translated_text_is_escaped() -> None:
    made = sample.document(20, hostile=False)
    row = made["exposures"][0]
    title = access_sentence(Text("Container {name}", name="<img/src=x>"), None, None)
    row["title"], row["texts"] = str(title), {"title": data_of(title, {})}
    page = render(localized(sample.typed(made), Words("nb")), Words("nb"))
    assert "Containeren &lt;img/src=x&gt;: nettverkstilgangen" in page
    assert "<img/src=x>" not in page


def test_braces_in_a_name_are_never_filled() -> None:
    text = Words()("summary.accepted_until", None, owner="{reason}", date="{owner}", reason="{n}")
    assert text == "accepted by {reason} until {owner}: {n}"


def test_a_notice_is_in_the_language_of_the_report() -> None:
    from msgspec.structs import replace

    from scanner.notify.channels import mail, slack, teams
    from scanner.notify.compose import notice
    from tests.notify.sample import MAILBOX

    made = notice(target(), replace(facts(NEWS), language="nb"), reported(date(2026, 11, 24)))
    assert made is not None
    assert made.language == "nb"
    assert made.title.endswith("høyeste alvorlighetsgrad: kritisk")
    message = mail.message(made, MAILBOX, "ops")
    assert "kritisk" in message["Subject"]
    html = message.get_body(("html",))
    assert html is not None
    assert '<html lang="nb">' in html.get_content()
    assert "kritisk" in slack.body(made).decode()
    assert "kritisk" in teams.body(made).decode()
