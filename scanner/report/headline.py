"""The first sentence of a result: what was not assessed, then what is open. The same on every output."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scanner.document.schema import ScopeRow, TypeRow
from scanner.evaluate.counts import Counts
from scanner.report.words import Words

_TYPES = 2
"""The most types that a headline names."""


@dataclass(frozen=True, slots=True)
class Headline:
    """`missing`: what was not assessed, "" where everything was. `found`: what is open of the rest; `more`: what is
    protected only by a shared key, "" where `found` says it. Each is a clause without a full stop.
    """

    missing: str
    found: str
    more: str = ""

    @property
    def result(self) -> str:
        """`found` and `more` as one sentence without a full stop."""
        return capital("; ".join(filter(None, (self.found, self.more))))

    def __str__(self) -> str:
        """Return all as one sentence without a full stop."""
        return capital("; ".join(filter(None, (self.missing, self.found, self.more))))


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
    return Headline(missing, *_found(counts, words, whole=not what))


def _missing(counts: Counts, scopes: Sequence[ScopeRow], words: Words) -> Iterator[str]:
    """Yield what was not assessed: endpoints, types, subscriptions; checks or reads where it is none of these."""
    is_named = False
    named = (
        ("headline.missing_endpoints", counts.not_assessed),
        ("headline.missing_may", counts.may_be_worse),
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


def _found(counts: Counts, words: Words, *, whole: bool) -> tuple[str, str]:
    """Return `found` and `more`. Only where the `whole` scope was assessed they say that no endpoint is open."""
    public, shared = counts.without_authentication, counts.shared_key_only
    if public:
        return words("headline.open", public), words("headline.shared_more", shared) if shared else ""
    only = words("headline.shared_only", shared) if shared else ""
    if whole:
        return words("headline.none"), only or words("headline.none_shared")
    return only or words("headline.unsure"), ""
