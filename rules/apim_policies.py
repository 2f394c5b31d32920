"""Policies of API Management: which credential and which addresses their inbound sections demand.

A policy is XML that may hold secrets: of each, a snapshot keeps the elements that say who may call, and nothing else.
"""

import enum
import re
from collections.abc import Iterable, Mapping
from typing import Any
from xml.parsers.expat import ExpatError, ParserCreate
from xml.sax.saxutils import escape, quoteattr

from msgspec import Struct, field

from scanner.model.addresses import AddressSet, BadAddress, address_range, parse, union
from scanner.model.json_paths import member, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Unread, not_returned

from .easy_auth import EVERY_TENANT, ISSUERS, TENANT_ID

VALUE = "properties.value"
UNPARSED = "<unparsed/>"
BRANCHES = ("choose", "when", "otherwise", "retry", "wait", "limit-concurrency")
ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "policies": (),
    "inbound": (),
    "fragment": (),
    "base": (),
    "include-fragment": ("fragment-id",),
    "validate-jwt": ("require-signed-tokens",),
    "openid-config": ("url",),
    "issuers": (),
    "issuer": (),
    "issuer-signing-keys": (),
    "key": (),
    "audiences": (),
    "audience": (),
    "required-claims": (),
    "claim": ("name",),
    "validate-azure-ad-token": ("tenant-id",),
    "client-application-ids": (),
    "application-id": (),
    "backend-application-ids": (),
    "validate-client-certificate": ("ignore-error", "validate-trust"),
    "identities": (),
    "identity": ("named",),
    "ip-filter": ("action",),
    "address": (),
    "address-range": ("from", "to"),
    "check-header": ("name",),
    "return-response": (),
    "mock-response": (),
    **dict.fromkeys(BRANCHES, ()),
}
"""The elements that are kept, and their attributes. Texts are kept of an address alone."""
WITH_TEXT = ("address",)
DEEPEST = 64
WHO = ("tid", "iss", "oid", "sub", "groups", "wids")
"""Claims that name a tenant, a person or a group: of a token that every tenant may issue, they say whose it is."""
WHICH_APP = ("aud", "iss", "ver", "azp", "appid", "client_id", "scp", "scope", "nonce")
"""Claims that say for which application a token is. They do not say who may get one."""


class Element(Struct):
    """An element of a policy, with its attributes and the text in it."""

    name: str
    attributes: dict[str, str]
    children: list["Element"] = field(default_factory=list)
    text: str = ""

    def find(self, name: str) -> list["Element"]:
        """Return the children of a name."""
        return [each for each in self.children if each.name == name]

    def has(self, *path: str) -> bool:
        """Return whether there is an element at a path of names."""
        elements = [self]
        for name in path:
            elements = [child for each in elements for child in each.find(name)]
        return bool(elements)


def parsed(text: str) -> Element:
    """Return the root of a policy. Raise ValueError for what is no XML, or has a document type of its own."""
    root = Element("", {})
    stack = [root]

    def begin(name: str, attributes: dict[str, str]) -> None:
        if len(stack) > DEEPEST:
            raise ValueError("too deep")
        stack.append(Element(name, attributes))
        stack[-2].children.append(stack[-1])

    def end(_: str) -> None:
        stack.pop()

    def add(data: str) -> None:
        stack[-1].text += data

    def refuse(*_: Any) -> None:
        raise ValueError("a document type")

    parser = ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = begin, end, add
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text.strip(), True)
    except ExpatError as wrong:
        raise ValueError(str(wrong)) from None
    return root.children[0]


