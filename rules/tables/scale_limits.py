"""The checks of automatic scaling: whether it has an upper limit in ARM."""

from scanner.model.index import Index
from scanner.model.json_paths import is_absent, objects_at, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Fail, NotApplicable, Pass, Unread, Verdict, malformed, unknown_value


def throughput(resource: Resource, index: Index) -> Verdict:
    """Fail where the throughput of a Cosmos DB account has no limit."""
    path = "properties.capacity.totalThroughputLimit"
    capabilities = objects_at(resource.body, "properties.capabilities")
    if any(same(each.get("name"), "EnableServerless") for each in capabilities):
        return NotApplicable(Message("a serverless account is billed by request"))
    value, seen = resource.get(path), resource.evidence(path, Message("a limit"))
    if is_absent(value):
        if resource.why_absent_is_unknown:
            raise Unread(path, resource.why_absent_is_unknown)
        return Fail((seen,))
    if not isinstance(value, int) or isinstance(value, bool):
        raise malformed(path)
    return Fail((seen,)) if value < 0 else Pass((seen,))


def node_provisioning(resource: Resource, index: Index) -> Verdict:
    """Fail where a cluster makes nodes of its own accord, as its default node pools say, which have no limit."""
    path = "properties.nodeProvisioningProfile"
    mode = resource.get(f"{path}.mode")
    if is_absent(mode) and resource.why_absent_is_unknown:
        raise Unread(f"{path}.mode", resource.why_absent_is_unknown)
    if is_absent(mode) or same(mode, "Manual"):
        return Pass((resource.evidence(f"{path}.mode", "Manual"),))
    if not same(mode, "Auto"):
        raise unknown_value(f"{path}.mode", mode)
    pools = resource.get(f"{path}.defaultNodePools")
    seen = (resource.evidence(f"{path}.mode"), resource.evidence(f"{path}.defaultNodePools", "None"))
    if same(pools, "None"):
        return NotApplicable(Message("its node pools are in Kubernetes, and so are their limits"))
    if same(pools, "Auto") or is_absent(pools):
        return Fail(seen)
    raise unknown_value(f"{path}.defaultNodePools", pools)
