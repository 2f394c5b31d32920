"""The sentences of a notice. Each is one line of limited width, and no name in it can pass for other text."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import msgspec

from scanner.evaluate.fix_groups import FixGroup
from scanner.evaluate.results import EvaluationResult
from scanner.history.items import ALERTS, top_of
from scanner.model.ids import path_of, segments
from scanner.notify.notice import (
    ExpiringWaiver,
    Notice,
    NoticeGap,
    NoticeItem,
    NoticeKind,
    NoticeScan,
    ScanResult,
)
from scanner.report.language.words import Words, parse_time, scanned
from scanner.report.views.first_changes import total
from scanner.report.views.headline import inconclusive, left_out
from scanner.terminal.text import clean, middle

WIDTH = 400
"""Columns of a sentence."""
NAME_WIDTH = 120
"""Columns of a name."""
_FIRST_NAMED = 3
"""How many of the changes to make first a notice names."""


@lru_cache
def words_of(language: str) -> Words:
    """Return the words of notices in a language."""
    return Words(language)


def title(
    kind: NoticeKind,
    items: Sequence[NoticeItem],
    expiring: int,
    standing: Mapping[str, int],
    words: Words,
    *,
    turned_incomplete: bool,
) -> str:
    """Return the title: one line of our own words and numbers.

    `expiring`: the number of waivers about to expire. `standing`: open items by severity.
    """
    if kind in ("baseline", "unknown"):
        return words(f"notice.{kind}", standing=_standing(standing, words))
    texts = []
    if items:
        counts = [(each.value, sum(item.news == each.value for item in items)) for each in ALERTS]
        changes = ", ".join(words(f"notice_change.{name}", count) for name, count in counts if count)
        key = "notice.worst" if len(items) > 1 else "notice.only"
        texts.append(words(key, changes=changes, severity=severity(items[0].severity, words)))
    if expiring:
        texts.append(words("notice.expiring", expiring))
    if turned_incomplete:
        texts.append(words("notice.turned_incomplete"))
    text = "; ".join(texts)
    return text[:1].upper() + text[1:]


def severity(name: str, words: Words) -> str:
    """Return the word of a severity within a sentence."""
    return words(f"severity.{name}").lower()


def _standing(standing: Mapping[str, int], words: Words) -> str:
    texts = [f"{words.number(count)} {severity(name, words)}" for name, count in standing.items() if count]
    total = sum(standing.values())
    return words("notice.standing_by", total, severities=", ".join(texts)) if texts else words("notice.standing", total)


def remarks(
    kind: NoticeKind,
    result: ScanResult,
    expiring: int,
    days: int,
    words: Words,
    *,
    turned_incomplete: bool,
    whole: bool,
) -> Iterator[str]:
    """Return the remarks on the scan, the most important first.

    `expiring`: the number of waivers that expire within so many `days`. `whole`: it is not for one owner alone, so that
    a baseline may name the changes to make first.
    """
    yield from (f"{each}." for each in left_out(result.scan, words))
    if not result.scan.complete:
        text = _incomplete(result.evaluation, words)
        yield words("notice_remark.was_complete", text=text) if turned_incomplete else text
    yield from (words("notice_remark.history", error=each) for each in result.history_errors)
    if result.evaluation.crashes:
        yield words("notice_remark.crashed", len({each.rule for each in result.evaluation.crashes}))
    if kind == "baseline":
        yield words("notice_remark.baseline")
        if expiring:
            yield words("notice_remark.expiring", expiring, days=days)
    if whole and kind == "baseline" and (first := result.evaluation.counts.first_changes()).groups:
        names = "; ".join(map(_change, first.groups[:_FIRST_NAMED]))
        yield f"{words('first.heading')}: {total(first, words)}: {names}"
    if result.row is not None:
        hidden = result.row.counts.get("unseen", 0)
        if hidden:
            yield words("notice_remark.unseen", hidden)
        yield from (each[:1].upper() + each[1:] for each in result.row.notes)


def _change(group: FixGroup) -> str:
    """Return the resource and the endpoint of a change, as `stjournal: blob/export`."""
    return short(f"{path_of(group.resource)}{f': {group.endpoint}' if group.endpoint else ''}")


def _incomplete(result: EvaluationResult, words: Words) -> str:
    counts = result.counts
    named = (("endpoints", counts.not_fully_assessed.total()), ("reads", counts.gaps))
    texts = [words(f"notice_remark.{name}", count) for name, count in named if count]
    texts += [text] if (text := inconclusive(counts, words)) else []
    what = ", ".join(texts)
    return words("notice_remark.incomplete_by", what=what) if what else words("notice_remark.incomplete")


# Sentences


def item_sentence(item: NoticeItem, words: Words) -> str:
    """Return `new: blob/export. Blob container allows anonymous access`."""
    name = item.endpoint or _child_names(item.resource)
    where = short(f"{name}@{item.address}" if item.address else name)
    text = f"{where}. {item.title}" if where else item.title
    more = f"; {item.why}" if item.why else ""
    sentence = line(f"{words(f'notice_mark.{item.news}')}: {text}{more}")
    return words("notice.late", text=sentence) if item.late else sentence


def _child_names(resource: str) -> str:
    """Return the names of the children that an id names below its top-level resource."""
    pieces = [segment for segment in resource.split("/") if segment]
    return "/".join(pieces[len(segments(top_of(resource))) + 1 :: 2])


def waiver_sentence(waiver: ExpiringWaiver, words: Words) -> str:
    """Return the accepted object, the owner, the expiry, and the number of findings that count again then."""
    named = {"what": waiver.what, "owner": waiver.owner, "expires": waiver.expires, "at": waiver.at}
    return line(words("notice.waiver", waiver.covers, **named))


def gap_sentence(gap: NoticeGap, words: Words) -> str:
    """Return the path of a failed read, the response, and the missing permission."""
    key = "notice.gap_missing" if gap.action else "notice.gap"
    url = gap.url if gap.tenant is msgspec.UNSET else words("notice.tenant", name=gap.tenant)
    return line(words(key, url=url, answer=f"{gap.status} {gap.code}", action=gap.action))


def scan_sentence(scan: NoticeScan, words: Words) -> str:
    """Return `prod-journal, 25 November 2026, 02:00 UTC. Exit 1: ...`."""
    names = ", ".join(short(each) for each in scan.subscriptions[:3])
    if len(scan.subscriptions) > 3:
        names = words("notice.and_more_scopes", len(scan.subscriptions) - 3, names=names)
    time = scanned(words, scan.taken, scan.evaluated) if parse_time(scan.taken) else clean(scan.taken)
    return words("notice.scan", names=names, time=time, code=scan.exit, why=line(scan.why))


def files_sentence(files: Sequence[str], words: Words) -> str:
    """Return `Written: /srv/report.html, findings.json`: the names of the files, reports first."""
    ordered = sorted(files, key=lambda name: not name.endswith((".html", ".md")))
    return words("notice.written", files=", ".join(line(name) for name in ordered[:5]))


def lists(notice: Notice, most: int) -> Iterator[tuple[str, list[str], str]]:
    """Return the lists that follow the items: a heading, at most so many sentences, and how many more there are."""
    words = words_of(notice.language)
    matches = (
        (words("notice.about_to_expire"), [waiver_sentence(each, words) for each in notice.waivers]),
        (words("notice.not_assessed"), [gap_sentence(each, words) for each in notice.gaps]),
    )
    for heading, sentences in matches:
        if sentences:
            yield heading, sentences[:most], and_more(len(sentences), most, words)


def endings(notice: Notice) -> Iterator[str]:
    """Return the last sentences: about the scan, and about its files."""
    words = words_of(notice.language)
    if notice.scan is not None:
        yield scan_sentence(notice.scan, words)
    if notice.files:
        yield files_sentence(notice.files, words)


def and_more(total: int, shown: int, words: Words) -> str:
    """Return the number of omitted entries, "" where none is omitted."""
    return words("notice.and_more", total - shown) if total > shown else ""


def short(name: str) -> str:
    """Return a name on one line."""
    return line(name, NAME_WIDTH)


def line(text: str, width: int = WIDTH) -> str:
    """Return a text on one line of at most so many columns, without characters that disguise it."""
    # Only both ends of a text that is far too long are read. The cut at the end is for marks that take no column.
    text = text if len(text) <= 4 * width else text[: 2 * width] + text[-2 * width :]
    shown = middle(clean(text), width)
    return shown if len(shown) <= width else f"{shown[: width - 3]}..."
