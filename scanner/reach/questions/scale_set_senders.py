"""The instances of a Uniform scale set as senders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from scanner.model.json_paths import get_path, text_at
from scanner.model.message import Message
from scanner.model.resource import Children
from scanner.model.verdict import Unread
from scanner.reach.paths.scale_sets import pools_of, scale_set_ends
from scanner.reach.paths.topology import Topology
from scanner.reach.questions.callers import Sender, sender_at


def scale_set_senders(topology: Topology, models: Iterable[Any], nics: Children) -> Iterator[Sender]:
    """Yield a sender for each IP configuration of each instance; of the model where no instance was read.

    Raises Unread for a malformed model.
    """
    for model, body, end in scale_set_ends(models, nics):
        missing = nics.gap
        public_address = get_path(model, "properties.publicIPAddressConfiguration")
        if isinstance(public_address, dict):
            missing = missing or Unread(
                Message("the public addresses of the instances"), Message("those of senders are not evaluated")
            )
        public = text_at(body, "properties.publicIPAddress.id")
        yield sender_at(topology, end, public, pooled=bool(pools_of(topology, model, body, end)), missing=missing)
