"""What was left out of a scan: the rows of excluded scopes, and what the scan was limited to."""

import msgspec

from scanner.model.ids import group_of, root_of


class ExcludedRow(msgspec.Struct, kw_only=True, frozen=True):
    """A subscription or resource group that `--exclude` left out: its path, and its name for people."""

    scope: str
    name: str


class LimitRow(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What `--resource` (ids), `--resource-group` (names) and `--tag` limited a scan to: nothing else was assessed.

    A resource must be in one of the groups, and have all of the tags.
    """

    resources: list[str] = []
    groups: list[str] = []
    tags: list[str] = []

    def includes(self, id: str) -> bool:
        """Return whether a resource is within the limit. With tags nothing certainly is: they change."""
        roots = {root_of(each) for each in self.resources}
        if roots and not any(f"{id.lower()}/".startswith(f"{each}/") for each in roots):
            return False
        if self.groups and group_of(id).lower() not in {each.lower() for each in self.groups}:
            return False
        return not self.tags
