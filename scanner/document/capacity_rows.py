"""The rows of a document about capacity: quotas, reservations, zones and regions of stores, global control planes."""

import msgspec

from scanner.document.message_data import TextData

QUOTA_STATES = ("full", "near", "room", "unlimited", "unknown")
"""The states of a quota and of a reservation, in the order in which people read them."""


class QuotaRow(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, tag_field="kind", tag="quota"):
    """A quota of a region, or why the quotas there are not known (`quota` is "" then). See docs/capacity.md.

    `subscription`: its id. `region`: "" where the row is about all of them. `provider`: Microsoft.Compute,
    Microsoft.Network; "" for both. `quota`: ARM's name of it, `name`: its name for people. `used`, `limit`: null where
    Azure returned no number. `left`: limit less used, never less than 0; null where there is no limit, and where it is
    not known. `share`: the percentage that is left. `state`: full, near (20 percent or less is left), room, unlimited,
    unknown. `why`: why it is unknown.
    """

    subscription: str
    region: str = ""
    provider: str = ""
    quota: str = ""
    name: str = ""
    used: int | None = None
    limit: int | None = None
    left: int | None = None
    share: int | None = None
    state: str = "unknown"
    why: str = ""
    texts: TextData = msgspec.UNSET


class ReservationRow(
    msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, tag_field="kind", tag="reservation"
):
    """A capacity reservation, or why those of a group or subscription are not known (`resource` names that then).

    `reserved`: the number of machines that Azure keeps free; `used`: the machines that are associated with it, stopped
    ones too; `left`: reserved less used, never less than 0. Null where it is not known. `state`: as of a quota.
    """

    resource: str
    subscription: str
    sku: str = ""
    region: str = ""
    zones: list[str] = []
    reserved: int | None = None
    used: int | None = None
    left: int | None = None
    state: str = "unknown"
    why: str = ""
    texts: TextData = msgspec.UNSET


class SpreadRow(msgspec.Struct, kw_only=True, frozen=True, tag_field="kind", tag="spread"):
    """How many resources are in one zone or region only, by the findings of one rule.

    `over`: zones, regions. `single`: failed or waived; `spread`: passed; `unknown`: inconclusive.
    """

    rule: str
    title: str
    over: str
    single: int
    spread: int
    unknown: int
    texts: TextData = msgspec.UNSET


class ControlPlaneRow(msgspec.Struct, kw_only=True, frozen=True, tag_field="kind", tag="control-plane"):
    """A service of this estate with a control plane that is global. `id`: of the service. `resources`: how many
    resources depend on it; null where it is all of them. `complete`: False where there may be more. `reason`: what
    depends on it. `source`: the page that says so.
    """

    id: str
    service: str
    resources: int | None
    complete: bool
    reason: str
    source: str
    texts: TextData = msgspec.UNSET


CapacityRow = QuotaRow | ReservationRow | SpreadRow | ControlPlaneRow
