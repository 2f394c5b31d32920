"""Records what the evaluation of a bundle asks of the index: after a change only bundles that asked for what changed
need to be evaluated again.

A `Recorder` has an index that answers as another one does, and notes each question. Where no recorder is used, the
index is as it was, and nothing is noted. What is known of a whole document alone is no question of a bundle: which
endpoints of other bundles a fix closes, which waivers were used, and the counts.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from scanner.model.host_names import host_names
from scanner.model.ids import bundle_of, normalized_id, resource_type_of
from scanner.model.index import INDEX_TYPES, MANAGER_TYPES, Index, ResourcesByKey, unnamed_id
from scanner.model.key_uses import KeyUses
from scanner.model.keys import POOLS, VAULTS, KeyIndex, KeyName, KeyRegister
from scanner.model.located import Located
from scanner.model.residency import Residency
from scanner.model.resource import Resource
from scanner.model.verdict import Unread

_Value = TypeVar("_Value")
_OF_INDEX: Final = frozenset(each.lower() for each in (*INDEX_TYPES, *MANAGER_TYPES))
_NETWORK: Final = frozenset(each for each in _OF_INDEX if each.startswith("microsoft.network/"))
_FABRIC: Final = "fabric"
_USES: Final = "keys in use"
GROWING: Final = frozenset(
    (
        _FABRIC,
        "topology",
        "unread firewalls",
        "unseen peers",
        "outbound rules of groups",
        "names at addresses",
    )
)
"""The tables of the index (`Index.memo`) that ask it for more after they are made. They read networks alone."""


class Questions(Struct):
    """What was asked of an index. Ids, types and names are in lower case.

    `ids`: bundles, and resource groups, whether they exist or not. `types`: types of which all resources were asked
    for, or whether all are known. `names`: hosts, and `unnamed_id` of names that are unique in Azure. `subscriptions`:
    those whose visibility was asked for. `everything`: all resources of the snapshot were gone through.
    """

    ids: set[str] = field(default_factory=set)
    types: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    subscriptions: set[str] = field(default_factory=set)
    everything: bool = False

    def add(self, other: "Questions") -> None:
        """Add what else was asked."""
        self.ids |= other.ids
        self.types |= other.types
        self.names |= other.names
        self.subscriptions |= other.subscriptions
        self.everything |= other.everything

    def see(self, resource: Resource) -> bool:
        """Return whether an answer may depend on a resource: ask it of the resource before a change, and after it."""
        if self.everything or not self.ids.isdisjoint((resource.key, bundle_of(resource.id))):
            return True
        types = {each.lower() for each in (resource.type, resource_type_of(bundle_of(resource.id)))}
        if not self.types.isdisjoint(types):
            return True
        names = (unnamed_id(resource.type, resource.name), *host_names(resource.body))
        return not self.names.isdisjoint(each.lower() for each in names)


class Recorder:
    """Notes what is asked of an index. `index`: the one to evaluate with."""

    def __init__(self, index: Index) -> None:
        self._open: dict[object, Questions] = {None: Questions()}
        """What was asked since the bundle began (None), and since the making of each table began."""
        self._tables: dict[object, Questions] = {each: Questions(types=set(_NETWORK)) for each in GROWING}
        """What each table of the index was made of."""
        self.index = self._recording(index)

    def begin(self) -> None:
        """Begin a bundle: forget what was asked before."""
        self._open = {None: Questions()}

    @property
    def questions(self) -> Questions:
        """Return what was asked since `begin`."""
        return self._open[None]

    def asked(self, evaluate: Callable[[], _Value]) -> tuple[_Value, Questions]:
        """Return what `evaluate` returns, and what it asks."""
        self.begin()
        return evaluate(), self.questions

    def _recording(self, index: Index) -> Index:
        memo = RecordedTables(self)
        if _FABRIC in index.memo:
            memo.keep(_FABRIC, index.memo[_FABRIC])
        whole = index.whole
        return replace(
            index,
            resources=_RecordedResources(index.resources, self),
            by_type=_RecordedMapping(index.by_type, self.type, self.index_types),
            missing=_RecordedMapping(index.missing, self.type, self.index_types),
            unlisted=_RecordedMapping(index.unlisted, self.type, self.index_types),
            subscriptions=_RecordedMapping(index.subscriptions, self.subscription),
            partial=_subscriptions(index.partial, self),
            named=_RecordedMapping(index.named, self.id),
            residency=_RecordedResidency.of(index.residency, self),
            keys=_RecordedKeys.of(index.keys, self),
            names=lambda: _RecordedMapping(index.names(), self.name, self.all),
            closed=lambda: _RecordedMapping(index.closed(), self.id, self.all),
            whole=None if whole is None else lambda type, where: self._whole(whole, type, where),
            memo=memo,
        )

    def _whole(self, whole: Callable[[str, str], Unread | None], type: str, where: str) -> Unread | None:
        self.type(type)
        return whole(type, where)

    # Questions

    def id(self, id: str) -> None:
        """Note that a resource is asked for by its id."""
        key = bundle_of(id) or normalized_id(id)
        for each in self._open.values():
            each.ids.add(key)

    def type(self, *types: str) -> None:
        """Note that all resources of types are asked for."""
        lower = [each.lower() for each in types]
        for each in self._open.values():
            each.types.update(lower)

    def name(self, name: str) -> None:
        """Note that a resource is asked for by a host, or by its `unnamed_id`."""
        for each in self._open.values():
            each.names.add(name.lower())

    def subscription(self, id: str) -> None:
        """Note that the visibility of a subscription is asked for."""
        for each in self._open.values():
            each.subscriptions.add(id.lower())

    def index_types(self) -> None:
        """Note that all resources of the index are asked for."""
        self.type(*_OF_INDEX)

    def all(self) -> None:
        """Note that all resources of the snapshot are asked for."""
        for each in self._open.values():
            each.everything = True

    # RecordedTables

    def make(self, table: object) -> None:
        """Note that a table is made from now on, until `made`."""
        self._open.setdefault(table, Questions())

    def made(self, table: object) -> None:
        """Note that a table is made."""
        questions = self._open.pop(table, None)
        if questions is not None:
            self._tables.setdefault(table, Questions()).add(questions)

    def use(self, table: object) -> None:
        """Note that a table is used: who uses it asks what it was made of."""
        known = self._tables.get(table)
        if known is not None:
            for each in self._open.values():
                each.add(known)


class RecordedTables(dict[object, Any]):
    """The tables of an index, each of which knows what it was made of."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def keep(self, table: object, value: object) -> None:
        """Take a table that is made already."""
        super().__setitem__(table, value)

    def copy(self) -> "RecordedTables":
        """Return the same tables, to which others can be added."""
        result = RecordedTables(self._recorder)
        result.update(self)
        return result

    def __contains__(self, table: object) -> bool:
        if super().__contains__(table):
            return True
        self._recorder.make(table)
        return False

    def __getitem__(self, table: object) -> Any:
        self._recorder.use(table)
        return super().__getitem__(table)

    def __setitem__(self, table: object, value: object) -> None:
        super().__setitem__(table, value)
        self._recorder.made(table)


