"""`scan --from` with a scope: what of a snapshot is evaluated. What it names and the snapshot lacks is an error."""

from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from scanner.config.settings import Settings
from scanner.errors import InputError, nearest
from scanner.model.ids import root_of
from scanner.model.message import Message
from scanner.snapshot.bundles import Snapshot
from scanner.snapshot.format import Header
from scanner.snapshot.selection import Exclusion, Selection

_SHOWN = 3


class Narrowing(Struct):
    """The scope that the command line gives a snapshot. A settings file and variables give the scope of Azure only."""

    settings: Settings
    exclusions: Sequence[Exclusion]
    """What is left out of it, from wherever it was given."""
    _groups: dict[Exclusion, list[str]] = field(default_factory=dict)
    """The paths of each excluded resource group, in every subscription that may have it."""

    def apply(self, taken: Snapshot) -> None:
        """Set in the header what is evaluated. Raises InputError for a subscription or tag that the snapshot lacks."""
        head = taken.header
        resources, groups, tags = (self._given(name) for name in ("resource", "resource-group", "tag"))
        subscriptions = [_subscription(taken, word, f"--subscription {word}") for word in self._given("subscription")]
        _require_within(head.resources, resources, "--resource")
        _require_within(head.groups, groups, "--resource-group")
        _require_kept(head, tags)
        head.subscriptions = subscriptions or head.subscriptions
        head.resources, head.groups = resources or head.resources, groups or head.groups
        head.tags = list(dict.fromkeys([*head.tags, *tags]))
        if subscriptions:
            head.notes.append(
                Message("only a part of the snapshot was evaluated: subscription {list}", list=", ".join(subscriptions))
            )
        for each in self.exclusions:
            self._exclude(taken, each)
        if taken.scopes and not taken.evaluated_scopes:
            raise InputError("--exclude leaves out every subscription of the snapshot", do="remove one of them")

    def _given(self, name: str) -> list[str]:
        option = self.settings.options[name]
        return list(option.value) if option.source == f"--{name}" else []

    def _exclude(self, taken: Snapshot, exclusion: Exclusion) -> None:
        head = taken.header
        matches = [each.subscription for each in taken.scopes if exclusion.names(each.subscription, each.name)]
        if exclusion.subscription and not matches and exclusion.is_required:
            _subscription(taken, exclusion.subscription, exclusion.at)
        paths = [f"/subscriptions/{id}" for id in matches]
        if exclusion.group:
            paths = self._groups[exclusion] = [f"{path}/resourceGroups/{exclusion.group}" for path in paths]
        known = {path.lower() for path in head.excluded}
        head.excluded = [*head.excluded, *(path for path in paths if path.lower() not in known)]

    def check(self, taken: Snapshot, selection: Selection) -> None:
        """Raise InputError for a group, resource or tag that the snapshot lacks, after every bundle was seen.

        Paths of excluded groups that do not exist are removed from the header.
        """
        groups, tags = taken.groups, self._given("tag")
        names = {name.lower() for name in groups.values()}
        for word in (each for each in self._given("resource-group") if each.lower() not in names):
            raise _absent("resource group", word, f"--resource-group {word}", groups.values())
        for id in (each for each in self._given("resource") if root_of(each) not in selection.selected):
            raise InputError(f"the snapshot does not hold {id}", at="--resource", do="az resource show ... --query id")
        if tags and not selection.tagged:
            raise InputError(f"no resource of the snapshot has the tag {' and '.join(tags)}", at=f"--tag {tags[0]}")
        for exclusion, paths in self._groups.items():
            absent = [path for path in paths if path.lower() not in groups]
            if len(absent) == len(paths) and exclusion.is_required:
                raise _absent("resource group", exclusion.group, exclusion.at, groups.values())
            taken.header.excluded = [path for path in taken.header.excluded if path not in absent]


def _subscription(taken: Snapshot, word: str, at: str) -> str:
    """Return the id of the named subscription. Raises InputError."""
    for scope in taken.scopes:
        if word.lower() in (scope.subscription.lower(), scope.name.lower()):
            return scope.subscription
    raise _absent("subscription", word, at, [scope.name for scope in taken.scopes])


def _require_within(held: Sequence[str], given: Sequence[str], option: str) -> None:
    """Raise InputError where a snapshot that holds only named things does not hold the given ones."""
    more = {each.lower() for each in given} - {each.lower() for each in held} if held else set()
    for each in (each for each in given if each.lower() in more):
        raise InputError(f"the snapshot was taken with {option} {', '.join(held)} only", at=f"{option} {each}")


def _require_kept(head: Header, tags: Iterable[str]) -> None:
    for tag in tags if head.kept is not None else ():
        if tag.partition("=")[0].strip().lower() not in map(str.lower, head.kept_tags):
            raise InputError(
                "the snapshot does not hold this tag",
                at=f"--tag {tag}",
                do="take it again with --keep-all, or with the tag in [report] tags",
            )


def _absent(what: str, word: str, at: str, known: Iterable[str]) -> InputError:
    spelt = {each.lower(): each for each in known}
    near = [spelt[each] for each in nearest(word.lower(), spelt, _SHOWN)]
    listed = ", ".join(sorted(spelt.values())[:10]) or "none"
    return InputError(
        f'{what} "{word}" is not in the snapshot',
        at=at,
        do=f"nearest: {', '.join(near)}" if near else f"in it: {listed}",
    )
