"""Reads a type at an older api-version where Azure does not serve the pinned one.

A cloud or region may not have the newest versions. ARM's refusal then names those that it serves, and the newest stable
one that is not above the pinned one is read. What it returns says nothing about the properties that are absent.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

from scanner.azure.errors import ReadError
from scanner.collect.plan import Json
from scanner.model.ids import type_of
from scanner.model.resource import By
from scanner.snapshot.spool import SpooledRows

if TYPE_CHECKING:
    from scanner.azure.reader import AzureReader

STATUSES = (400, 404)
_SERVED = re.compile(
    r"""(?:supported|available|\bvalid)\ (?:api[-\ ]?)?versions?(?:\ values)?(?:\ (?:are|is|include))?:?\ ?
    (?:'([^'.]{10,4096})|"([^".]{10,4096})|[\[(]?([0-9][^'".)\]]{9,4096}))""",
    re.I | re.ASCII | re.X,
)
"""What ARM says in NoRegisteredProviderFound, InvalidResourceType and InvalidApiVersionParameter, and services in words
of their own.
"""
_STABLE = re.compile(r"20\d\d-\d\d-\d\d", re.ASCII)
_FIRST_SECONDS = 1.0
"""The seconds for which the reads of a type wait for the first one, which may be refused for its version."""


class VersionedBody(NamedTuple):
    """A resource, and the api-version with which it was read."""

    body: Json
    api: str


class _TypeVersion(Struct):
    """The api-version with which a type is read. `is_tried`: whether a first read of it was answered."""

    api: str
    is_begun: bool = False
    is_tried: asyncio.Event = field(default_factory=asyncio.Event)


def older_version(error: ReadError, pinned: str) -> str:
    """Return the newest stable api-version that a refusal names and that is not above a pinned one, "" for none.

    The message is bounded (`scanner.azure.errors.MESSAGE`). What is no date is no version.
    """
    named = served_versions(error)
    if pinned in named:
        return ""  # it is refused for its region
    return max((each for each in named if each <= pinned[:10] and each != pinned and _is_stable(each)), default="")


def served_versions(error: ReadError) -> list[str]:
    """Return the api-versions that a refusal names."""
    found = _SERVED.search(error.message) if error.status in STATUSES else None
    return [] if found is None else [each.strip() for each in re.split(r"[,;]", found[1] or found[2] or found[3])]


def _is_stable(version: str) -> bool:
    if _STABLE.fullmatch(version) is None:
        return False
    try:
        date.fromisoformat(version)
    except ValueError:
        return False
    return True


def by_version(by: By, api: str, pinned: str) -> By:
    """Return how a record was read: `older` at another api-version than the pinned one."""
    return by if api == pinned else "older"


class VersionedReader:
    """Read types, each at the pinned api-version or at the one that was found for it in this collection."""

    def __init__(self, reader: "AzureReader") -> None:
        self._reader = reader
        self._types: dict[tuple[str, str], _TypeVersion] = defaultdict(lambda: _TypeVersion(""))

    async def get(self, path: str, pinned: str, region: str = "") -> VersionedBody:
        """Return one resource. Raises ReadError."""
        known = await self._known(type_of(path), pinned)
        try:
            return await self._get(path, pinned, region, known)
        finally:
            known.is_tried.set()

    async def _get(self, path: str, pinned: str, region: str, known: _TypeVersion) -> VersionedBody:
        api = known.api
        try:
            return VersionedBody(await self._reader.get(path, api, region), api)
        except ReadError as error:
            older = self._next(error, pinned, api, known)
        return VersionedBody(await self._reader.get(path, older, region), older)

    def pages(
        self, path: str, pinned: str, region: str = "", query: Mapping[str, str] | None = None
    ) -> "VersionedPages":
        """Return the pages of a list. Reading them raises ReadError."""
        return VersionedPages(self._pages(path, pinned, region, query))

    async def rows(self, path: str, pinned: str) -> tuple[SpooledRows, str]:
        """Return all rows of a list, and the api-version with which they were read. Raises ReadError."""
        found, pages = SpooledRows(self._reader.spool), self.pages(path, pinned)
        async for page in pages:
            found.add(page)
            page.clear()
        return found, pages.api or pinned

    async def _pages(
        self, path: str, pinned: str, region: str, query: Mapping[str, str] | None
    ) -> AsyncIterator[tuple[str, list[Json]]]:
        known = await self._known(type_of(f"{path}/x"), pinned)
        api, is_first = known.api, True
        try:
            async for page in self._reader.pages(path, api, region, query):
                known.is_tried.set()
                is_first = False
                yield api, page
        except ReadError as error:
            if not is_first:
                raise
            api = self._next(error, pinned, api, known)
        else:
            return
        finally:
            known.is_tried.set()
        async for page in self._reader.pages(path, api, region, query):
            yield api, page

    async def _known(self, type: str, pinned: str) -> _TypeVersion:
        """Return the version of a type, after its first read was answered: one refusal serves all."""
        known = self._types[type.lower(), pinned]
        known.api = known.api or pinned
        if known.is_begun and not known.is_tried.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_FIRST_SECONDS):
                    await known.is_tried.wait()
        known.is_begun = True
        return known

    @staticmethod
    def _next(error: ReadError, pinned: str, api: str, known: _TypeVersion) -> str:
        """Return the version to read after a refusal, and remember it. Raises the error where there is none."""
        older = older_version(error, pinned)
        if not older or older == api:
            raise error
        known.api = min(known.api, older)
        return older


class VersionedPages:
    """The pages of a list. `api`: the api-version with which the last one was read, "" before the first."""

    def __init__(self, pages: AsyncIterator[tuple[str, list[Json]]]) -> None:
        self._pages = pages
        self.api = ""

    def __aiter__(self) -> "VersionedPages":
        return self

    async def __anext__(self) -> list[Json]:
        self.api, page = await anext(self._pages)
        return page
