"""The verdict of a lock rule on the endpoints that it reads: fail, inconclusive, pass or not applicable."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, cast

from msgspec import Struct
from msgspec.structs import replace

from scanner.model.exposure import (
    REACH_DESCRIPTIONS,
    Auth,
    Exposure,
    Lock,
    PossibleGrant,
    Reach,
    access_sentence,
    authentication_text,
    title,
)
from scanner.model.message import Message, joined, listed, more
from scanner.model.severity import Severity
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Unknown, Unread, Verdict

Answer = Literal["fail", "unknown", "pass"]
_ASKED = {"anonymous-access": Auth.anonymous, "authentication": Auth.shared}


def answer(category: str, exposure: Exposure) -> Answer:
    """Return how a lock rule of that category reads one endpoint.

    It fails on a grant that has a cell, is unknown where a possible grant would make it fail, else passes.
    """
    if category == "network":
        return _network(exposure)
    asked = _ASKED[category]
    if asked not in exposure.authentication.levels:
        return "pass"
    reach = exposure.proven_reach
    if reach is not None and exposure.authentication.has(asked) and exposure.rate(asked, reach) is not None:
        return "fail"
    widest = max(exposure.reach.levels, default=Reach.internet)
    return "unknown" if exposure.rate(asked, cast("Reach", widest)) is not None else "pass"


def _network(exposure: Exposure) -> Answer:
    reach = exposure.proven_reach
    if (
        reach is not None
        and reach >= Reach.wide
        and exposure.rate(exposure.proven_authentication or Auth.identity, reach) is not None
    ):
        return "fail"
    widest = cast("Reach", max(exposure.reach.levels, default=Reach.internet))
    authentication = cast("Auth", max(exposure.authentication.levels, default=Auth.anonymous))
    return "unknown" if widest >= Reach.wide and exposure.rate(authentication, widest) is not None else "pass"


class LockVerdict(Struct, frozen=True):
    """The verdict of a lock rule on some endpoints, with those that fail and those that are inconclusive."""

    verdict: Verdict
    failing: tuple[Exposure, ...] = ()
    inconclusive: tuple[Exposure, ...] = ()


def evaluate(category: str, exposures: Sequence[Exposure], ways: Sequence[str] = ()) -> LockVerdict:
    """Return the verdict of a lock rule on its endpoints: Fail where one fails, else Unknown where one is inconclusive.

    With `ways` only the credentials of these names are read; a network rule then passes on endpoints that ask for none
    of them. The result holds the exposures as they were given.
    """
    if not ways:
        return _evaluate(category, exposures)
    whole = {each.id: each for each in exposures}
    selected = [_with_authentication(each, each.authentication.select(ways)) for each in exposures]
    if category == "network" and selected:
        selected = [each for each in selected if each.authentication.grants or each.authentication.possible_grants]
        if not selected:
            return LockVerdict(Pass())
    lock_verdict = _evaluate(category, selected)
    failing = tuple(whole[one.id] for one in lock_verdict.failing)
    return LockVerdict(lock_verdict.verdict, failing, tuple(whole[one.id] for one in lock_verdict.inconclusive))


def _with_authentication(exposure: Exposure, authentication: Lock) -> Exposure:
    return exposure if authentication is exposure.authentication else replace(exposure, authentication=authentication)


def _evaluate(category: str, exposures: Sequence[Exposure]) -> LockVerdict:
    answers = [(answer(category, each), each) for each in exposures]
    failing = tuple(each for result, each in answers if result == "fail")
    inconclusive = tuple(each for result, each in answers if result == "unknown")
    if failing:
        worst = max((each.severity for each in failing if each.severity is not None), default=Severity.low)
        missing = tuple(each.missing for exposure in inconclusive for each in _possible_grants(exposure))
        names = tuple(each.endpoint for each in failing)
        verdict: Verdict = Fail(_evidence(category, failing), _message(failing), worst, names, missing)
        return LockVerdict(verdict, failing, inconclusive)
    if inconclusive:
        return LockVerdict(_unknown(inconclusive), inconclusive=inconclusive)
    if not exposures:
        return LockVerdict(NotApplicable(Message("it has no such endpoint")))
    if all(each.disabled_reason for each in exposures):
        return LockVerdict(NotApplicable(exposures[0].disabled_reason))
    # Rules that only the service shows may allow callers, and then weak authentication counts.
    if all(each.hidden_rules for each in exposures) and (category == "network" or _weak(category, exposures)):
        return LockVerdict(NotApplicable(exposures[0].hidden_rules))
    return LockVerdict(Pass())


def _weak(category: str, exposures: Sequence[Exposure]) -> bool:
    return any(_ASKED[category] in each.authentication.levels for each in exposures)


def _possible_grants(exposure: Exposure) -> list[PossibleGrant]:
    return [*exposure.reach.possible_grants, *exposure.authentication.possible_grants]


def _unknown(inconclusive: tuple[Exposure, ...]) -> Unknown:
    possible_grants = [possible for exposure in inconclusive for possible in _possible_grants(exposure)]
    missing: list[Unread] = [possible.missing for possible in possible_grants]
    why = joined("; ", dict.fromkeys(each.text for each in missing))
    gaps = tuple(dict.fromkeys(each.gap for each in missing if each.gap))
    worst = max((each.worst_severity for each in inconclusive if each.worst_severity is not None), default=None)
    seen = _unique(each for possible in possible_grants for each in possible.evidence)
    has_other_reasons = any(not each.gap for each in missing)
    return Unknown(why, gaps, worst, seen, tuple(each.endpoint for each in inconclusive), has_other_reasons)


def _unique(rows: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Return each path and value once. Of two that differ in their expectation, the one that has one stays."""
    display_value: dict[tuple[str, str], Evidence] = {}
    for row in rows:
        key = (row.path, repr(row.value))
        if key not in display_value or (display_value[key].expected is None and row.expected is not None):
            display_value[key] = row
    return tuple(display_value.values())


