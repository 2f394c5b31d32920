import re
from pathlib import Path

R=Path('/work/main')
def sub(f,*pairs):
    p=R/f; s=p.read_text()
    for a,b in pairs:
        if a not in s: print("MISSING",f,a)
        s=s.replace(a,b,1)
    p.write_text(s)
sub('scanner/model/unread.py',
 ('what: str, why: str, gap','what: str, why: Message, gap'),
)
sub('scanner/model/verdict.py',
 ('what: str = "it") -> Unread:','what: str = Message("it")) -> Unread:'),
 ('    message: str = ""\n    severity','    message: Message = NOTHING\n    severity'),
 ('    why: str\n    gaps','    why: Message\n    gaps'),
 ('    why: str\n\n\nVerdict','    why: Message\n\n\nVerdict'),
 ('return Unknown(f"{one.what}: {one.why}",','return Unknown(joined(": ", (one.what, one.why)),'),
 ('why = "; ".join(dict.fromkeys(f"{each.what}: {each.why}" for each in missing))','why = joined("; ", dict.fromkeys(joined(": ", (each.what, each.why)) for each in missing))'),
 ('from scanner.model.message import Message','from scanner.model.message import NOTHING, Message, joined'),
)
sub('scanner/model/exposure.py',
 ('    detail: str = ""','    detail: Message = NOTHING'),
 ('    description: str = ""\n    name','    description: Message = NOTHING\n    name'),
 ('admits: tuple[str, ...] = ()\n    """Access','admits: tuple[Message, ...] = ()\n    """Access'),
 ('    description: str = "",\n    hops','    description: Message = NOTHING,\n    hops'),
 ('descriptions: Mapping[Level, str]','descriptions: Mapping[Level, Message]'),
 ('description=switch.descriptions.get(level, "")','description=switch.descriptions.get(level, NOTHING)'),
 ('    display_name: str = ""\n','    display_name: Message = NOTHING\n'),
 ('    disabled_reason: str = ""\n','    disabled_reason: Message = NOTHING\n'),
 ('    justification: str = ""\n','    justification: Message = NOTHING\n'),
 ('    admits: tuple[str, ...] = ()\n    hosts','    admits: tuple[Message, ...] = ()\n    hosts'),
 ('    hidden_rules: str = ""\n','    hidden_rules: Message = NOTHING\n'),
 ('def closed(endpoint: str, kind: EndpointKind, why: str, *evidence: Evidence, display_name: str = "")','def closed(\n    endpoint: str, kind: EndpointKind, why: Message, *evidence: Evidence, display_name: Message = NOTHING\n)'),
 ('missing: Unread, display_name: str = "") -> Exposure','missing: Unread, display_name: Message = NOTHING) -> Exposure'),
 ('REACH_DESCRIPTIONS: dict[Reach, str]','REACH_DESCRIPTIONS: dict[Reach, Message]'),
 ('AUTH_DESCRIPTIONS: dict[Auth, str]','AUTH_DESCRIPTIONS: dict[Auth, Message]'),
 ('AUTH_NAMES: dict[Auth, str]','AUTH_NAMES: dict[Auth, Message]'),
)
sub('scanner/model/remedy.py',
 ('    words: tuple[str, ...] = ()','    words: tuple[Message, ...] = ()'),
 ('    what: str\n\n\nFIELDS: Final[Mapping[str, str]]','    what: Message\n\n\nFIELDS: Final[Mapping[str, Message]]'),
 ('own: Mapping[str, str] = FIELDS','own: Mapping[str, Message] = FIELDS'),
 ('FIELDS.get(name, "")','FIELDS.get(name, NOTHING)'),
 ('    steps: tuple[str, ...] = ()\n    changes','    steps: tuple[Message, ...] = ()\n    changes'),
 ('    impact: str = ""','    impact: Message = NOTHING'),
 ('" ".join(impacts)','joined(" ", impacts)'),
 ('import Message','import NOTHING, Message, joined'),
)
