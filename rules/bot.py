"""Azure Bot Service: Direct Line and Web Chat, their secrets and sites, and the address of the bot."""

from collections.abc import Iterator
from typing import Any

from scanner.model.exposure import Exposure, closed
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, is_list_of_texts, same, spelled
from scanner.model.message import Message
from scanner.model.origins import is_any_website
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Unread, Verdict, not_a_list, unknown_value
from scanner.reach.services.firewall import Firewall, firewall

from .common import host, local_auth, rows
from .reasons import FROM_TEMPLATE, ZONES_NOT_READ

BOT = ResourceType(
    "Microsoft.BotService/botServices",
    api="2022-09-15",
    product=Message("Azure Bot"),
    no_rule=NoRule(
        copy="a channel names a region of speech services alone, which is not read",
        loss=FROM_TEMPLATE,
        zone=ZONES_NOT_READ,
    ),
)
# Never listChannelWithKeys. Recorded answers of a channel have extension keys: no rule reads them, so no snapshot keeps
# them.
CHANNELS = BOT.child("channels")
SWITCH = Firewall(
    empty="open",
    source="bicep-types-az and azure-mgmt-botservice 2.0.0 BotProperties: public network access is enabled by default",
    name=Message("Public network access"),
    absent="enabled",
)
KEYS = local_auth(
    BOT,
    source="Azure Policy ffea632e: everything but true is non-compliant",
    message=Message("accepts the secrets of its Direct Line and Web Chat sites"),
)
ENABLED = "properties.enabledChannels"
# bot-service/rest-api/bot-framework-rest-direct-line-3-0-api-reference: the host follows from the location.
DIRECT_LINE = "directline.botframework.com"
REGIONS = {"westeurope": "europe.", "centralindia": "india."}
CLIENTS = ("directline", "webchat")


@BOT.endpoints(
    Endpoint(
        "bot",
        "app",
        ports=HTTPS,
        no_rule={"anonymous-access": "a conversation is opened with a secret or a token made with it"},
    ),
)
def endpoints(bot: Resource, index: Index) -> Iterator[Exposure]:
    what = Message("The bot's Direct Line")
    enabled = bot.get(ENABLED)
    if is_list_of_texts(enabled) and not any(same(each, one) for each in enabled for one in CLIENTS):
        yield closed(
            "bot",
            "app",
            Message("neither Direct Line nor Web Chat is enabled"),
            bot.evidence(ENABLED),
            display_name=what,
        )
        return
    # bot-service/dl-network-isolation-how-to: the group `Token` leads to the token service alone.
    reach = firewall(bot, index, SWITCH, groups=("Bot",))
    address = REGIONS.get(bot.location, "") + DIRECT_LINE
    yield Exposure("bot", "app", reach, KEYS.lock(bot), display_name=what, address=address)


def plain_endpoint(bot: Resource, index: Index) -> Verdict:
    """Fail where the channels call the bot over HTTP. The evidence has scheme and host alone."""
    path = "properties.endpoint"
    value = bot.require(path)
    if value == "":
        return NotApplicable(Message("the bot has no address"))
    scheme = str(value).partition("://")[0].lower()
    seen = Evidence(path, f"{scheme}://{host(bot, path)}", "https://")
    if scheme == "https":
        return Pass((seen,))
    if scheme == "http":
        return Fail((seen,))
    raise Unread(path, Message("it is no address of HTTP or HTTPS"))


def insecure_sites(channel: Resource, index: Index) -> Verdict:
    """Fail where an enabled Direct Line or Web Chat site lets any origin in."""
    kind = channel.name.rsplit("/", 1)[-1]
    if not any(same(kind, each) for each in ("DirectLineChannel", "WebChatChannel")):
        return NotApplicable(Message("only Direct Line and Web Chat have sites"))
    path = "properties.properties.sites"
    sites = [each for each in rows(channel, path) if not same(get_path(each, "isEnabled"), False)]
    if not sites:
        return NotApplicable(Message("no site is enabled"))
    open_sites = [_name(each) for each in sites if _is_off(get_path(each, "isSecureSiteEnabled"))]
    where = f"{path}[].isSecureSiteEnabled"
    if open_sites:
        seen = Evidence(where, [Message("false for {each}", each=each) for each in open_sites], True)
        return Fail((seen,), Message("Enhanced authentication is off, so a user may give the ID of another one too."))
    strange = next((each for each in sites if not same(get_path(each, "isSecureSiteEnabled"), True)), None)
    if strange is not None:
        raise unknown_value(where, get_path(strange, "isSecureSiteEnabled"))
    for site in sites:
        origins = get_path(site, "trustedOrigins")
        if not is_absent(origins) and not is_list_of_texts(origins):
            raise not_a_list(f"{path}[].trustedOrigins")
        if is_list_of_texts(origins) and any(map(is_any_website, origins)):
            shown = next(each for each in origins if is_any_website(each))
            seen = Evidence(
                f"{path}[].trustedOrigins",
                Message("{shown} for {site}", shown=shown, site=_name(site)),
                Message("the origins of your pages"),
            )
            return Fail((seen,), Message("The trusted origins include every website."))
    return Pass((Evidence(where, True),))


def _is_off(value: Any) -> bool:
    return is_absent(value) or same(value, False)


def _name(site: Any) -> str:
    return spelled(get_path(site, "siteName"))
