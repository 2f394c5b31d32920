"""A notice as an adaptive card for the workflow webhook of Microsoft Teams.

Names stand in text runs, in which Teams reads no Markdown, so that no name can be a link or a mention.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from scanner.notify import notice as words
from scanner.notify.notice import Notice

LARGEST = 26_000
"""Teams refuses messages above 28 KB."""
ITEMS = 40
COLOURS = {"critical": "attention", "high": "attention", "medium": "warning"}
Json = dict[str, Any]


def body(notice: Notice) -> bytes:
    """The message, small enough for Teams."""

    def fits(count: int, rest: int) -> bool:
        return len(_message(notice, count, rest)) <= LARGEST

    return _message(notice, *words.spared(fits, len(notice.items), ITEMS))


def _message(notice: Notice, count: int, rest: int) -> bytes:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": list(_blocks(notice, count, rest)),
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return msgspec.json.encode({"type": "message", "attachments": [attachment]})


def _blocks(notice: Notice, count: int, rest: int) -> Iterator[Json]:
    yield _text(_run("Twolocks", weight="bolder", size="large"))
    yield _text(_run(notice.title, weight="bolder"))
    for remark in notice.remarks:
        yield _text(_run(words.line(remark), color="warning"))
    shown = notice.items[:count]
    for group in words.grouped(shown):
        if head := words.heading(group, owned=words.owned(shown)):
            yield {**_text(_run(head, weight="bolder")), "separator": True, "spacing": "medium"}
        for place in group.places:
            yield _text(_run(place.name, weight="bolder"), _run(f"  {place.about}", isSubtle=True))
            for each in place.entries:
                severity = _run(f"{each.severity} ", weight="bolder", color=COLOURS.get(each.severity, "default"))
                yield {**_text(severity, _run(words.sentence(each))), "spacing": "small"}
    if more := words.and_more(len(notice.items), count):
        yield _text(_run(more, isSubtle=True))
    yield from _rest(notice, rest)


def _rest(notice: Notice, most: int) -> Iterator[Json]:
    parts = (
        ("About to expire", [words.ends_sentence(each) for each in notice.waivers]),
        ("Not read", [words.hole_sentence(each) for each in notice.gaps]),
    )
    for head, lines in parts:
        if lines:
            yield {**_text(_run(head, weight="bolder")), "separator": True, "spacing": "medium"}
            yield from ({**_text(_run(line)), "spacing": "small"} for line in lines[:most])
            if more := words.and_more(len(lines), most):
                yield _text(_run(more, isSubtle=True))
    if notice.scan is not None:
        yield {**_text(_run(words.scan_sentence(notice.scan), isSubtle=True)), "separator": True, "spacing": "medium"}
    if notice.files:
        yield _text(_run(words.files_sentence(notice.files), isSubtle=True))


def _text(*runs: Json) -> Json:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, **style: Any) -> Json:
    return {"type": "TextRun", "text": text, **style}
