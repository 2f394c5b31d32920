"""What earlier scans evaluated, by scope. Pure."""

from collections.abc import Mapping, Sequence, Set

from scanner.history.items import WITHOUT, lineage


class EvaluatedScopes:
    """Says whether an earlier scan evaluated a resource with a rule or type: in a scope above the resource, or in one
    of the `selected` scopes of a filtered scan. `result`: the rules and types that each scope was evaluated with.
    """

    def __init__(self, result: Mapping[str, Set[str]], selected: Sequence[str] = ()) -> None:
        self.scopes = result
        self.selected = selected
        self._filtered = [scope for scope in selected if "?" in scope and WITHOUT not in scope and scope in result]
        self._less = [(*_left_out(scope), words) for scope, words in result.items() if WITHOUT in scope]

    def __call__(self, resource: str, rule_or_type: str) -> bool:
        above = lineage(resource)
        if any(rule_or_type in self.scopes.get(scope, ()) for scope in above):
            return True
        if any(scope in above and not left & above and rule_or_type in words for scope, left, words in self._less):
            return True
        return any(rule_or_type in self.scopes[each] and each.split("?", 1)[0] in above for each in self._filtered)


def _left_out(scope: str) -> tuple[str, set[str]]:
    """Return the subscription of a scope with `WITHOUT`, and the resource groups that it leaves out."""
    above, _, names = scope.partition(WITHOUT)
    return above, {f"{above}/resourcegroups/{name}" for name in names.split("&")}
