"""Why types have no rule on a topic, where several say the same."""

from collections.abc import Mapping

from scanner.model.resource_type import Topic

NO_DATA_AT_REST = "it holds no customer data at rest"
NETWORK_KEEPS_NO_DATA = "a network keeps no customer data"
NO_CUSTOMER_KEY = "no customer-managed key in the version that is read"
NO_CALLER_LOG = "no resource log of callers in Azure Monitor"
METRICS_ONLY = "it has only metrics, or its log is that of the gateway that uses it"
NO_LOG_CATEGORY = "no category is documented"
FROM_TEMPLATE = "it holds no data of its own, and is made again from a template"
LOCK_STOPS_SCALING = "a lock on it stops scaling"
ONLY_TRAFFIC: Mapping[Topic, str] = {
    "region": NETWORK_KEEPS_NO_DATA,
    "key": NO_DATA_AT_REST,
    "log": METRICS_ONLY,
    "lock": FROM_TEMPLATE,
}
"""Why a resource that passes traffic on has no rule on any topic."""
