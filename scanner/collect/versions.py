"""Reads a type at an older api-version where Azure does not serve the pinned one.

A cloud or region may not have the newest versions. ARM's refusal then names those that it serves, and the newest stable
one that is not above the pinned one is read. What it returns says nothing about the properties that are absent.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

from scanner.azure.errors import ReadError
from scanner.azure.served_versions import older_version
from scanner.collect.plan import Json
from scanner.model.ids import type_of
from scanner.model.resource import By
from scanner.store.spool import SpooledRows

if TYPE_CHECKING:
    from scanner.azure.reader import AzureReader

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


def by_version(by: By, api: str, pinned: str) -> By:
    """Return how a record was read: `older` at another api-version than the pinned one."""
    return by if api == pinned else "older"


async def rows_served(reader: "AzureReader", path: str, pinned: str) -> tuple[SpooledRows, str]:
    """Return all rows of a list, and the api-version with which they were read: the pinned one, or the newest one below
    it that a refusal names. Raises ReadError.
    """
    try:
        return await reader.rows(path, pinned), pinned
    except ReadError as error:
        older = older_version(error, pinned)
        if not older:
            raise
    return await reader.rows(path, older), older


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
        spooled_rows, pages = SpooledRows(self._reader.spool), self.pages(path, pinned)
        async for page in pages:
            spooled_rows.add(page)
            page.clear()
        return spooled_rows, pages.api or pinned

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
