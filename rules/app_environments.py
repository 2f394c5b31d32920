"""App Service environments: the address of their apps, old TLS, encryption inside. The apps evaluate their own network."""

from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import copied, get_path, is_absent, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import NoRule, ResourceType
from scanner.model.verdict import ABSENT, Evidence, Fail, Pass, Unread, Verdict, unknown_value

from .reasons import DISKS_ARE_RESOURCES, FROM_TEMPLATE, NO_CALLER_LOG, NO_CUSTOMER_KEY

ENVIRONMENT = ResourceType(
    "Microsoft.Web/hostingEnvironments",
    api="2025-03-01",
    product=Message("App Service environment"),
    unread={
        "configurations/networking": "It allows FTP and remote debugging for apps. Each app says whether it uses them.",
        "multiRoleFrontEnds, cipher suites": "TLS 1.0 and 1.1 are off, so the order of suites is a matter of taste.",
    },
    no_rule=NoRule(copy=DISKS_ARE_RESOURCES, key=NO_CUSTOMER_KEY, log=NO_CALLER_LOG, loss=FROM_TEMPLATE),
)
SETTINGS = "properties.clusterSettings"


def _is_set(environment: Resource, name: str, good: tuple[str, ...], bad: tuple[str, ...]) -> Verdict:
    """Pass where a cluster setting has a good value; an absent one fails: Azure Policy flags it. Raises Unread."""
    if is_absent(environment.get(SETTINGS)) and environment.why_absent_is_unknown:
        raise Unread(SETTINGS, environment.why_absent_is_unknown)
    path = f"{SETTINGS}[{name}]"
    named = [
        (position, each)
        for position, each in enumerate(environment.items(SETTINGS))
        if same(get_path(each, "name"), name)
    ]
    if not named:
        return Fail((Evidence(path, ABSENT, good[0]),))
    position, entry = named[0]
    value = get_path(entry, "value")
    seen = Evidence(path, value, good[0])
    if any(same(value, each) for each in good):
        return Pass((seen,))
    if any(same(value, each) for each in bad):
        # The other settings stay, in their order; the command finds this one by its name.
        command = f"az resource update --ids {{id}} --set '{SETTINGS}[name={name}].value={good[0]}' --force-string"
        wanted = {**copied(entry), "value": good[0]}
        return Fail((seen,), causes=(Cause("", SETTINGS, entry, wanted, command, position=position),))
    raise unknown_value(path, value)


def old_tls(environment: Resource, index: Index) -> Verdict:
    """Fail where the front ends of an environment accept TLS 1.0 and 1.1: Azure Policy d6545c6b."""
    return _is_set(environment, "DisableTls1.0", ("1",), ("0",))


def unencrypted_inside(environment: Resource, index: Index) -> Verdict:
    """Fail where traffic between front ends and workers, and their page files, are not encrypted: Azure Policy fb74e86f."""
    return _is_set(environment, "InternalEncryption", ("true", "1"), ("false", "0"))
