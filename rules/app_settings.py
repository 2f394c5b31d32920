"""Settings of apps that are no lock: the runtime and its support, the network of what they call, certificates, identity."""

import re

from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, same
from scanner.model.message import Message, joined
from scanner.model.resource import Resource
from scanner.model.unread import Unread
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Verdict, not_returned_or_unknown, unknown_value

from .appservice import config_of, runs
from .common import child_evidence
from .hosting import PLAN, container_environment

STACK = "properties.linuxFxVersion"
CUSTOM = ("docker", "compose", "kube", "sitecontainers")
"""Stacks that are containers of the user's own."""
NAMES = {
    "dotnetcore": ".NET",
    "dotnet": ".NET",
    "dotnet-isolated": ".NET",
    "node": "Node.js",
    "python": "Python",
    "php": "PHP",
    "java": "Java",
    "tomcat": "Java",
    "jbosseap": "Java",
    "powershell": "PowerShell",
    "ruby": "Ruby",
}
SUPPORT = {
    ".NET": {
        "2": "2021-08-21",
        "3": "2022-12-13",
        "5": "2022-05-10",
        "6": "2024-11-12",
        "7": "2024-05-14",
        "8": "2026-11-10",
        "9": "2026-11-10",
        "10": "2028-11-14",
    },
    "Node.js": {
        "12": "2022-04-30",
        "14": "2023-04-30",
        "16": "2023-09-11",
        "18": "2025-04-30",
        "20": "2026-04-30",
        "22": "2027-04-30",
        "24": "2028-04-30",
    },
    "Python": {
        "3.6": "2021-12-23",
        "3.7": "2023-06-27",
        "3.8": "2024-10-07",
        "3.9": "2025-10-31",
        "3.10": "2026-10-31",
        "3.11": "2027-10-31",
        "3.12": "2028-10-31",
        "3.13": "2029-10-31",
        "3.14": "2030-10-31",
    },
    "PHP": {
        "7.4": "2022-11-28",
        "8.0": "2023-11-26",
        "8.1": "2025-12-31",
        "8.2": "2026-12-31",
        "8.3": "2027-12-31",
        "8.4": "2028-12-31",
        "8.5": "2029-12-31",
    },
    "Java": {
        "7": "2022-07-31",
        "8": "2026-11-30",
        "11": "2027-09-30",
        "17": "2027-09-30",
        "21": "2028-09-30",
        "25": "2030-09-30",
    },
    "Tomcat": {
        "7.0": "2021-03-31",
        "8.0": "2018-06-30",
        "8.5": "2024-03-31",
        "9.0": "2027-03-31",
        "10.0": "2022-10-31",
        "10.1": "2027-03-31",
        "11.0": "2027-03-31",
    },
    "PowerShell": {"7.0": "2022-12-03", "7.2": "2024-11-08", "7.4": "2026-11-10"},
    "Ruby": {"2.7": "2023-03-31"},
}
"""The last day of support of each version of a runtime, as of November 2026.

Sources: the pages of the communities that app-service/language-support-policy follows (dotnet.microsoft.com, nodejs.org,
devguide.python.org, php.net, learn.microsoft.com/java/openjdk/support, adoptium.net for Java 8, powershell/scripting,
tomcat.apache.org/whichversion, which has no days of 9.0, 10.1 and 11.0: they count until the page is looked at again), and
azure-functions/supported-languages (.NET 8 and 9: 10 November 2026).
"""
AT_LEAST = frozenset((("Java", "8"), ("Java", "25"), ("Tomcat", "9.0"), ("Tomcat", "10.1"), ("Tomcat", "11.0")))
"""Versions that are supported at least until their day, and perhaps longer."""


_VERSION = re.compile(r"~?([0-9]{1,4})(?:\.([0-9]{1,4}))?(?![0-9])")