def reduced(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a policy, or of a fragment, with those elements of its XML that rules read."""
    properties = member(body, "properties")
    value = member(properties, "value")
    if not isinstance(properties, dict) or not isinstance(value, str):
        return {**body, "properties": {}}
    try:
        text = _kept(value)
    except ValueError:
        text = UNPARSED
    return {**body, "properties": {"value": text or UNPARSED}}


def _kept(text: str) -> str:
    """Return what is kept of a policy. Raise ValueError for what is no XML."""
    return "".join(_written(parsed(text)))


def _written(element: Element) -> Iterable[str]:
    names = ATTRIBUTES.get(element.name)
    if names is None:
        return
    known = ((name, element.attributes[name]) for name in names if name in element.attributes)
    yield f"<{element.name}{''.join(f' {name}={quoteattr(_plain(value))}' for name, value in known)}>"
    if element.name in WITH_TEXT:
        yield escape(element.text.strip())
    for each in element.children:
        named = {"named": _pin(each)} if each.name == "identity" and each.attributes else each.attributes
        yield from _written(Element(each.name, named, each.children, each.text))
    yield f"</{element.name}>"


PINS = ("thumbprint", "certificate-id")
PINNED = "certificate"


def _pin(identity: Element) -> str:
    """Return what is kept of the claims of an identity: whether they name one certificate, or are there at all.

    Without any it restricts nothing. A subject alone is in every certificate that someone issues with it.
    """
    if any(identity.attributes.get(each) for each in PINS) or identity.attributes.get("named") == PINNED:
        return PINNED
    return "true"


def _plain(value: str) -> str:
    """Return an attribute without the query of a URL, and without an expression, which may hold a secret."""
    return "@()" if value.startswith("@") else value.partition("?")[0]


class Demands(Struct, frozen=True):
    """What the policies on the way of a call demand.

    `tokens`, `signatures`: checks of a token or certificate, and of a token that is signed with a shared key.
    `unclear`: why it is not known what else they demand. `filters`: the address lists, of which each must allow a caller.
    `base`: whether the policies of the outer scopes apply; None where that is not known.
    """

    tokens: tuple[Evidence, ...] = ()
    signatures: tuple[Evidence, ...] = ()
    unclear: tuple[Unread, ...] = ()
    filters: tuple[AddressSet, ...] = ()
    base: bool | None = True

    def inside(self, outer: "Demands") -> "Demands":
        """Return what these demand together with those of the outer scopes."""
        if self.base is False:
            return self
        if self.base is None:
            doubts = (*self.unclear, *outer.unclear)
            return Demands(self.tokens, self.signatures, doubts, self.filters, outer.base)
        return Demands(
            self.tokens + outer.tokens,
            self.signatures + outer.signatures,
            self.unclear + outer.unclear,
            self.filters + outer.filters,
            outer.base,
        )


NO_POLICY = Demands()


def unread_policy(missing: Unread) -> Demands:
    """Return the requires of a policy that was not read."""
    return Demands(unclear=(missing,), base=None)


class Policies:
    """The policies of one service: `fragments` by name in lower case, and why some of them may be missing."""

    def __init__(self, fragments: Iterable[Resource], missing: Unread | None) -> None:
        self.fragments = {each.name.lower(): each for each in fragments}
        self.missing = missing

    def of(self, policy: Resource, where: str) -> Demands:
        """Return what one policy requires; `where` names it in evidence."""
        value = policy.get(VALUE)
        if not isinstance(value, str):
            return unread_policy(not_returned(f"{where} {VALUE}"))
        try:
            root = parsed(_kept(value) or UNPARSED)
        except ValueError:
            return unread_policy(Unread(f"{where} {VALUE}", Message("it could not be parsed")))
        if root.name != "policies":
            return unread_policy(Unread(f"{where} {VALUE}", Message("it could not be parsed")))
        reading = _Reading(self, where)
        for inbound in root.find("inbound"):
            reading.read(inbound, ())
        return reading.demands()


class _Reading:
    """One walk through an inbound section."""

    def __init__(self, policies: Policies, where: str) -> None:
        self.policies = policies
        self.where = where
        self.tokens: list[Evidence] = []
        self.signatures: list[Evidence] = []
        self.unclear: list[Unread] = []
        self.filters: list[AddressSet] = []
        self.base: bool | None = False

    def demands(self) -> Demands:
        return Demands(tuple(self.tokens), tuple(self.signatures), tuple(self.unclear), tuple(self.filters), self.base)

    def read(self, element: Element, inside: tuple[str, ...]) -> None:
        """Read the elements of a section; `inside`: the fragments that led here."""
        for each in element.children:
            if each.name == "base":
                self.base = True
            elif each.name == "include-fragment":
                self._fragment(each.attributes.get("fragment-id", ""), inside)
            elif each.name in BRANCHES:
                self._branch(each)
            else:
                self._check(each)

    def _doubt(self, why: Message) -> None:
        self.unclear.append(Unread(self.where, why))

    def _fragment(self, name: str, inside: tuple[str, ...]) -> None:
        resource = self.policies.fragments.get(name.lower())
        if resource is None or name.lower() in inside:
            missing = self.policies.missing
            why = missing.why if missing is not None else Message("it is not among those of the service")
            gap = missing.gap if missing is not None else ""
            self.unclear.append(Unread(f"policyFragments/{name}", why, gap))
            return
        value = resource.get(VALUE)
        try:
            root = parsed(_kept(value if isinstance(value, str) else "") or UNPARSED)
        except ValueError:
            root = Element("", {})
        if root.name == "fragment":
            self.read(root, (*inside, name.lower()))
        else:
            self.unclear.append(Unread(f"policyFragments/{name}", Message("it could not be parsed")))

    def _branch(self, element: Element) -> None:
        """Read what applies under a condition: it may refuse a caller, and may leave out the outer policies' part."""
        names = set(_names(element))
        if "base" in names and self.base is not True:
            self.base = None
            self._doubt(Message("the policies of outer scopes apply under a condition"))
        if names & {"validate-jwt", "validate-azure-ad-token", "validate-client-certificate", "check-header"}:
            self._doubt(Message("it checks callers under a condition"))
        elif names & {"return-response", "include-fragment"}:
            self._doubt(Message("it may refuse callers under a condition"))

    def _check(self, element: Element) -> None:
        if element.name == "validate-jwt":
            self._token(element)
        elif element.name == "validate-azure-ad-token":
            self._entra_token(element)
        elif element.name == "validate-client-certificate":
            self._certificate(element)
        elif element.name == "ip-filter":
            self._addresses(element)
        elif element.name == "check-header":
            name = element.attributes.get("name", "")
            self._doubt(Message("it is not known whether the header {name} that it checks is a credential", name=name))
        elif element.name in ("return-response", "mock-response"):
            self._doubt(Message("it answers callers itself"))

    def _token(self, element: Element) -> None:
        if same(element.attributes.get("require-signed-tokens", "true"), "false"):
            self._doubt(Message("validate-jwt accepts tokens without a signature"))
            return
        urls = [each.attributes.get("url", "") for each in element.find("openid-config")]
        seen = Evidence(f"{self.where}/validate-jwt", urls or Message("signing keys"))
        if element.has("issuer-signing-keys", "key"):
            self.signatures.append(seen)
            return
        if not urls:
            self._doubt(Message("validate-jwt names no issuer's keys"))
            return
        claims, named = _claims(element), element.has("issuers", "issuer")
        why = next(filter(None, (_doubt_of(issuer_of(url), claims, named=named) for url in urls)), "")
        if not why and not claims and not element.has("audiences", "audience"):
            why = ANY_AUDIENCE
        if why:
            self._doubt(Message("validate-jwt {why}", why=why))
            return
        self.tokens.append(seen)

    def _entra_token(self, element: Element) -> None:
        tenant = element.attributes.get("tenant-id", "")
        claims = _claims(element)
        why = _doubt_of(tenant_of(tenant), claims)
        paths = (
            ("audiences", "audience"),
            ("client-application-ids", "application-id"),
            ("backend-application-ids", "application-id"),
        )
        if not why and not claims and not any(element.has(*path) for path in paths):
            why = ANY_AUDIENCE
        if why:
            self._doubt(Message("validate-azure-ad-token {why}", why=why))
            return
        self.tokens.append(Evidence(f"{self.where}/validate-azure-ad-token", tenant))

    def _certificate(self, element: Element) -> None:
        """Read a check of a certificate. One of several identities is enough, so each must name some."""
        identities = [each for group in element.find("identities") for each in group.find("identity")]
        if same(element.attributes.get("ignore-error", "false"), "true"):
            self._doubt(Message("validate-client-certificate ignores errors"))
        elif not identities or not all(each.attributes for each in identities):
            self._doubt(Message("validate-client-certificate names no certificate"))
        elif same(element.attributes.get("validate-trust", "true"), "false") and any(
            each.attributes.get("named") != PINNED for each in identities
        ):
            self._doubt(Message("validate-client-certificate accepts a subject in a certificate that anyone can issue"))
        else:
            self.tokens.append(Evidence(f"{self.where}/validate-client-certificate", Message("named certificates")))

    def _addresses(self, element: Element) -> None:
        """Read a list of addresses that alone may call. A list of refused ones leaves every other address."""
        if not same(element.attributes.get("action"), "allow"):
            return
        try:
            address_sets = [parse(each.text.strip()) for each in element.find("address")]
            ranges = (
                (each.attributes.get("from", ""), each.attributes.get("to", ""))
                for each in element.find("address-range")
            )
            address_sets += [address_range(first, last) for first, last in ranges]
        except BadAddress:
            self._doubt(Message("an address of its ip-filter is not known"))
            return
        self.filters.append(union(address_sets))


def _names(element: Element) -> Iterable[str]:
    for each in element.children:
        yield each.name
        yield from _names(each)


def _claims(element: Element) -> set[str]:
    """Return the names of the claims that a check of a token requires, in lower case."""
    claims = (claim for group in element.find("required-claims") for claim in group.find("claim"))
    return {each.attributes.get("name", "").lower() for each in claims} - {""}


class Issuer(enum.Enum):
    """Who signs the tokens that a policy accepts."""

    one = Message("one tenant of Microsoft Entra ID")
    every = Message("accepts tokens of every tenant")
    unclear = Message("names a tenant that is not known")
    other = Message("accepts tokens of an issuer where it is not visible whether anyone can sign up")


def issuer_of(url: str) -> Issuer:
    """Return who signs, by the URL of the document that names the keys."""
    segments = [each for each in url.lower().split("/") if each]
    known = len(segments) > 2 and segments[0] == "https:" and segments[1] in ISSUERS
    return tenant_of(segments[2]) if known else Issuer.other


def tenant_of(text: str) -> Issuer:
    """Return who signs, by the id or a domain of a tenant. A named value (`{{tenant}}`) may be any tenant, or all."""
    tenant = text.lower()
    if tenant in EVERY_TENANT:
        return Issuer.every
    return Issuer.one if TENANT_ID.fullmatch(tenant) or _DOMAIN.fullmatch(tenant) else Issuer.unclear


def _doubt_of(issuer: Issuer, claims: set[str], *, named: bool = False) -> str:
    """Return why tokens of an issuer do not prove whose account it is; "" where they do.

    `claims`: what a policy requires of a token. `named`: whether it names the issuers whose tokens it accepts.
    """
    restricts = {
        Issuer.one: True,
        Issuer.every: named or bool(claims & set(WHO)),
        Issuer.unclear: bool(claims & set(WHO)),
        Issuer.other: bool(claims - set(WHICH_APP)),
    }
    return "" if restricts[issuer] else issuer.value


ANY_AUDIENCE = Message("names no audience, application or claim, so it accepts tokens for any application")
_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
