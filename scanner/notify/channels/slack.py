"""A notice as blocks for an incoming webhook of Slack.

Texts are escaped and `verbatim`: no name can be a link, a mention or a channel.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from scanner.notify import notice as words
from scanner.notify.notice import Notice, Place

BLOCKS = 50
SECTION = 3000
HEADER = 150
ITEMS = 60
LARGEST = 60_000
Json = dict[str, Any]


def body(notice: Notice) -> bytes:
    """The message, within Slack's limits."""

    def fits(count: int, rest: int) -> bool:
        return _fits(_blocks(notice, count, rest))

    made = list(_blocks(notice, *words.spared(fits, len(notice.items), ITEMS)))
    text = escaped(f"Twolocks: {notice.title}")
    message = {"text": text, "blocks": made, "unfurl_links": False, "unfurl_media": False}
    return msgspec.json.encode(message)


def _fits(blocks: Iterable[Json]) -> bool:
    made = list(blocks)
    return len(made) <= BLOCKS and len(msgspec.json.encode(made)) <= LARGEST


def _blocks(notice: Notice, count: int, rest: int) -> Iterator[Json]:
    header = words.line(f"Twolocks: {notice.title}", HEADER)
    yield {"type": "header", "text": {"type": "plain_text", "text": header, "emoji": False}}
    yield from _sections(f"*Note* {_one(remark)}" for remark in notice.remarks)
    shown = notice.items[:count]
    for group in words.grouped(shown):
        if head := words.heading(group, owned=words.owned(shown)):
            yield {"type": "divider"}
            yield from _sections([f"*{_one(head)}*"])
        for place in group.places:
            yield from _sections(_place(place))
    if more := words.and_more(len(notice.items), count):
        yield _context(more)
    yield from _rest(notice, rest)


def _place(place: Place) -> Iterator[str]:
    yield f"*{_one(place.name)}*  {_one(place.about)}"
    yield from (f"- *{each.severity}* {_one(words.sentence(each))}" for each in place.entries)


def _rest(notice: Notice, most: int) -> Iterator[Json]:
    parts = (
        ("About to expire", [words.ends_sentence(each) for each in notice.waivers]),
        ("Not read", [words.hole_sentence(each) for each in notice.gaps]),
    )
    for head, lines in parts:
        if lines:
            more = words.and_more(len(lines), most)
            rows = [f"- {_one(line)}" for line in lines[:most]]
            yield from _sections([f"*{head}*", *rows, *([more] if more else [])])
    if notice.scan is not None:
        yield _context(words.scan_sentence(notice.scan))
    if notice.files:
        yield _context(words.files_sentence(notice.files))


def _sections(lines: Iterable[str]) -> Iterator[Json]:
    """As few sections as hold these lines."""
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
    element = {"type": "mrkdwn", "text": escaped(words.line(text)), "verbatim": True}
    return {"type": "context", "elements": [element]}


def _one(text: str) -> str:
    """A text on one line, escaped."""
    return escaped(words.line(text))


def escaped(text: str) -> str:
    """A text as Slack asks for it: `<!channel>` and `<https://...|text>` show as they are."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