def unsupported_runtime(site: Resource, index: Index) -> Verdict:
    """Fail where no one fixes flaws of the runtime of an app any more."""
    if container_environment(site):
        return NotApplicable(Message("it runs in a container of its own"))
    if site.has_no_properties:
        raise Unread("properties", site.why_absent_is_unknown)
    config = config_of(site)
    is_linux = site.get("properties.reserved")
    if same(is_linux, True):
        return _of_stack(config, index)
    if not is_absent(is_linux) and not same(is_linux, False):
        raise unknown_value("properties.reserved", is_linux)
    return _of_windows(site, config, index)


def _of_stack(config: Resource, index: Index) -> Verdict:
    """Return the verdict on an app on Linux, whose stack is `NAME|VERSION`."""
    value = config.get(STACK)
    name, bar, version = str(value).partition("|")
    if not isinstance(value, str) or not bar:
        raise not_returned_or_unknown(f"config/web {STACK}")
    stack = name.strip().lower()
    if stack in CUSTOM:
        return NotApplicable(Message("it runs a container image, whose runtime is not a setting of Azure"))
    seen = child_evidence(config, "config/web", STACK, None)
    if stack not in NAMES:
        raise unknown_value(seen.path, value)
    seen = Evidence(seen.path, value)
    if stack not in ("tomcat", "jbosseap"):
        return _supported(NAMES[stack], version, seen, index)
    # `TOMCAT|9.0-java17`, `TOMCAT|8.5-jre8`.
    server, _, java = version.lower().replace("jre", "java").partition("-java")
    verdict = _supported("Java", java, seen, index)
    if isinstance(verdict, Fail):
        return verdict
    if stack == "jbosseap":
        raise Unread(seen.path, Message("the last days of JBoss EAP are those of its subscription"))
    return _supported("Tomcat", server, seen, index)


def _of_windows(site: Resource, config: Resource, index: Index) -> Verdict:
    """Return the verdict on a web app on Windows, by its version of Java or of .NET."""
    java, net = "properties.javaVersion", "properties.netFrameworkVersion"
    version = config.get(java)
    if isinstance(version, str) and version:
        return _supported("Java", version.removeprefix("1."), child_evidence(config, "config/web", java, None), index)
    if not is_absent(version) and version != "":
        raise unknown_value(f"config/web {java}", version)
    if runs(site) != "web":
        site.text("kind")
        return NotApplicable(
            Message("on Windows, the runtime of a function app is an app setting, which a scan does not read")
        )
    value = config.get(net)
    if not isinstance(value, str) or not value.lower().startswith("v"):
        raise not_returned_or_unknown(f"config/web {net}")
    if value.lower() in ("v2.0", "v4.0"):
        return NotApplicable(
            Message(
                "Windows updates .NET Framework; the version of Node.js is an app setting, which a scan does not read"
            )
        )
    return _supported(".NET", value[1:], child_evidence(config, "config/web", net, None), index)


def _supported(runtime: str, text: str, seen: Evidence, index: Index) -> Verdict:
    """Return the verdict on a version of a runtime on the day of the scan."""
    numbers = _VERSION.match(text.strip())
    if numbers is None:
        raise unknown_value(seen.path, seen.value)
    known = SUPPORT[runtime]
    version = f"{int(numbers[1])}.{int(numbers[2] or 0)}" if "." in next(iter(known)) else str(int(numbers[1]))
    day = index.taken[:10]
    if not day:
        raise Unread(Message("the time of the scan"), Message("not in the snapshot"))
    expected = Message("a version that is supported on {day}", day=day)
    shown = Evidence(seen.path, seen.value, expected)
    end = known.get(version)
    if end is None:
        if _order(version) < min(map(_order, known)):
            return Fail((shown,))
        raise Unread(
            seen.path,
            Message(
                "this version of the scanner has no date for {runtime} {version}", runtime=runtime, version=version
            ),
        )
    if day <= end:
        return Pass((shown,))
    if (runtime, version) in AT_LEAST:
        raise Unread(
            seen.path,
            Message(
                "this version of the scanner has no last day of {runtime} {version} after {end}",
                runtime=runtime,
                version=version,
                end=end,
            ),
        )
    return Fail((shown, Evidence(Message("end of support"), end)))


