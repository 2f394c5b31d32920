"""Reads subscriptions as wholes, some at a time: each type that exists, and what lies below."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from scanner.collect.children import BundleReader
from scanner.collect.lists import ListReader
from scanner.collect.plan import nested
from scanner.collect.queue import LISTS, SUBSCRIPTIONS, JobQueue, JobsInWork, SubscriptionView, run_some
from scanner.collect.subscription_bundles import add_subscriptions

Begin = Callable[[SubscriptionView, JobsInWork], None]
"""Begins what the lists of a subscription must have ended for."""


class WholeReader:
    """Read subscriptions. `subscriptions`: reads each of them as a resource."""

    def __init__(self, lists: ListReader, jobs: JobQueue, subscriptions: BundleReader, begin: Begin) -> None:
        self._lists = lists
        self._jobs = jobs
        self._subscriptions = subscriptions
        self._begin = begin
        self._left = 0
        self._first = asyncio.Event()

    async def first_ended(self) -> None:
        """Return when all lists and all reads of the first rank have ended, of all subscriptions."""
        await self._first.wait()

    async def read(self, views: Sequence[SubscriptionView]) -> None:
        """Read all subscriptions, `SUBSCRIPTIONS` at once, so that memory does not grow with their number. One that
        stalls delays no other one.
        """
        self._left = len(views)
        async with asyncio.TaskGroup() as tasks:
            await run_some((partial(self._read, tasks, each) for each in views), SUBSCRIPTIONS)

    async def _read(self, tasks: asyncio.TaskGroup, view: SubscriptionView) -> None:
        """Begin a subscription, and return when the next one may begin."""
        lists, jobs = JobsInWork(), self._jobs
        add_subscriptions(self._subscriptions.context, self._subscriptions, jobs, [view])
        for type, resource_type in self._lists.context.plan.types():
            if not nested(type):
                jobs.add((view.id, LISTS), lists.counted(self._lists.job(jobs, view, type, resource_type)))
        self._begin(view, lists)
        tasks.create_task(self._end(view))
        tasks.create_task(self._count_first(view))
        await jobs.ended_or_stalled(view.id)

    async def _count_first(self, view: SubscriptionView) -> None:
        await self._jobs.first_ended(view.id)
        self._left -= 1
        if not self._left:
            self._first.set()

    async def _end(self, view: SubscriptionView) -> None:
        """Forget what was found of a subscription once it is read."""
        await self._jobs.ended(view.id)
        self._lists.bundles.listed_ids.forget(view.id)