class _RecordedMapping(Mapping[str, _Value]):
    """A mapping that notes each key that is looked up. `every`: notes that all are gone through."""

    def __init__(
        self, known: Mapping[str, _Value], note: Callable[[str], None], every: Callable[[], None] | None = None
    ) -> None:
        self._known = known
        self._note = note
        self._every = every

    def __getitem__(self, key: str) -> _Value:
        self._note(key)
        return self._known[key]

    def __iter__(self) -> Iterator[str]:
        if self._every is not None:
            self._every()
        else:
            for key in self._known:
                self._note(key)
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class _RecordedSubscriptions(frozenset[str]):
    """Subscriptions, of which each that is looked up is noted."""

    recorder: Recorder

    def __contains__(self, id: object) -> bool:
        self.recorder.subscription(str(id))
        return super().__contains__(id)


def _subscriptions(known: frozenset[str], recorder: Recorder) -> _RecordedSubscriptions:
    result = _RecordedSubscriptions(known)
    result.recorder = recorder
    return result


class _RecordedResources(ResourcesByKey):
    """The resources of an index, of which each that is looked up is noted."""

    def __init__(self, known: ResourcesByKey, recorder: Recorder) -> None:
        self._known = known
        self._recorder = recorder

    def __getitem__(self, key: str) -> Resource:
        self._recorder.id(key)
        return self._known[key]

    def __iter__(self) -> Iterator[str]:
        self._recorder.index_types()
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class _RecordedRegions(Located):
    """The regions of resources, of which each that is looked up is noted."""

    def __init__(self, known: Located, recorder: Recorder) -> None:
        self._known = known
        self._recorder = recorder

    def __getitem__(self, id: str) -> str:
        self._recorder.id(id)
        return self._known[id]

    def __iter__(self) -> Iterator[str]:
        self._recorder.all()
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def has_name(self, type: str, name: str) -> bool:
        self._recorder.name(unnamed_id(type, name))
        return self._known.has_name(type, name)


class _RecordedResidency(Residency):
    """What is known of places, of which each that is looked up is noted."""

    known: Residency = field(default_factory=Residency)
    recorder: Recorder | None = None

    @classmethod
    def of(cls, known: Residency, recorder: Recorder) -> "_RecordedResidency":
        """Return the same places, whose questions a recorder notes."""
        return cls(
            policy=known.policy,
            regions=known.regions,
            groups=_RecordedMapping(known.groups, recorder.id),
            unread=_RecordedMapping(known.unread, recorder.subscription),
            names=_RecordedMapping(known.names, recorder.subscription),
            known=known,
            recorder=recorder,
        )

    def located(self) -> Located:
        assert self.recorder is not None
        return _RecordedRegions(self.known.located(), self.recorder)


class _RecordedKeys(KeyRegister):
    """The keys in use: who asks for them asks all resources that may name a key."""

    recorder: Recorder | None = None

    @classmethod
    def of(cls, known: KeyRegister, recorder: Recorder) -> "_RecordedKeys":
        """Return the same keys, whose questions a recorder notes."""
        return cls(
            finders=known.finders,
            resources=known.resources,
            unread=known.unread,
            tiers=known.tiers,
            recorder=recorder,
        )

    def vault(self, key: KeyName, index: KeyIndex) -> Resource:
        assert self.recorder is not None
        self.recorder.type(VAULTS, POOLS)
        return KeyRegister.vault(self, key, index)

    def _all(self, index: KeyIndex) -> KeyUses:
        assert self.recorder is not None
        self.recorder.type(*self.finders)
        if self._uses is None:
            self.recorder.make(_USES)
            KeyRegister._all(self, index)
            self.recorder.made(_USES)
        self.recorder.use(_USES)
        return KeyRegister._all(self, index)
