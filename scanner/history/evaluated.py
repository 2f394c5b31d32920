"""What earlier scans evaluated, by scope. Pure."""

from collections.abc import Mapping, Sequence, Set

from scanner.history.items import WITHOUT, lineage


class EvaluatedScopes:
    """Says whether an earlier scan evaluated a resource with a rule or type: in a scope above the resource, or in one
    of the `own` scopes of a filtered scan. `found`: the rules and types that each scope was evaluated with.
    """

    def __init__(self, found: Mapping[str, Set[str]], own: Sequence[str] = ()) -> None:
        self.found = found
        self.own = own
        self._filtered = [scope for scope in own if "?" in scope and WITHOUT not in scope and scope in found]
        self._less = [(*_left_out(scope), words) for scope, words in found.items() if WITHOUT in scope]

    def __call__(self, resource: str, rule_or_type: str) -> bool:
        above = lineage(resource)
        if any(rule_or_type in self.found.get(scope, ()) for scope in above):
            return True
        if any(scope in above and not left & above and rule_or_type in words for scope, left, words in self._less):
            return True
        return any(rule_or_type in self.found[each] and each.split("?", 1)[0] in above for each in self._filtered)


def _left_out(scope: str) -> tuple[str, set[str]]:
    """Return the subscription of a scope with `WITHOUT`, and the resource groups that it leaves out."""
    above, _, names = scope.partition(WITHOUT)
    return above, {f"{above}/resourcegroups/{name}" for name in names.split("&")}
