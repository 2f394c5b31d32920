"""A notice as log commands of GitHub Actions and Azure Pipelines, on standard output."""

from collections.abc import Iterator

from scanner.notify import notice as words
from scanner.notify.notice import Notice

ITEMS = 9
"""GitHub shows ten errors and ten warnings of a step; the tenth says how many more there are."""
ERRORS = ("critical", "high")


def github(notice: Notice) -> Iterator[str]:
    for level, title, text in _lines(notice):
        yield f"::{level} title={property_of(title)}::{data_of(text)}"


def azure_devops(notice: Notice) -> Iterator[str]:
    for level, title, text in _lines(notice):
        yield f"##vso[task.logissue type={level}]{issue_of(f'{title}: {text}')}"


def _lines(notice: Notice) -> Iterator[tuple[str, str, str]]:
    """Level, title and text of each command."""
    if not notice.items:
        yield "warning", "Twolocks", notice.title
    for place in (each for group in words.grouped(notice.items[:ITEMS]) for each in group.places):
        for each in place.entries:
            owner = f" (owner: {words.short(each.owner)})" if each.owner else ""
            level = "error" if each.severity in ERRORS else "warning"
            yield level, f"Twolocks, {each.severity}", f"{place.name}: {words.sentence(each)}{owner}"
    if more := words.and_more(len(notice.items), ITEMS):
        yield "error", "Twolocks", more
    for remark in notice.remarks[:5]:
        yield "warning", "Twolocks", words.line(remark)
    for ends in notice.waivers[:4]:
        yield "warning", "Twolocks, about to expire", words.ends_sentence(ends)
    if more := words.and_more(len(notice.waivers), 4):
        yield "warning", "Twolocks, about to expire", more


def data_of(text: str) -> str:
    """A text behind the second `::`. What does not show has been replaced, line ends among it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def property_of(text: str) -> str:
    return data_of(text).replace(":", "%3A").replace(",", "%2C")


def issue_of(text: str) -> str:
    """A text behind `]`. The agent looks for commands anywhere in a line, so that none may stand in it."""
    text = text.replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace("##", "<U+0023>#")
