"""Responsibility for a finding, by Microsoft's model of shared responsibility.

Data, and who may sign in, are always the customer's. The network and transport controls of machines and networks are
the customer's too (IaaS); those of platform services Microsoft runs and the customer sets (PaaS): shared.
https://learn.microsoft.com/azure/security/fundamentals/shared-responsibility
"""

from collections.abc import Iterable
from typing import Final, Literal, get_args

Responsibility = Literal["customer", "shared", "microsoft"]
RESPONSIBILITIES: tuple[Responsibility, ...] = get_args(Responsibility)
ANOTHER_TIER: Final = "another-tier"
"""The tier that the customer chose lacks a setting: Microsoft cannot set it, and another tier has it."""

_SHARED_ON_PLATFORMS = ("network", "transport")
_INFRASTRUCTURE = ("microsoft.compute/", "microsoft.network/")


def responsibility_of(category: str, types: Iterable[str]) -> Responsibility:
    """Return who is responsible for what a rule of a category asks of resources of these ARM types."""
    on_infrastructure = all(type.lower().startswith(_INFRASTRUCTURE) for type in types)
    return "shared" if category in _SHARED_ON_PLATFORMS and not on_infrastructure else "customer"