def _order(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


SUBNET = "properties.virtualNetworkSubnetId"
ROUTING = "properties.outboundVnetRouting"


def _not_integrated(site: Resource) -> NotApplicable | None:
    """Return the verdict on an app without network integration, None with one. Raises Unread where that is not known."""
    if not is_absent(site.get(SUBNET)):
        return None
    if site.why_absent_is_unknown:
        raise not_returned_or_unknown(SUBNET)
    return NotApplicable(Message("it is not integrated with a virtual network"))


def outbound_beside_network(site: Resource, index: Index) -> Verdict:
    """Fail where an app that is integrated with a network calls the internet beside it."""
    if (outside := _not_integrated(site)) is not None:
        return outside
    matches = [(path, site.get(path)) for path in (f"{ROUTING}.allTraffic", f"{ROUTING}.applicationTraffic")]
    seen = tuple(Evidence(path, value, True) for path, value in matches if not is_absent(value))
    if any(same(value, True) for _, value in matches):
        return Pass(tuple(each for each in seen if same(each.value, True)))
    if not seen or any(not same(each.value, False) for each in seen):
        raise not_returned_or_unknown(f"{ROUTING}.applicationTraffic")
    return Fail(seen)


IMAGE, FILES = f"{ROUTING}.imagePullTraffic", f"{ROUTING}.contentShareTraffic"
STACKS = (STACK, "properties.windowsFxVersion")
REGISTRIES_OF_AZURE = (".azurecr.io", ".azurecr.cn", ".azurecr.us")
ON_A_SHARE = ("ElasticPremium", "WorkflowStandard")
"""The plans whose apps have their files on a share of a storage account.

azure-functions/storage-considerations: those of Elastic Premium and of Logic Apps Standard. Consumption has no network
integration, Flex Consumption no share.
"""


def configuration_beside_network(site: Resource, index: Index) -> Verdict:
    """Fail where an integrated app fetches its image from a private registry, or its files, beside its network."""
    if (outside := _not_integrated(site)) is not None:
        return outside
    every = site.evidence(f"{ROUTING}.allTraffic", True)
    if same(every.value, True):
        return Pass((every,))
    paths = _fetched(site)
    if not paths:
        return NotApplicable(
            Message("it fetches no image from a container registry of Azure, and has no content share")
        )
    seen = [site.evidence(path, True) for path in paths]
    off = tuple(each for each in seen if same(each.value, False))
    if off:
        return Fail(off, causes=tuple(_setting(each.path, True) for each in off))
    for each in seen:
        if not same(each.value, True):
            raise not_returned_or_unknown(each.path)
    return Pass(tuple(seen))


def _fetched(site: Resource) -> list[str]:
    """Return the switches of what App Service fetches for an app. Raises Unread where that is not known."""
    paths = [IMAGE] if _of_private_registry(stack_of(site, config_of(site))) else []
    if runs(site) != "web":
        plan = site.get(PLAN)
        if not isinstance(plan, str):
            raise not_returned_or_unknown(PLAN)
        if any(same(plan, each) for each in ON_A_SHARE):
            paths.append(FILES)
    return paths


def stack_of(site: Resource, config: Resource) -> str:
    """Return the stack of an app, on Linux or on Windows; "" for code on Windows. Raises Unread.

    On Linux it is always returned, on Windows of an app that is a container.
    """
    for path in STACKS:
        value = config.get(path)
        if isinstance(value, str) and value:
            return value
        if not is_absent(value) and value != "":
            raise unknown_value(f"config/web {path}", value)
    if is_absent(config.get(STACK)) and not same(site.get("properties.reserved"), False):
        raise not_returned_or_unknown(f"config/web {STACK}")
    return ""


def _of_private_registry(stack: str) -> bool:
    """Return whether a stack is an image of Azure Container Registry, or images that it does not name."""
    return stack.strip().lower().startswith(("compose|", "sitecontainers")) or is_of_azure(stack)


def is_of_azure(stack: str) -> bool:
    """Return whether a stack (`DOCKER|HOST/IMAGE:TAG`) is an image of Azure Container Registry."""
    kind, _, image = stack.strip().lower().partition("|")
    return kind == "docker" and image.removeprefix("https://").partition("/")[0].endswith(REGISTRIES_OF_AZURE)


ENABLED, MODE, EXCLUDED, HTTPS = (
    "properties.clientCertEnabled",
    "properties.clientCertMode",
    "properties.clientCertExclusionPaths",
    "properties.httpsOnly",
)


def optional_client_certificate(site: Resource, index: Index) -> Verdict:
    """Fail where an app asks for client certificates, and lets callers without one in.

    app-service/app-service-web-configure-tls-mutual-auth: a request over HTTP never carries a certificate.
    """
    if same(site.get(ENABLED), False):
        return NotApplicable(Message("it does not ask for client certificates"))
    if not same(site.get(ENABLED), True):
        raise not_returned_or_unknown(ENABLED)
    mode, excluded, https = site.get(MODE), site.get(EXCLUDED), site.get(HTTPS)
    matches: list[tuple[Evidence, str, Cause]] = []
    if any(same(mode, each) for each in ("Optional", "OptionalInteractiveUser")):
        seen = site.evidence(MODE, "Required")
        matches.append((seen, Message("The mode is {mode}.", mode=mode), _setting(MODE, "Required")))
    if isinstance(excluded, str) and excluded:
        seen = Evidence(EXCLUDED, excluded, "none")
        matches.append((seen, Message("The paths {excluded} are excluded.", excluded=excluded), _setting(EXCLUDED, "")))
    if same(https, False):
        seen = site.evidence(HTTPS, True)
        matches.append((seen, Message("Callers over HTTP are not asked for a certificate."), _setting(HTTPS, True)))
    if matches:
        evidence, messages, causes = zip(*matches, strict=True)
        return Fail(evidence, joined(" ", messages), causes=causes)
    if not same(mode, "Required"):
        raise not_returned_or_unknown(MODE)
    if not is_absent(excluded) and not isinstance(excluded, str):
        raise unknown_value(EXCLUDED, excluded)
    if not same(https, True):
        raise not_returned_or_unknown(HTTPS)
    return Pass((site.evidence(MODE, "Required"), site.evidence(HTTPS, True)))


def _setting(path: str, value: str | bool) -> Cause:
    """Return a property of the app as a cause, with the command that sets it."""
    text = str(value).lower() if isinstance(value, bool) else value or "''"
    return Cause("", path, value=value, command=f"az resource update --ids {{id}} --set {path}={text}")


def no_managed_identity(site: Resource, index: Index) -> Verdict:
    """Fail where an app has no identity of its own, and so can use other services with keys alone."""
    kind = site.get("identity.type")
    seen = Evidence("identity.type", kind, Message("SystemAssigned or UserAssigned"))
    if is_absent(kind) or same(kind, "None"):
        if is_absent(kind) and site.api_version_unknown:
            raise not_returned_or_unknown("identity.type")
        return Fail((seen,))
    named = {each.strip().lower() for each in kind.split(",")} if isinstance(kind, str) else set()
    if not named or named - {"systemassigned", "userassigned"}:
        raise unknown_value("identity.type", kind)
    return Pass((seen,))


HEALTH = "properties.healthCheckPath"
# app-service/monitor-instances-health-check: on these tiers the path is asked, and no instance is replaced.
ONE_INSTANCE = ("Free", "Shared")


def no_health_check(site: Resource, index: Index) -> Verdict:
    """Fail where App Service does not probe the instances of a web app."""
    if not runs(site):
        raise not_returned_or_unknown("kind")
    if runs(site) != "web":
        return NotApplicable(Message("it is no web app"))
    if any(same(site.get(PLAN), each) for each in ONE_INSTANCE):
        return NotApplicable(Message("plans of its tier have one instance, which App Service does not replace"))
    config = config_of(site)
    value = config.get(HEALTH)
    seen = child_evidence(config, "config/web", HEALTH, Message("a path"))
    if is_absent(value) or value == "":
        if is_absent(value) and config.api_version_unknown:
            raise not_returned_or_unknown(seen.path)
        return Fail((seen,))
    if not isinstance(value, str):
        raise unknown_value(seen.path, value)
    return Pass((seen,))
