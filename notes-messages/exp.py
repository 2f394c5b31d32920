import re
from pathlib import Path

p=Path('/work/main/scanner/model/exposure.py'); s=p.read_text()
a=s.index('REACH_DESCRIPTIONS: dict'); b=s.index('Endpoints = Callable')
new='''REACH_DESCRIPTIONS: dict[Reach, Message] = {
    Reach.internet: Message("the internet"),
    Reach.azure: Message("any Azure tenant"),
    Reach.wide: Message("broad ranges"),
    Reach.selected: Message("allow-listed networks"),
    Reach.private: Message("private networks only"),
    Reach.none: Message("no network"),
}
"""The callers of each level, as they follow "is reachable from"."""

AUTH_DESCRIPTIONS: dict[Auth, Message] = {
    Auth.anonymous: Message("allows anonymous access"),
    Auth.shared: Message("accepts a shared key or password"),
    Auth.identity: Message("requires Microsoft Entra ID authentication"),
}
AUTH_NAMES: dict[Auth, Message] = {
    Auth.anonymous: Message("none"),
    Auth.shared: Message("shared key or password"),
    Auth.identity: Message("Microsoft Entra ID"),
}
"""The names of the levels as people read them; JSON holds the name of the member."""
_VERBS = tuple(each.split()[0] for each in AUTH_DESCRIPTIONS.values())
_UNKNOWN_AUTH = Message("authentication could not be assessed")


def title(exposure: Exposure) -> Message:
    """Return one sentence: who can reach the endpoint, and which credential it accepts."""
    what = exposure.display_name or exposure.endpoint
    if exposure.disabled_reason:
        return Message("{what} is off: {why}", what=what, why=exposure.disabled_reason)
    reach = exposure.reach.widest
    if exposure.stopped and reach is not None and reach.level:
        source = reach.description or REACH_DESCRIPTIONS[cast("Reach", reach.level)]
        clause = authentication_clause(exposure.authentication.widest)
        return Message(
            "{what} is stopped: would be reachable when started, from {source}; {clause}",
            what=what,
            source=source,
            clause=clause,
        )
    return access_sentence(what, reach, exposure.authentication.widest)


def access_sentence(what: str, reach: Grant | None, authentication: Grant | None, *, plural: bool = False) -> Message:
    """Return the two locks of one endpoint as a sentence without a full stop; `plural`: of several endpoints.

    A description of the authentication that begins with "allows", "accepts" or "requires" continues the sentence; any
    other is a clause of its own.
    """
    if reach is None:
        clause = authentication_clause(authentication, plural=plural)
        if what.partition(" ")[0] in ("The", "A", "An", "Its"):
            return Message("Network access to {what!l} could not be assessed; {clause}", what=what, clause=clause)
        return Message("Network access to {what} could not be assessed; {clause}", what=what, clause=clause)
    source = reach.description or REACH_DESCRIPTIONS[cast("Reach", reach.level)]
    text = authentication_text(authentication)
    if not _is_verb_phrase(text):
        if plural:
            return Message("{what} are reachable from {source}; {clause}", what=what, source=source, clause=text)
        return Message("{what} is reachable from {source}; {clause}", what=what, source=source, clause=text)
    if plural:
        return Message("{what} are reachable from {source} and {lock}", what=what, source=source, lock=_plural(text))
    return Message("{what} is reachable from {source} and {lock}", what=what, source=source, lock=text)


def authentication_text(authentication: Grant | None) -> Message:
    """Return which credential an endpoint accepts: a verb phrase ("allows anonymous access"), or a clause."""
    if authentication is None:
        return _UNKNOWN_AUTH
    return authentication.description or AUTH_DESCRIPTIONS[cast("Auth", authentication.level)]


def authentication_clause(authentication: Grant | None, *, plural: bool = False) -> Message:
    """Return which credential an endpoint accepts, as a clause with a subject ("it allows anonymous access")."""
    text = authentication_text(authentication)
    if not _is_verb_phrase(text):
        return text
    return Message("they {lock}", lock=_plural(text)) if plural else Message("it {lock}", lock=text)


def _is_verb_phrase(text: Message) -> bool:
    """Return whether a description goes on with a verb: the English text decides, because rules are written in it."""
    return text.partition(" ")[0] in _VERBS


def _plural(text: Message) -> Message:
    """Return a verb phrase for several subjects: "allow anonymous access"."""
    verb, _, rest = text.partition(" ")
    return text.worded(f"{verb.removesuffix('s')} {rest}")


'''
s=s[:a]+new+s[b:]
s=s.replace('from scanner.model.once import once\n','from scanner.model.message import NOTHING, Message\nfrom scanner.model.once import once\n')
s=s.replace('"missing from a record of unknown API version"','Message("missing from a record of unknown API version")')
p.write_text(s)
p=Path('/work/main/scanner/model/verdict.py'); s=p.read_text()
s=s.replace('Unread(path, f"Azure did not return {what}")','Unread(path, Message("Azure did not return {what}", what=what))')
p.write_text(s)
