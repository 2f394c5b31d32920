"""The first sentences of a result: what was not fully assessed, then what is open. The same on every output."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from scanner.document.numbers import ReasonsRow
from scanner.document.schema import ScanRow, ScopeRow, TypeRow
from scanner.document.scopes import ExcludedRow, LimitRow
from scanner.evaluate.counts import Counts
from scanner.evaluate.results import EvaluationResult
from scanner.model.ids import name_of
from scanner.report.language.words import Words
from scanner.text.invisible import plain

_TYPES = 2
"""The most types that a headline names."""
_NAMED = 6
"""The most scopes, resources and tags that are named."""


class Headline(Struct, frozen=True):
    """`missing`: what was not fully assessed, "" where everything was; `explained`: the same with the reasons.
    `findings`: what is open of the rest; `more`: what is open beyond that, "" where `findings` says it. `reasons`: how
    many endpoints were not fully assessed for which reason. Each is a clause without a full stop.
    """

    missing: str
    findings: str
    more: str = ""
    explained: str = ""
    reasons: str = ""

    @property
    def result(self) -> str:
        """`findings` and `more` as one sentence without a full stop."""
        return capital("; ".join(filter(None, (self.findings, self.more))))

    def __str__(self) -> str:
        """Return all but the reasons as one sentence without a full stop."""
        return capital("; ".join(filter(None, (self.missing, self.findings, self.more))))


def capital(text: str) -> str:
    """Return a text that begins with a capital letter."""
    return text[:1].upper() + text[1:]


def headline(counts: Counts, scopes: Sequence[ScopeRow], words: Words, *, complete: bool) -> Headline:
    """Return the headline of a scan. `complete`: nothing was left out but what is accepted."""
    what = list(_missing(counts, scopes, words))
    if not what and not complete:
        what = [words("headline.missing_part")]
    accepted = complete and (counts.accepted_gaps or counts.accepted_inconclusive)
    key = "headline.missing_accepted" if accepted else "headline.missing"
    missing = words(key, what=", ".join(what)) if what else ""
    endpoints = counts.reasons(counts.not_fully_assessed)
    if not endpoints.total:
        return Headline(missing, *_findings(counts, words, whole=not what), missing)
    explained = words(key, what=", ".join([f"{what[0]} ({reasons(endpoints, words)})", *what[1:]]))
    return Headline(missing, *_findings(counts, words, whole=False), explained, endpoint_reasons(counts, words))


def reasons(reasons_row: ReasonsRow, words: Words) -> str:
    """Return how many things were not assessed for which reason, "" where there is none."""
    named = (
        ("reason.missing_permission", reasons_row.missing_permission),
        ("reason.failed_read", reasons_row.failed_read),
        ("reason.no_value", reasons_row.no_value),
    )
    return ", ".join(words(name, count) for name, count in named if count)


def endpoint_reasons(counts: Counts, words: Words) -> str:
    """Return how many endpoints were not fully assessed for which reason, as one sentence; "" without any."""
    reasons_row = counts.reasons(counts.not_fully_assessed)
    return (
        words("headline.endpoint_reasons", reasons_row.total, said=reasons(reasons_row, words))
        if reasons_row.total
        else ""
    )


def left_out(scan: ScanRow | EvaluationResult, words: Words) -> list[str]:
    """Return what a scan was limited to and what was excluded from it, as sentences without a full stop."""
    return list(filter(None, (limited(scan.limited or None, words), excluded(scan.excluded or [], words))))


def limited(row: LimitRow | None, words: Words) -> str:
    """Return what a scan was limited to, as one sentence; "" for nothing."""
    return words("headline.limited", what=limit(row, words)) if row else ""


def limit(row: LimitRow, words: Words) -> str:
    """Return what a scan was limited to, as a part of a sentence."""
    what = words("headline.limited_all")
    if row.groups:
        what = words("headline.limited_groups", len(row.groups), names=_named(row.groups, words))
    if row.resources:
        names = _named(list(map(name_of, row.resources)), words)
        value = words("headline.limited_resources", len(row.resources), names=names)
        what = words("headline.limited_in", what=value, groups=what) if row.groups else value
    if row.tags:
        what = words("headline.limited_tags", len(row.tags), what=what, names=_named(row.tags, words))
    return what


def excluded(rows: Sequence[ExcludedRow], words: Words) -> str:
    """Return how many scopes `--exclude` left out and the first of them, as one sentence; "" for none."""
    names = _named([row.name for row in rows], words)
    return words("headline.excluded", len(rows), names=names) if rows else ""


def _named(names: Sequence[str], words: Words) -> str:
    more = [words("more_named", len(names) - _NAMED)] if len(names) > _NAMED else []
    return ", ".join([*map(plain, names[:_NAMED]), *more])


def inconclusive(counts: Counts, words: Words) -> str:
    """Return how many checks are inconclusive, and for which reasons, as one sentence; "" without any."""
    total, accepted = counts.statuses["unknown"], counts.accepted_inconclusive
    if not total:
        return ""
    text = words("headline.inconclusive", total)
    text += words("headline.inconclusive_accepted", accepted) if accepted else ""
    why = reasons(counts.reasons(counts.inconclusive), words)
    return f"{text}: {why}" if why else text


def _missing(counts: Counts, scopes: Sequence[ScopeRow], words: Words) -> Iterator[str]:
    """Yield what was not assessed: endpoints, types, subscriptions; checks or reads where it is none of these."""
    is_named = False
    named = (
        ("headline.missing_endpoints", counts.not_fully_assessed.total()),
        ("headline.missing_tenants", counts.missing_tenants),
        ("headline.missing_scopes", sum(scope.view != "full" for scope in scopes)),
    )
    for key, count in named:
        if count:
            is_named = True
            yield words(key, count)
    types = counts.incomplete_types
    yield from (_type(each, words) for each in types[:_TYPES])
    if len(types) > _TYPES:
        yield words("headline.missing_types", len(types) - _TYPES)
    if is_named or types:
        return
    if counts.statuses["unknown"]:
        yield words("headline.missing_checks", counts.statuses["unknown"])
    elif counts.gaps:
        yield words("headline.missing_reads", counts.gaps)


def _type(row: TypeRow, words: Words) -> str:
    known = words("headline.missing_known", n=words.number(row.resources)) if row.resources else ""
    return words("headline.missing_type", type=row.type, known=known)


def _findings(counts: Counts, words: Words, *, whole: bool) -> tuple[str, str]:
    """Return `found` and `more`. Only where the `whole` scope was assessed they say that no endpoint is open."""
    texts = list(_open(counts, words))
    if texts:
        if not counts.public and not counts.nearly_public and counts.public_apps and whole:
            texts.insert(1, words("headline.none_other"))
        return texts[0], "; ".join(texts[1:])
    only = words("headline.shared_only", counts.shared_key_only) if counts.shared_key_only else ""
    if whole:
        accepted = counts.accepted_public
        none = words("headline.none_but_accepted", accepted) if accepted else words("headline.none")
        return none, only or words("headline.none_shared")
    return only or words("headline.unsure"), ""


def _open(counts: Counts, words: Words) -> Iterator[str]:
    """Yield what is accessible without authentication, and then what is protected only by a shared key."""
    public, apps, nearly = counts.public, counts.public_apps, counts.nearly_public
    if public:
        yield words("headline.open", public) + (words("headline.open_apps", apps) if apps else "")
    elif apps:
        yield words("headline.open_apps_only", apps)
    if nearly:
        yield words("headline.nearly_more" if public or apps else "headline.nearly", nearly)
    if counts.shared_key_only and (public or apps or nearly):
        yield words("headline.shared_more", counts.shared_key_only)
