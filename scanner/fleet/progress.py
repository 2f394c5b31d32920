"""What a collection of one subscription reports to."""

from collections.abc import Sequence


class Silent:
    """A progress that shows nothing: a worker prints one line a subscription."""

    def account(self, name: str, kind: str, tenant: str, others: Sequence[str]) -> None:
        """Show nothing."""

    def scope(self, subscription: str, name: str, view: str) -> None:
        """Show nothing."""

    def counts(self, done: int, to_come: int, resources: int, failed: int) -> None:
        """Show nothing."""

    def reading(self, what: str, done: int, total: int) -> None:
        """Show nothing."""

    def gap(self, url: str, status: int, code: str, action: str) -> None:
        """Show nothing."""
