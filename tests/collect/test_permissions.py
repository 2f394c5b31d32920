"""What the roles on a subscription and on its resource groups allow together."""

from typing import Any

from scanner.collect.bodies import Role
from scanner.collect.permissions import SubscriptionPermissions


def rights(view: str = "full", **more: Any) -> SubscriptionPermissions:
    return SubscriptionPermissions("5b1d7c1e-0d2a-4c6b-9f53-2f6a1c0e7a10", "prod", view, **more)


def test_rights_on_groups_count_only_where_all_groups_have_them() -> None:
    reader: list[Role] = [(["*/read"], [])]
    none: list[Role] = [([], [])]
    assert rights("partial", groups={"a": reader, "b": reader}).allows("x/read") is True
    assert rights("partial", groups={"a": reader, "b": none}).allows("x/read") is False
    assert rights("partial", groups={"a": reader, "b": None}).allows("x/read") is None
    assert rights("partial", groups={"a": none, "b": None}).allows("x/read") is False
    assert rights("partial").allows("x/read") is None
    assert rights("partial", roles=none).allows("x/read") is False
    assert rights("full", roles=reader, groups={"a": None}).allows("x/read") is True
    assert rights("full", roles=none, groups={"a": reader}).allows("x/read", listed=True) is False
    assert rights("full", roles=none, groups={"a": reader}).allows("x/read") is True
    assert rights("full", roles=None, groups={"a": reader}).allows("x/read", listed=True) is True
    assert rights("full", roles=none, named=("a",), groups={"a": reader}).allows("x/read", listed=True) is True


def test_what_one_entry_takes_back_another_may_give() -> None:
    two = [(["*"], ["Microsoft.Web/*"]), (["microsoft.web/sites/read"], [])]
    assert rights(roles=two).allows("Microsoft.Web/sites/read") is True
    assert rights(roles=two).allows("Microsoft.Web/sites/config/read") is False
