"""Reads each subscription as a resource, with what is set on it: locks, budgets, Defender plans."""

from collections.abc import Iterable

from scanner.azure.errors import ReadError
from scanner.collect.bodies import quoted_path
from scanner.collect.children import BundleReader
from scanner.collect.queue import CollectionContext, JobQueue, SubscriptionView
from scanner.model.ids import SUBSCRIPTION

WHAT = "subscriptions"


def add_subscriptions(
    context: CollectionContext,
    bundles: BundleReader,
    jobs: JobQueue,
    views: Iterable[SubscriptionView],
    *,
    again: bool = False,
) -> None:
    """Add a job for each subscription, where the plan asks for them, that reads it and what the plan reads below it.

    `again`: it was read before. Then a failed read is a gap, because what was read before stands for now.
    """
    resource_type = context.plan.subscription
    if resource_type is None:
        return

    def add(view: SubscriptionView) -> None:
        context.counts.expect(WHAT)

        async def run() -> None:
            id = f"/subscriptions/{view.id}"
            try:
                body, api = await context.versions.get(quoted_path(id), resource_type.api)
            except ReadError as error:
                # The path of the list: a gap of the subscription itself says that it is visible in part.
                listed = f"{id}/providers/{SUBSCRIPTION}"
                if again:
                    context.add_failure(context.store, listed, error)
                else:
                    context.store.skip(listed, f"{error.status} {error.code}")
            else:
                bundles.add(jobs, view, {**body, "id": id}, resource_type, "get", api)
            context.counts.finish(WHAT)

        jobs.add((view.id, "subscription"), run)

    for view in views:
        add(view)
