"""Answers reads from the journal of an interrupted scan, and writes the answers of Azure to it."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from scanner.azure.credentials import SignedInAccount
from scanner.azure.errors import ReadError
from scanner.model.masked_values import masked_value
from scanner.snapshot.changes import TABLE, SeenBefore, forget_below
from scanner.snapshot.journal import Journal, Key, shows_changes
from scanner.snapshot.journal_lines import AccountLine, AnswerLine, FailureLine

_TABLE = TABLE.encode()
_LINK_EXPIRED = (400, 404, 410)
"""The statuses with which a link to a next page is refused that is no longer valid."""


class SentRequest(Protocol):
    """A request of a client."""

    @property
    def method(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def content(self) -> Any: ...


@dataclass(slots=True)
class Replay:
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

    def _of(self, method: str, url: str, content: bytes = b"") -> Key:
        return self.journal.key(self.login, method, url[url.find("/", len("https://")) :], content)

    def keep(self, request: SentRequest, path: str, body: Any, *, listing: bool) -> Any:
        """Write an answer to the journal, except of a question what changed. Return the answer."""
        content = _content(request)
        if _TABLE not in content:
            self.journal.keep(self._of(request.method, request.url, content), path, body, listing=listing)
        return body

    def keep_if_none(self, request: SentRequest, error: ReadError) -> None:
        """Write an error to the journal if it turns out to mean that there is nothing to read."""
        error.on_none = partial(self._keep_failure, self._of(request.method, request.url, _content(request)))

    async def answer(
        self,
        request: SentRequest,
        path: str,
        ask: Callable[[], Awaitable[Any]],
        *,
        listing: bool,
    ) -> Any:
        """Return the JSON of an answer: that of the journal, else the one that `ask` gets. Raises ReadError."""
        content = _content(request)
        key = self._of(request.method, request.url, content)
        found = self.journal.find(key) if _TABLE not in content else None
        again = found is not None and self.journal.relisted and shows_changes(path, listing=listing)
        if found is not None and not again:
            return _replayed(found, path)
        try:
            body = await ask()
        except ReadError as error:
            self.keep_if_none(request, error)
            raise
        if again and found is not None and found.failure is None:
            shaped = masked_value(self.journal.shape.of(path, body, listing=listing))
            forget_below(self.journal, SeenBefore(found).changed(body, shaped))
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
            key = self._of("GET", url)
            found = self.journal.find(key)
            if found is None:
                break
            keys.append(key)
            if not found.more or found.failure is not None:
                return
            try:
                url = link_of(found.body, url, path)
            except ReadError:
                return
        if keys:
            try:
                await ask(url)
            except ReadError as error:
                if error.status in _LINK_EXPIRED:
                    self.journal.forget(keys)

    def forget(self, requests: Iterable[SentRequest]) -> bool:
        """Make reads again. Return whether the journal had any of them."""
        return self.journal.forget([self._of(each.method, each.url, _content(each)) for each in requests]) > 0


def _content(request: SentRequest) -> bytes:
    """Return the body of a request."""
    if request.method == "GET":
        return b""
    content = request.content or b""
    return content.encode() if isinstance(content, str) else bytes(content)


def _replayed(found: AnswerLine, path: str) -> Any:
    if found.failure is None:
        return found.body
    failure = found.failure
    raise ReadError(path, failure.status, failure.code, failure.action, failure.message, failure.inner)