def _context(seen: Iterable[Evidence]) -> list[Evidence]:
    """Return evidence without its expectations."""
    return [Evidence(each.path, each.value) for each in seen]


def _evidence(category: str, exposures: Sequence[Exposure]) -> tuple[Evidence, ...]:
    rows: list[Evidence] = []
    for exposure in exposures:
        reach, authentication = exposure.reach.evidence, exposure.authentication.evidence
        rows += [*reach, *_context(authentication)] if category == "network" else [*authentication, *_context(reach)]
    return _unique(rows)


def _message(failing: Sequence[Exposure]) -> Message:
    if len(failing) == 1:
        return Message("{title}.", title=title(failing[0]))
    groups: dict[tuple[str, str], list[Exposure]] = {}
    for each in failing:
        reach = each.reach.widest
        source = "" if reach is None else reach.description or REACH_DESCRIPTIONS[cast("Reach", reach.level)]
        groups.setdefault((source, authentication_text(each.authentication.widest)), []).append(each)
    return joined(" ", [message for group in groups.values() for message in _group_message(group)])


def _group_message(group: Sequence[Exposure]) -> Iterator[Message]:
    """Yield the sentences on endpoints with the same sources and sign-in."""
    first = group[0]
    reach, authentication = first.reach.widest, first.authentication.widest
    names = named_few([each.endpoint for each in group])
    yield Message("{access}.", access=access_sentence(names, reach, authentication, plural=len(group) > 1))
    if all(each.stopped for each in group):
        yield Message("Stopped: would be reachable when started.")


def named_few(names: Sequence[str]) -> Message:
    """Return names as they stand in a sentence, at most six of them."""
    if len(names) <= 6:
        return listed(names)
    return listed([*names[:5], more(len(names) - 5)])


def cell_text(exposure: Exposure) -> str:
    """Return the cell of an exposure as waivers name it: "admin/shared/internet"."""
    reach, authentication = exposure.proven_reach, exposure.proven_authentication
    return "/".join(
        (
            exposure.kind,
            "unknown" if authentication is None else authentication.name,
            "unknown" if reach is None else reach.name,
        )
    )
