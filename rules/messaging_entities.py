"""Authorization rules of single event hubs, queues and topics: costly, one list for each of them."""

from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Fail, NotApplicable, Pass, Verdict, not_returned_or_unknown, unknown

from .eventhub import HUBS
from .messaging import RIGHTS, keys_on, manages
from .servicebus import NAMESPACE as SERVICE_BUS

HUB_RULES = HUBS.child("authorizationRules", costly=True)
QUEUES = SERVICE_BUS.child("queues", when=keys_on, costly=True)
QUEUE_RULES = QUEUES.child("authorizationRules", costly=True)
TOPICS = SERVICE_BUS.child("topics", when=keys_on, costly=True)
TOPIC_RULES = TOPICS.child("authorizationRules", costly=True)


def grants_manage(rule: Resource, index: Index) -> Verdict:
    """Fail where a key of one hub, queue or topic may manage it."""
    namespace = rule.bundle.top
    if namespace is not None and not keys_on(namespace):
        return NotApplicable(Message("shared access keys are disabled"))
    seen = rule.evidence(RIGHTS, Message("Listen or Send"))
    value = manages(rule)
    if value is None:
        return unknown(not_returned_or_unknown(RIGHTS))
    return Fail((seen,)) if value else Pass((seen,))
