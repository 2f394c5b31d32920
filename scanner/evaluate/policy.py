"""The settings that an evaluation uses: own networks, intended endpoints, severities, waivers."""

from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Protocol

import msgspec
from msgspec import Struct, field

from scanner.document.schema import WaiverRow
from scanner.model.addresses import NO_ADDRESSES, AddressSet
from scanner.model.residency import ResidencyPolicy
from scanner.model.resource import Gap
from scanner.model.rule import Rule
from scanner.model.severity import Severity


class Intended(Struct, frozen=True):
    """An endpoint that the settings declare public. Patterns with `*`; case is ignored."""

    resource: str
    endpoint: str
    reason: str

    def covers(self, resource_id: str, endpoint: str) -> bool:
        return fnmatchcase(resource_id.lower(), self.resource.lower()) and fnmatchcase(
            endpoint.lower(), self.endpoint.lower()
        )


class Failure(Struct, frozen=True):
    """One failure of a finding that a waiver may cover: an endpoint, its cell ("kind/authentication/reach"), severity.

    The finding of a property rule has a severity, and an endpoint only where the verdict names some.
    """

    endpoint: str = ""
    address: str = ""
    cell: str = ""
    severity: Severity | None = None


class WaiverUse(msgspec.Struct, array_like=True):
    """What a part of an evaluation recorded of waivers, by the place of each entry: how many things it covers, and
    whether something that it names failed or was inconclusive.
    """

    used: dict[int, int] = {}
    met: list[int] = []


class Waivers(Protocol):
    """What accepts findings and gaps; see `scanner.config.waivers`."""

    def fork(self) -> "Waivers":
        """Return the same entries with records of their own, for a part of an evaluation."""

    def fragment(self) -> WaiverUse:
        """Return what was recorded in a part."""

    def join(self, fragment: WaiverUse) -> None:
        """Add what was recorded in another part."""

    def names(self, rule: Rule) -> bool:
        """Return whether an entry is about a rule: of another one nothing is waived, and nothing has expired."""

    def waived(self, rule: Rule, resource: str, tags: Mapping[str, str], failure: Failure) -> WaiverRow | None:
        """Return the waiver that covers a failure."""

    def past(self, rule: Rule, resource: str, tags: Mapping[str, str], failure: Failure) -> WaiverRow | None:
        """Return the waiver that covered a failure and has expired."""

    def inconclusive(self, rule: Rule, resource: str) -> None:
        """Record that a rule is Unknown, or crashed, on a resource or on something below it."""

    def begin(self) -> None:
        """Forget what an earlier evaluation recorded."""

    def accepted_gap(self, gap: Gap) -> WaiverRow | None:
        """Return the entry that accepts a gap, so that it does not make the scan incomplete."""

    def accepted_check(self, rule: Rule, resource: str) -> WaiverRow | None:
        """Return the entry that accepts that a rule is Unknown on a resource. Call it only where each gap that is a
        reason is accepted.
        """

    def notes(self, enabled: Iterable[Rule], subscriptions: Collection[str], *, whole: bool) -> list[str]:
        """Return notes on single waivers after a scan that saw these subscriptions (lower case) in full. `whole`: the
        scan covered nothing else.
        """


class NoWaivers:
    """Accepts nothing."""

    def fork(self) -> "NoWaivers":
        return self

    def fragment(self) -> WaiverUse:
        return WaiverUse()

    def join(self, fragment: WaiverUse) -> None:
        return

    def names(self, rule: Rule) -> bool:
        return False

    def waived(self, rule: Rule, resource: str, tags: Mapping[str, str], failure: Failure) -> WaiverRow | None:
        return None

    def past(self, rule: Rule, resource: str, tags: Mapping[str, str], failure: Failure) -> WaiverRow | None:
        return None

    def inconclusive(self, rule: Rule, resource: str) -> None:
        return

    def begin(self) -> None:
        return

    def accepted_gap(self, gap: Gap) -> WaiverRow | None:
        return None

    def accepted_check(self, rule: Rule, resource: str) -> WaiverRow | None:
        return None

    def notes(self, enabled: Iterable[Rule], subscriptions: Collection[str], *, whole: bool) -> list[str]:
        return []


class Policy(Struct, frozen=True):
    """The settings of an evaluation. `tags`: the tags that the document shows.

    `part`: the scan was limited to some resources, so that a waiver without a finding means nothing.
    """

    networks: AddressSet = NO_ADDRESSES
    wide_ipv4: int = 65536
    wide_ipv6: int = 48
    intended: tuple[Intended, ...] = ()
    severities: Mapping[str, Severity] = field(default_factory=dict)
    waivers: Waivers = field(default_factory=NoWaivers)
    tags: tuple[str, ...] = ()
    part: bool = False
    residency: ResidencyPolicy = field(default_factory=ResidencyPolicy)
