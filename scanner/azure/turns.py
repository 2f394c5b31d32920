"""A lock that the smallest rank gets first."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from heapq import heappop, heappush
from itertools import count

FIRST = 0
"""The rank of what goes before all else: lists, and what decides who can reach an endpoint."""
RANK: ContextVar[int] = ContextVar("RANK", default=FIRST)
"""The rank of the requests of a task, the smallest first; `scanner.rulebook.ranks` says what they mean."""


class RankedLock:
    """A lock that goes to the waiter of the smallest rank, of equal ones to the first.

    `hurry`: called with the rank of each request that has to wait for the lock, so that its holder, which waits for
    another lock, gets that one no later than this request would.
    """

    def __init__(self) -> None:
        self.hurry: Callable[[int], None] | None = None
        self._is_held = False
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()

    @property
    def is_held(self) -> bool:
        """Return whether a request holds it."""
        return self._is_held

    @property
    def best(self) -> int | None:
        """Return the smallest rank that waits, None where none does."""
        while self._waiting and self._waiting[0][2].done():
            heappop(self._waiting)
        return self._waiting[0][0] if self._waiting else None

    @asynccontextmanager
    async def held(self, rank: int, within: "RankedLock | None" = None) -> AsyncIterator[None]:
        """Hold the lock. `within`: the lock that is held meanwhile, whose waiters this request stands for too."""
        if not self._is_held and self.best is None:
            self._is_held = True
        else:
            await self._wait(rank, within)
        try:
            yield
        finally:
            self._release()

    async def _wait(self, rank: int, within: "RankedLock | None") -> None:
        if self.hurry is not None:
            self.hurry(rank)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entered: list[int] = []

        def enter(at: int) -> None:
            if not entered or at < entered[-1]:
                entered.append(at)
                heappush(self._waiting, (at, next(self._numbers), turn))

        behind = None if within is None else within.best
        enter(rank if behind is None else min(rank, behind))
        if within is not None:
            within.hurry = enter
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release()
            raise
        finally:
            if within is not None:
                within.hurry = None

    def _release(self) -> None:
        """Give the lock to the next one, or open it."""
        while self._waiting:
            turn = heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._is_held = False
