"""Reads the quotas of each subscription: two lists a region, in few regions. Not read for parts of a subscription."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from scanner.azure.errors import ReadError
from scanner.azure.served_versions import served_versions
from scanner.azure.turns import RANK
from scanner.collect.bodies import quoted_path
from scanner.collect.plan import Json, Scope
from scanner.collect.queue import LAST, UNREGISTERED, CollectionContext, JobsInWork, SubscriptionView, run_some
from scanner.collect.versions import by_version
from scanner.model.ids import QUOTA_TYPES
from scanner.model.message import Message
from scanner.model.regions import Region
from scanner.model.residency import ResidencyPolicy
from scanner.snapshot.format import NOT_ASKED

if TYPE_CHECKING:
    from scanner.azure.subscriptions import Subscription

APIS: Final = dict(zip(QUOTA_TYPES, ("2025-11-01", "2025-09-01"), strict=True))
"""The types of quotas, each with its api-version."""
MOST_REGIONS: Final = 8
"""The number of regions of a subscription that are read."""
TOO_MANY = Message("not read: only {most_regions} regions of a subscription are", most_regions=MOST_REGIONS)
"""Why the quotas of a region are not read. The regions with the most resources come first."""
PARTIALLY_VISIBLE = Message("the subscription is visible in part")
NO_REGION = Message("the subscription has no resources in any region")
_NO_PROVIDER, _NO_LOCATION = "noregisteredproviderfound", "locationnotavailableforresourcetype"
_REGION = re.compile(r"[a-z][a-z0-9]{2,40}")
_GLOBAL = "global"


class QuotaReader:
    """Read the quotas of one collection. `regions`: the regions of the cloud; `names`: those of subscriptions, by id in
    lower case.
    """

    def __init__(
        self,
        context: CollectionContext,
        policy: ResidencyPolicy,
        regions: Mapping[str, Region],
        names: Mapping[str, str],
    ) -> None:
        self.context = context
        self.policy = policy
        self.regions = regions
        self.names = names
        self._answers: dict[str, tuple[list[Json], str] | ReadError] = {}
        """The quotas of each list that was read and the api-version, by path, or why it was not."""

    async def begin(self, view: SubscriptionView, lists: JobsInWork, regions: asyncio.Task[None] | None) -> None:
        """Read quotas beside what lies below resources, as soon as the lists have said which regions are in use.

        Under a limit, every other read goes first, because no verdict depends on quotas. Writes nothing. Of a
        subscription with more regions than are read it is not known yet which ones are. `regions`: reads the regions of
        the cloud.
        """
        RANK.set(LAST)
        await lists.wait()
        if regions is not None:
            await asyncio.wait([regions])
        wanted = self.wanted(view.id)
        if view.view == "full" and len(wanted) <= MOST_REGIONS:
            paths = [(_path(view.id, type, each), type) for type in QUOTA_TYPES for each in wanted]
            await run_some(partial(self._region, *each) for each in paths)

    async def read(self, views: Sequence[SubscriptionView]) -> None:
        """Write the quotas of each subscription, a gap where they cannot be read, a skip where they are not read."""
        await run_some(partial(self._subscription, each) for each in views)

    def wanted(self, subscription: str) -> list[str]:
        """Return the regions whose quotas matter: those that the settings allow, else those that hold resources. The
        region with the most resources comes first.
        """
        counts = self.context.regions[subscription.lower()]
        used = {each for each in counts if _REGION.fullmatch(each) and each != _GLOBAL}
        allowed = self.policy.of_subscription(subscription, self.names.get(subscription.lower(), ""))
        if allowed is not None:
            used = {each.name for each in self.regions.values() if allowed.has(each)}
        return sorted(used, key=lambda each: (-counts.get(each, 0), each))

    async def _subscription(self, view: SubscriptionView) -> None:
        above = f"/subscriptions/{view.id}/providers"
        if view.view != "full":
            self.context.store.skip(f"{above}/{_lists_of(QUOTA_TYPES[0])}", PARTIALLY_VISIBLE)
            return
        regions = self.wanted(view.id)
        if not regions:
            self.context.store.skip(f"{above}/{_lists_of(QUOTA_TYPES[0])}", NO_REGION)
        for type in QUOTA_TYPES:
            for region in regions[MOST_REGIONS:]:
                self.context.store.skip(f"{above}/{_lists_of(type)}/{region}/usages", TOO_MANY)
        await run_some(partial(self._type, view.id, type, regions[:MOST_REGIONS]) for type in QUOTA_TYPES)

    async def _type(self, subscription: str, type: str, regions: Sequence[str]) -> None:
        """Write the quotas of one type: of each region those that some region of the subscription uses."""
        paths = [_path(subscription, type, each) for each in regions]
        await run_some(partial(self._region, each, type) for each in paths)
        result: dict[str, tuple[list[Json], str]] = {}
        for path in paths:
            answer = self._answers[path]
            if isinstance(answer, ReadError):
                self._add_failure(path, type, answer)
            else:
                result[path] = answer
        used = {each["name"] for rows, _ in result.values() for each in rows if each["used"] != 0}
        for path, (rows, api) in result.items():
            kept, by = [each for each in rows if each["name"] in used], by_version("list", api, APIS[type])
            self.context.store.resource({"id": path, "properties": {"quotas": kept}}, api, by)
            self.context.store.read(path, 1, by, api)

    async def _region(self, path: str, type: str) -> None:
        """Read one list, unless it was read before."""
        if path in self._answers:
            return
        self.context.counts.expect("quotas")
        try:
            rows, api = await self.context.versions.rows(quoted_path(path), APIS[type])
        except ReadError as error:
            self._answers[path] = error
        else:
            self._answers[path] = [_quota(row) for row in rows], api
        self.context.counts.finish("quotas")

    def _add_failure(self, path: str, type: str, error: ReadError) -> None:
        """Write why a list was not read."""
        provider = type.partition("/")[0]
        is_offered = not _not_offered(error, APIS[type])
        if error.code.lower() == UNREGISTERED or not is_offered:
            error.means_none()
        if error.code.lower() == UNREGISTERED:
            self.context.store.skip(
                path, Message("{provider} is not registered in the subscription", provider=provider)
            )
        elif not is_offered:
            self.context.store.skip(path, Message("{provider} is not offered in the region", provider=provider))
        else:
            self.context.add_failure(self.context.store, path, error, f"{type}/read")


def _not_offered(error: ReadError, api: str) -> bool:
    """Return whether a refusal says that a region has no such provider. One that does not name the api-version among
    those that are served may be about the version.
    """
    code = error.code.lower()
    return code == _NO_LOCATION or (code == _NO_PROVIDER and api in served_versions(error))


def quotas_of(
    context: CollectionContext, scope: Scope, regions: Mapping[str, Region], targets: "Sequence[Subscription]"
) -> QuotaReader | None:
    """Return what reads the quotas of subscriptions, None where they are not read. `regions`: see `QuotaReader`."""
    if context.plan.quotas is None or scope.groups or scope.tags:
        return None
    return QuotaReader(context, context.plan.quotas, regions, {each.id.lower(): each.name for each in targets})


def skip_quotas(context: CollectionContext, views: Sequence[SubscriptionView]) -> None:
    """Write that quotas were not asked for."""
    for each in views:
        context.store.skip(f"/subscriptions/{each.id}/providers/{_lists_of(QUOTA_TYPES[0])}", NOT_ASKED)


def _path(subscription: str, type: str, region: str) -> str:
    """Return the path of the list of a type of quotas in a region."""
    return f"/subscriptions/{subscription}/providers/{_lists_of(type)}/{region}/usages"


def _lists_of(type: str) -> str:
    """Return the path of the regions of a type of quotas, below the providers of a subscription."""
    return type.removesuffix("/usages")


def _quota(row: Json) -> Json:
    """Return of a quota what is used of it: ARM's name, the name for people, what is used, and the limit."""
    given = row.get("name")
    name = given if isinstance(given, dict) else {"value": given}
    label = name.get("localizedValue")
    return {
        "name": str(name.get("value") or ""),
        "label": label if isinstance(label, str) else "",
        "used": row.get("currentValue"),
        "limit": row.get("limit"),
    }
