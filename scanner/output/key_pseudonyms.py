"""Rows about keys for a redacted document: pseudonyms for keys, vaults and resources; what a risk says is withheld."""

import re
from collections.abc import Callable, Collection

from scanner.document.key_rows import KeyRiskRow, KeyRow, KeyStoreRow
from scanner.document.schema import EvidenceRow
from scanner.model.ids import type_of
from scanner.model.verdict import SEVERITIES
from scanner.output.pseudonyms import Pseudonyms

_HOLDERS = ("customer", "platform", "unknown")
_LIVES = ("software", "hsm", "managed-hsm", "microsoft", "unknown")
_STATES = ("enabled", "disabled", "expired", "missing", "unknown")
_ANSWERS = ("yes", "no", "unknown", "")
_RISKS = (
    "disabled", "elsewhere", "expired", "expires-soon", "identity", "missing", "no-purge-protection", "no-rotation",
    "services-blocked", "version",
)  # fmt: skip
_KIND = re.compile(r"(RSA|EC|oct)(-HSM)?( \d{3,5})?( P-\d{3}K?)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_WITHHELD = "withheld"


def redacted_key(
    row: KeyRow,
    names: Pseudonyms,
    rule: Callable[[str], str],
    evidence: Callable[[EvidenceRow], EvidenceRow],
) -> KeyRow:
    """Return a key with pseudonyms. `rule`, `evidence`: how the document's rules and evidence are redacted."""

    def store(each: KeyStoreRow) -> KeyStoreRow:
        seen = evidence(EvidenceRow(each.path, each.value))
        return KeyStoreRow(
            resource=names.id(each.resource),
            rule=rule(each.rule),
            what=names.type(type_of(each.resource)),
            path=seen.path,
            value=seen.value,
            version=names.word("version", each.version),
            double=_one_of(_ANSWERS, each.double),
            host=_one_of(_ANSWERS, each.host),
            confidential=_one_of(_ANSWERS, each.confidential),
            why=_WITHHELD if each.why else "",
        )

    return KeyRow(
        holder=_one_of(_HOLDERS, row.holder),
        stores=list(map(store, row.stores)),
        key=names.word("key", row.key),
        type=names.type(row.type),
        vault=names.id(row.vault),
        host=names.word("host", row.host),
        region=names.word("region", row.region),
        subscription=names.uuid("subscription", row.subscription),
        lives=_one_of(_LIVES, row.lives),
        kind=row.kind if _KIND.fullmatch(row.kind) else "",
        state=_one_of(_STATES, row.state),
        expires=row.expires if _DATE.fullmatch(row.expires) else "",
        rotation=_one_of(_ANSWERS, row.rotation),
        risks=[
            KeyRiskRow(each.id, _one_of(SEVERITIES, each.severity), _WITHHELD, rule(each.rule) if each.rule else "")
            for each in row.risks
            if each.id in _RISKS
        ],
        why=_WITHHELD if row.why else "",
    )


def _one_of(known: Collection[str], word: str) -> str:
    return word if word in known else "unknown"
