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
    """The selection of rules of a run. `unasked`: the keys of the rules that `until` disables."""

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    until: str = ""
    unasked: tuple[str, ...] = ()

    def apply(self, rules: RuleSet) -> None:
        """Enable what is selected."""
        rules.select(self.only, self.skip)
        rules.leave_out(self.unasked, self.until)


class RunPlan(msgspec.Struct, kw_only=True):
    """A run: what is equal for all of its shards. It holds no secret.

    `header`: that of the snapshot, so that every part keeps the same. `account`, `tenant`: who asked Resource Graph;
    another identity may see other resources, and must not use these answers. `choice`: the selection of rules;
    `rules`: what they read, as `digest_of` gives it. `graph`: Resource Graph is used. `ends`: the deadline (seconds
    since 1970). `settings`: what decides what is read, for a run that goes on. `order`: the ids of all subscriptions in
    scope, also of those that cannot be read.
    """

    version: int = VERSION
    run: str
    header: Header
    account: str
    tenant: str
    choice: RuleChoice = RuleChoice()
    rules: str
    graph: bool = True
    ends: float | None = None
    settings: str = ""
    order: list[str] = []
    shards: list[Shard] = []


class ShardInput(msgspec.Struct, kw_only=True):
    """What a worker needs to read one subscription. `regions`: what the settings allow there; None: nothing is set."""

    id: str
    name: str
    tenant: str
    state: str
    regions: list[str] | None = None
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
