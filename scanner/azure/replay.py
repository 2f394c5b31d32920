"""Answers reads from the journal of an interrupted scan, and writes the answers of Azure to it."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from msgspec import Struct

from scanner.azure.credentials import SignedInAccount
from scanner.azure.errors import ReadError
from scanner.azure.pipeline import ArmRead
from scanner.model.masked_values import masked_value
from scanner.snapshot.changes import TABLE, SeenBefore, forget_below
from scanner.snapshot.journal import Journal, Key, shows_changes
from scanner.snapshot.journal_lines import AccountLine, AnswerLine, FailureLine

_TABLE = TABLE.encode()
_LINK_EXPIRED = (400, 404, 410)
"""The statuses with which a link to a next page is refused that is no longer valid."""


class Replay(Struct):
    """The journal as one login uses it. `login`: its tenant, where several are read."""

    journal: Journal
    login: str = ""

    def sign(self, account: SignedInAccount) -> None:
        """Note who reads. Raises InputError where another account read before the interruption."""
        self.journal.sign(AccountLine(account.name, account.tenant, self.login))

    @property
    def resumed(self) -> bool:
        """Return whether the journal is that of an interrupted scan."""
        return self.journal.resumed

    def _of(self, request: ArmRead) -> Key:
        target = request.url[request.url.find("/", len("https://")) :]
        return self.journal.key(self.login, request.method, target, request.content)

    def keep(self, request: ArmRead, path: str, body: Any, *, listing: bool) -> Any:
        """Write an answer to the journal, except of a question what changed. Return the answer."""
        if _TABLE not in request.content:
            self.journal.keep(self._of(request), path, body, listing=listing)
        return body

    def keep_if_none(self, request: ArmRead, error: ReadError) -> None:
        """Write an error to the journal if it turns out to mean that there is nothing to read."""
        error.on_none = partial(self._keep_failure, self._of(request))

    async def answer(
        self,
        request: ArmRead,
        path: str,
        ask: Callable[[], Awaitable[Any]],
        *,
        listing: bool,
    ) -> Any:
        """Return the JSON of an answer: that of the journal, else the one that `ask` gets. Raises ReadError."""
        answer_line = self.journal.find(self._of(request)) if _TABLE not in request.content else None
        again = answer_line is not None and self.journal.relisted and shows_changes(path, listing=listing)
        if answer_line is not None and not again:
            return _replayed(answer_line, path)
        try:
            body = await ask()
        except ReadError as error:
            self.keep_if_none(request, error)
            raise
        if again and answer_line is not None and answer_line.failure is None:
            shaped = masked_value(self.journal.shape.of(path, body, listing=listing))
            forget_below(self.journal, SeenBefore(answer_line).changed(body, shaped))
        return self.keep(request, path, body, listing=listing)

    def _keep_failure(self, key: Key, error: ReadError) -> None:
        failure = FailureLine(error.status, error.code, error.action, error.message, error.inner)
        self.journal.keep_failure(key, error.url, failure)

    async def go_on(
        self, url: str, path: str, ask: Callable[[str], Awaitable[Any]], link_of: Callable[[Any, str, str], str]
    ) -> None:
        """Read the page of a list at which the scan was interrupted. Where its link fails, the list is read again."""
        keys: list[Key] = []
        while url:
            key = self._of(ArmRead("GET", url))
            answer_line = self.journal.find(key)
            if answer_line is None:
                break
            keys.append(key)
            if not answer_line.more or answer_line.failure is not None:
                return
            try:
                url = link_of(answer_line.body, url, path)
            except ReadError:
                return
        if keys:
            try:
                await ask(url)
            except ReadError as error:
                if error.status in _LINK_EXPIRED:
                    self.journal.forget(keys)

    def forget(self, requests: Iterable[ArmRead]) -> bool:
        """Make reads again. Return whether the journal had any of them."""
        return self.journal.forget(map(self._of, requests)) > 0


def _replayed(answer_line: AnswerLine, path: str) -> Any:
    if answer_line.failure is None:
        return answer_line.body
    failure = answer_line.failure
    raise ReadError(path, failure.status, failure.code, failure.action, failure.message, failure.inner)
