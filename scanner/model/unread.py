"""What a verdict needs and was not read, or was returned in a form that is not known."""

from scanner.model.message import Message, joined


class Unread(Exception):
    """Something that a verdict needs and that was not read. The verdict is then Unknown, never Pass.

    `what` names the part. `why` is a clause for the message. `gap` is the URL of the failed read, where there is one.
    """

    def __init__(self, what: str, why: Message, gap: str | None = None) -> None:
        self.what = what
        self.why = why
        self.gap = gap

    @property
    def text(self) -> Message:
        """Return what was not read, and why."""
        return joined(": ", (self.what, self.why))

    def __str__(self) -> str:
        return str(self.text)

    def again(self) -> "Unread":
        """Return the same as a new exception. What is kept is not raised itself: it would hold every frame that it
        passed, and all that these know.
        """
        return Unread(self.what, self.why, self.gap)


def malformed(path: str) -> Unread:
    """Return the Unread for a property that ARM returned in a form that Azure does not document."""
    return Unread(path, Message("Azure returned it in an undocumented form"))
