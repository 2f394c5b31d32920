"""A notice as log commands of GitHub Actions and Azure Pipelines, on standard output."""

from collections.abc import Iterator

from scanner.config.notifications import Target
from scanner.notify import layout, wording
from scanner.notify.delivery import Attempt, OnOpen
from scanner.notify.notice import Notice
from scanner.terminal.streams import without_commands, write_commands

ITEMS = 9
"""GitHub shows ten errors and ten warnings per step; the tenth has the number of the others."""
ERRORS = ("critical", "high")
"""The severities that are errors; all others are warnings."""


def github(notice: Notice, target: Target, tool: str) -> Attempt:
    """Return an attempt that prints commands of GitHub Actions."""
    return _printing(github_lines(notice))


def azure_devops(notice: Notice, target: Target, tool: str) -> Attempt:
    """Return an attempt that prints commands of Azure Pipelines."""
    return _printing(azure_devops_lines(notice))


def _printing(lines: Iterator[str]) -> Attempt:
    def attempt(seconds: float, on_open: OnOpen) -> None:
        write_commands("".join(f"{line}\n" for line in lines))

    return attempt


def github_lines(notice: Notice) -> Iterator[str]:
    """Return the commands of GitHub Actions."""
    for level, title, text in _commands(notice):
        yield f"::{level} title={property_of(title)}::{data_of(text)}"


def azure_devops_lines(notice: Notice) -> Iterator[str]:
    """Return the commands of Azure Pipelines."""
    for level, title, text in _commands(notice):
        yield f"##vso[task.logissue type={level}]{issue_of(f'{title}: {text}')}"


def _commands(notice: Notice) -> Iterator[tuple[str, str, str]]:
    """Return level, title and text of each command."""
    words = wording.words_of(notice.language)
    if not notice.items:
        yield "warning", "Twolocks", notice.title
    for resource in (
        each for owner in layout.sections(notice.items[:ITEMS], notice.language) for each in owner.resources
    ):
        for item in resource.items:
            text = f"{resource.name}: {wording.item_sentence(item, words)}"
            if item.owner:
                text = words("notice.owner_of", text=text, owner=wording.short(item.owner))
            level = "error" if item.severity in ERRORS else "warning"
            yield level, f"Twolocks, {wording.severity(item.severity, words)}", text
    if more := wording.and_more(len(notice.items), ITEMS, words):
        yield "error", "Twolocks", more
    for remark in notice.remarks[:5]:
        yield "warning", "Twolocks", wording.line(remark)
    for waiver in notice.waivers[:4]:
        yield "warning", words("notice.expiring_title"), wording.waiver_sentence(waiver, words)
    if more := wording.and_more(len(notice.waivers), 4, words):
        yield "warning", words("notice.expiring_title"), more


def data_of(text: str) -> str:
    """Return a text behind the second `::`. Invisible characters and line ends were replaced before."""
    return without_commands(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def property_of(text: str) -> str:
    """Return a text as the value of a property."""
    return data_of(text).replace(":", "%3A").replace(",", "%2C")


def issue_of(text: str) -> str:
    """Return a text behind `]`. The agent looks for commands anywhere in a line."""
    return without_commands(text).replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A")
