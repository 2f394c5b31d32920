"""A notice as blocks for an incoming webhook of Slack.

Texts are escaped and `verbatim`, so no name can become a link, a mention or a channel.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from scanner.config.notifications import Target
from scanner.model.message import message_text
from scanner.notify import layout, wording
from scanner.notify.delivery import Attempt
from scanner.notify.http_post import post_attempt
from scanner.notify.layout import ResourceSection
from scanner.notify.notice import Notice

BLOCKS = 50
SECTION = 3000
HEADER = 150
ITEMS = 60
LARGEST = 60_000
Json = dict[str, Any]


def attempt(notice: Notice, target: Target, tool: str) -> Attempt:
    """Return an attempt that posts the blocks to the target."""
    return post_attempt(target.url, body(notice), tool)


def body(notice: Notice) -> bytes:
    """Return the message, within Slack's limits."""

    def fits(count: int, listed: int) -> bool:
        return _fits(_blocks(notice, count, listed))

    blocks = list(_blocks(notice, *layout.capacity(fits, len(notice.items), ITEMS)))
    text = escaped(f"Twolocks: {notice.title}")
    message = {"text": text, "blocks": blocks, "unfurl_links": False, "unfurl_media": False}
    return msgspec.json.encode(message, enc_hook=message_text)


def _fits(blocks: Iterable[Json]) -> bool:
    made = list(blocks)
    return len(made) <= BLOCKS and len(msgspec.json.encode(made, enc_hook=message_text)) <= LARGEST


def _blocks(notice: Notice, count: int, listed: int) -> Iterator[Json]:
    words = wording.words_of(notice.language)
    header = wording.line(f"Twolocks: {notice.title}", HEADER)
    yield {"type": "header", "text": {"type": "plain_text", "text": header, "emoji": False}}
    yield from _sections(f"*{words('notice.note')}* {_one(remark)}" for remark in notice.remarks)
    for owner in layout.sections(notice.items[:count], notice.language):
        if owner.heading:
            yield {"type": "divider"}
            yield from _sections([f"*{_one(owner.heading)}*"])
        for resource in owner.resources:
            yield from _sections(_resource(resource))
    if more := wording.and_more(len(notice.items), count, words):
        yield _context(more)
    for heading, sentences, more in wording.lists(notice, listed):
        rows = [f"- {_one(sentence)}" for sentence in sentences]
        yield from _sections([f"*{heading}*", *rows, *([more] if more else [])])
    yield from map(_context, wording.endings(notice))


def _resource(resource: ResourceSection) -> Iterator[str]:
    yield f"*{_one(resource.name)}*  {_one(resource.about)}"
    words = resource.words
    for item in resource.items:
        severity = wording.severity(item.severity, words)
        yield f"- *{severity}* {_one(wording.item_sentence(item, words))}"


def _sections(lines: Iterable[str]) -> Iterator[Json]:
    """Return these lines in as few sections as possible."""
    text = ""
    for line in lines:
        if text and len(text) + 1 + len(line) > SECTION:
            yield _section(text)
            text = line
        else:
            text = f"{text}\n{line}" if text else line
    if text:
        yield _section(text)


def _section(text: str) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _context(text: str) -> Json:
    element = {"type": "mrkdwn", "text": escaped(wording.line(text)), "verbatim": True}
    return {"type": "context", "elements": [element]}


def _one(text: str) -> str:
    """Return a text on one line, escaped."""
    return escaped(wording.line(text))


def escaped(text: str) -> str:
    """Return a text escaped for Slack, so that `<!channel>` and `<https://...|text>` show as they are."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
