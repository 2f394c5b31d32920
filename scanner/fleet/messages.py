"""What a scan in parts writes for its workers: the plan of a run, and what they need to read one subscription."""

from hashlib import blake2b

import msgspec

from scanner.azure.subscriptions import Subscription
from scanner.collect.shared import SharedAnswers
from scanner.rulebook.kept import kept_paths
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.format import Header

VERSION = 1


class Shard(msgspec.Struct, frozen=True):
    """One subscription to read."""

    id: str
    name: str
    tenant: str


class RuleChoice(msgspec.Struct, frozen=True):
    """The selection of rules of a run."""

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    until: str = ""
    unasked: tuple[str, ...] = ()
    """The keys of the rules that `until` disables."""

    def apply(self, rules: RuleSet) -> None:
        """Enable what is selected."""
        rules.select(self.only, self.skip)
        rules.leave_out(self.unasked, self.until)


class RunPlan(msgspec.Struct, kw_only=True):
    """A run: what is equal for all of its shards. It holds no secret."""

    version: int = VERSION
    run: str
    header: Header
    """That of the snapshot, so that every part keeps the same."""
    account: str
    tenant: str
    """`account`, `tenant`: who asked Resource Graph; another identity may see other resources, and must not use these
    answers.
    """
    choice: RuleChoice = RuleChoice()
    """The selection of rules."""
    rules: str
    """What they read, as `digest_of` gives it."""
    graph: bool = True
    """Resource Graph is used."""
    ends: float | None = None
    """The deadline (seconds since 1970)."""
    settings: str = ""
    """What decides what is read, for a run that goes on."""
    order: list[str] = []
    """The ids of all subscriptions in scope, also of those that cannot be read."""
    shards: list[Shard] = []


class ShardInput(msgspec.Struct, kw_only=True):
    """What a worker needs to read one subscription."""

    id: str
    name: str
    tenant: str
    state: str
    regions: list[str] | None = None
    """What the settings allow there; None: nothing is set."""
    answers: SharedAnswers

    @property
    def subscription(self) -> Subscription:
        return Subscription(self.id, self.name, self.tenant, self.state)


class GivenUp(msgspec.Struct):
    """Why a subscription was given up."""

    why: str


def digest_of(rules: RuleSet, tool: str) -> str:
    """Return a digest of what rules read and what is kept of it: equal where two processes read the same."""
    types = sorted(f"{type} {each.api}" for each in rules.read() for type in each.types)
    reads = sorted(f"{type} {each.key} {each.api} {each.joined}" for each in rules.reads() for type in each.types)
    value = msgspec.json.encode([tool, types, reads, kept_paths(rules).listed()])
    return blake2b(value, digest_size=16).hexdigest()
