"""Sends a second request next to one that is not answered: a connection or a front end may have lost the first."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus

from azure.core.pipeline import PipelineResponse
from azure.core.rest import AsyncHttpResponse, HttpRequest

from scanner.azure.errors import Unanswered

Response = PipelineResponse[HttpRequest, AsyncHttpResponse]
OnLate = Callable[[], None]
"""Called when no answer has begun `LATE_SECONDS` after a request was sent."""

MOST = 12
"""The second requests that may be under way at once, a tenth of all. More would hold up reads that are answered."""


class SecondRequests:
    """The second requests of one login."""

    def __init__(self) -> None:
        self._running = 0

    async def first_answer(
        self,
        first: Callable[[OnLate], Awaitable[Response]],
        second: Callable[[], Awaitable[Response]],
        may_help: Callable[[], bool],
        path: str,
    ) -> Response:
        """Return the answer of `first`, or that of `second` where it comes earlier, and cancel the other one.

        `first` calls what it is given when it is late. Then `second` begins where it `may_help`; else `first` is
        cancelled. A failure of `second` ends nothing. Raises what `first` raises, and Unanswered for `path`.
        """
        race = _Race(second)
        try:
            async with race.limit:
                return await first(partial(self._late, race, may_help))
        except TimeoutError:
            if race.answer is not None:
                return race.answer
            if race.limit.expired():
                raise Unanswered(path, 0, "Timeout", message="no answer, as to an earlier read") from None
            raise
        finally:
            await race.end()

    def _late(self, race: "_Race", may_help: Callable[[], bool]) -> None:
        """Begin a second request, where not too many are under way, or end the first one."""
        if not may_help():
            race.end_first()
        elif race.task is None and self._running < MOST:
            self._running += 1
            race.task = asyncio.create_task(race.run())
            race.task.add_done_callback(self._ended)

    def _ended(self, _: object) -> None:
        self._running -= 1


class _Race:
    """A request, and the second one that may be sent next to it. `limit`: the timeout that ends the first one."""

    def __init__(self, second: Callable[[], Awaitable[Response]]) -> None:
        self.limit = asyncio.timeout(None)
        self.task: asyncio.Task[None] | None = None
        self.answer: Response | None = None
        self._second = second

    async def run(self) -> None:
        """Send the second request. An answer that is no failure ends the first one."""
        with suppress(Exception):
            answer = await self._second()
            if answer.http_response.status_code < HTTPStatus.BAD_REQUEST:
                self.answer = answer
                self.end_first()

    def end_first(self) -> None:
        """Cancel the first request."""
        self.limit.reschedule(asyncio.get_running_loop().time())

    async def end(self) -> None:
        """Cancel the second request, and wait until it has ended."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])
