"""Group the items of a notice by owner and resource, and compute how many of them fit into a message."""

from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct

from scanner.history.items import first_segments, top_of
from scanner.model.ids import group_of, name_of, type_of
from scanner.notify.notice import NoticeItem
from scanner.notify.wording import short, words_of
from scanner.report.language.words import Words

LISTED = (10, 3, 0)
"""How many waivers and gaps a message shows; fewer where items would have no room."""


class ResourceSection(Struct, frozen=True):
    """A top-level resource and its items."""

    resource: str
    items: list[NoticeItem]
    words: Words

    @property
    def name(self) -> str:
        """The name of the resource."""
        return short(name_of(self.resource))

    @property
    def about(self) -> str:
        """Type and group: `Microsoft.Storage/storageAccounts in rg-journal`."""
        group = group_of(self.resource)
        type = short(type_of(self.resource) or self.words("notice.subscription"))
        about = self.words("notice.type_in", type=type, group=short(group)) if group else type
        tenant = self.items[0].tenant
        if tenant is msgspec.UNSET:
            return about
        return f"{about}, {self.words('notice.tenant', name=short(tenant))}"


class OwnerSection(Struct, frozen=True):
    """The resources of one owner. `heading` is "" where no resource has an owner tag."""

    heading: str
    resources: list[ResourceSection]


def sections(items: Sequence[NoticeItem], language: str) -> list[OwnerSection]:
    """Return the items by owner, and by top-level resource, in the order of their first item."""
    owners: dict[str, dict[str, list[NoticeItem]]] = {}
    for each in items:
        owners.setdefault(each.owner, {}).setdefault(top_of(each.resource), []).append(each)
    has_owners, words = any(owners), words_of(language)
    return [
        OwnerSection(
            _heading(owner, words) if has_owners else "",
            [
                ResourceSection(first_segments(notice_items[0].resource, top), notice_items, words)
                for top, notice_items in resources.items()
            ],
        )
        for owner, resources in owners.items()
    ]


def _heading(owner: str, words: Words) -> str:
    return words("notice.owner", owner=short(owner)) if owner else words("notice.no_owner")


def capacity(fits: Callable[[int, int], bool], total: int, most: int) -> tuple[int, int]:
    """Return how many items fit into a message, at most `most`, and how many waivers and gaps.

    `fits(items, listed)`: whether a message with so many is small enough.
    """
    count = listed = 0
    for listed in LISTED:
        count = _largest(min(total, most), listed, fits)
        if count >= min(total, 3) and fits(count, listed):
            break
    return count, listed


def _largest(limit: int, listed: int, fits: Callable[[int, int], bool]) -> int:
    """Return the largest number up to a limit with which a message fits, because one more never makes it smaller."""
    low, high = 0, limit
    while low < high:
        half = (low + high + 1) // 2
        low, high = (half, high) if fits(half, listed) else (low, half - 1)
    return low
