"""A notice as an adaptive card for the workflow webhook of Microsoft Teams.

Names are in text runs, where Teams does not interpret Markdown, so no name can become a link or a mention.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from scanner.config.notifications import Target
from scanner.model.message import message_text
from scanner.notify import layout, wording
from scanner.notify.delivery import Attempt
from scanner.notify.http_post import post_attempt
from scanner.notify.notice import Notice

LARGEST = 26_000
"""Teams refuses messages above 28 KB."""
ITEMS = 40
COLOURS = {"critical": "attention", "high": "attention", "medium": "warning"}
Json = dict[str, Any]


def attempt(notice: Notice, target: Target, tool: str) -> Attempt:
    """Return an attempt that posts the card to the target."""
    return post_attempt(target.url, body(notice), tool)


def body(notice: Notice) -> bytes:
    """Return the message, small enough for Teams."""

    def fits(count: int, listed: int) -> bool:
        return len(_message(notice, count, listed)) <= LARGEST

    return _message(notice, *layout.capacity(fits, len(notice.items), ITEMS))


def _message(notice: Notice, count: int, listed: int) -> bytes:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": list(_blocks(notice, count, listed)),
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return msgspec.json.encode({"type": "message", "attachments": [attachment]}, enc_hook=message_text)


def _blocks(notice: Notice, count: int, listed: int) -> Iterator[Json]:
    words = wording.words_of(notice.language)
    yield _text(_run("Twolocks", weight="bolder", size="large"))
    yield _text(_run(notice.title, weight="bolder"))
    for remark in notice.remarks:
        yield _text(_run(wording.line(remark), color="warning"))
    for owner in layout.sections(notice.items[:count], notice.language):
        if owner.heading:
            yield _heading(owner.heading)
        for resource in owner.resources:
            yield _text(_run(resource.name, weight="bolder"), _run(f"  {resource.about}", isSubtle=True))
            for item in resource.items:
                name = wording.severity(item.severity, words)
                severity = _run(f"{name} ", weight="bolder", color=COLOURS.get(item.severity, "default"))
                yield {**_text(severity, _run(wording.item_sentence(item, words))), "spacing": "small"}
    if more := wording.and_more(len(notice.items), count, words):
        yield _subtle(more)
    yield from _after_items(notice, listed)


def _after_items(notice: Notice, listed: int) -> Iterator[Json]:
    words = wording.words_of(notice.language)
    for heading, sentences, more in wording.lists(notice, listed):
        yield _heading(heading)
        yield from ({**_text(_run(sentence)), "spacing": "small"} for sentence in sentences)
        if more:
            yield _subtle(more)
    if notice.scan is not None:
        yield {**_subtle(wording.scan_sentence(notice.scan, words)), "separator": True, "spacing": "medium"}
    if notice.files:
        yield _subtle(wording.files_sentence(notice.files, words))


def _heading(text: str) -> Json:
    return {**_text(_run(text, weight="bolder")), "separator": True, "spacing": "medium"}


def _subtle(text: str) -> Json:
    return _text(_run(text, isSubtle=True))


def _text(*runs: Json) -> Json:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, **style: Any) -> Json:
    return {"type": "TextRun", "text": text, **style}
