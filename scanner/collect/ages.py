"""Reads whose answers may be those of an earlier scan (`--max-age`): see docs/ages.md.

Only reads that decide nothing above low: what they are, how old an answer may be, and what must be the same.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct, field

from scanner.azure.errors import ReadError
from scanner.collect.bodies import Role, allows
from scanner.model.ids import subscription_of
from scanner.model.resource import By
from scanner.model.resource_type import Read
from scanner.snapshot.ages import AgedAnswer, AnswersWriter, EarlierAnswers
from scanner.snapshot.changes import LastChanges

Json = dict[str, Any]
PERMISSIONS = "providers/Microsoft.Authorization/permissions"


class _Access(Struct, frozen=True):
    """The roles of the identity on a subscription, none where ARM did not say. `digest`: of them."""

    roles: list[Role] = []
    digest: bytes = b""


class AgedReads(Struct):
    """The answers of earlier scans that count in this one, and those of this one that may count in later ones.

    `roles_on`: reads the roles of the identity that a list of permissions gives; raises ReadError. `limits`: how old
    the answer to a read may be, in seconds; reads without a limit are always made. `same`: everything besides the
    resource and the read that must be the same. `changes`: what changed since the earlier scan; None where that is not
    known, so that no answer counts.
    """

    roles_on: Callable[[str], Awaitable[list[Role]]]
    limits: Mapping[Read, float]
    same: bytes
    earlier: EarlierAnswers
    writer: AnswersWriter | None
    changes: LastChanges | None = None
    used: int = 0
    oldest: int = 0
    """The second in which the oldest answer came that was used; 0 without any."""
    now: Callable[[], float] = time.time
    _access: dict[str, asyncio.Task[_Access]] = field(default_factory=dict)

    async def key(self, read: Read, url: str, digest: str) -> str:
        """Return the key of the answer to a read, "" where the identity is not known to have the right to it.

        `digest`: of the resource that it is directly below.
        """
        access = await self._access_to(subscription_of(url))
        if not all(any(allows(role, action) for role in access.roles) for action in read.actions):
            return ""
        key = blake2b(digest_size=16)
        query = msgspec.json.encode(read.query, order="sorted")
        for each in (
            self.same,
            access.digest,
            url.lower().encode("utf-8", "surrogatepass"),
            read.api.encode(),
            query,
            digest.encode(),
        ):
            key.update(len(each).to_bytes(4, "big") + each)
        return key.hexdigest()

    def find(self, read: Read, key: str, url: str) -> AgedAnswer | None:
        """Return the answer of an earlier scan that counts; it counts in later ones by its own age."""
        answer = self.earlier.get(key) if key and self.changes is not None else None
        if answer is None or self.changes is None:
            return None
        is_old = answer.at < self.now() - self.limits[read] * _share(key)
        if is_old or not self.changes.shown_by(url, answer.at):
            return None
        self.used += 1
        self.oldest = min(self.oldest or answer.at, answer.at)
        if self.writer is not None:
            self.writer.add(answer)
        return answer

    def keep(self, key: str, id: str, by: By, api: str | None, rows: list[Json]) -> None:
        """Write an answer of Azure for later scans."""
        if key and self.writer is not None:
            self.writer.add(AgedAnswer(key, id, int(self.now()), by, api, rows))

    async def _access_to(self, subscription: str) -> _Access:
        task = self._access.get(subscription)
        if task is None:
            task = self._access[subscription] = asyncio.ensure_future(self._read_access(subscription))
        return await asyncio.shield(task)

    async def _read_access(self, subscription: str) -> _Access:
        try:
            roles = await self.roles_on(f"/subscriptions/{subscription}/{PERMISSIONS}")
        except ReadError:
            return _Access()
        return _Access(roles, blake2b(msgspec.json.encode(roles), digest_size=16).digest())


def _share(key: str) -> float:
    """Return which share of the longest age an answer may have, from half of it to all of it: a number of its own for
    each key, so that the reads of one scan are not all due in the same later one.
    """
    return 0.5 + int(key[:8], 16) / (1 << 33)


def time_of(second: int) -> str:
    """Return a second (since 1970) as a time (UTC, ISO 8601)."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def digest_of(row: Json) -> str:
    """Return a digest of a resource as Azure returned it, with its etag where it has one."""
    return blake2b(msgspec.json.encode(row, order="sorted"), digest_size=16).hexdigest()


def may_age(read: Read, others: Iterable[Read]) -> bool:
    """Return whether the answer to a read may be that of an earlier scan: no other read of the scan
    (`others`) is below it or depends on it.
    """
    if read.each or read.always or read.joined or read.matters:
        return False
    if read.within is not None or read.after is not None or read.also_after is not None:
        return False
    needed_by = (
        wanted
        for each in others
        for wanted in (each.parent, each.within, *(pair[0] for pair in (each.after, each.also_after) if pair))
    )
    return all(wanted is not read for wanted in needed_by)
