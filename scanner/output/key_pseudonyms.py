"""Rows about keys for a redacted document: pseudonyms for keys, vaults and resources; what a risk says is withheld."""

import re
from collections.abc import Callable

from scanner.document.key_rows import KeyRiskRow, KeyRow, KeyStoreRow
from scanner.document.schema import EvidenceRow
from scanner.model.ids import type_of
from scanner.model.severity import SEVERITIES
from scanner.output.pseudonyms import WITHHELD, Pseudonyms, one_of
from scanner.report.views.keys import HOLDERS, LIVES, RISKS

_STATES = ("enabled", "disabled", "expired", "missing", "unknown")
_ANSWERS = ("yes", "no", "unknown", "")
_KIND = re.compile(r"(RSA|EC|oct)(-HSM)?( \d{3,5})?( P-\d{3}K?)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


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
            double=one_of(_ANSWERS, each.double),
            host=one_of(_ANSWERS, each.host),
            confidential=one_of(_ANSWERS, each.confidential),
            why=WITHHELD if each.why else "",
        )

    return KeyRow(
        holder=one_of(HOLDERS, row.holder),
        stores=list(map(store, row.stores)),
        key=names.word("key", row.key),
        type=names.type(row.type),
        vault=names.id(row.vault),
        host=names.word("host", row.host),
        region=names.word("region", row.region),
        subscription=names.uuid("subscription", row.subscription),
        lives=one_of(LIVES, row.lives),
        kind=row.kind if _KIND.fullmatch(row.kind) else "",
        state=one_of(_STATES, row.state),
        expires=row.expires if _DATE.fullmatch(row.expires) else "",
        rotation=one_of(_ANSWERS, row.rotation),
        risks=[
            KeyRiskRow(each.id, one_of(SEVERITIES, each.severity), WITHHELD, rule(each.rule) if each.rule else "")
            for each in row.risks
            if each.id in RISKS
        ],
        why=WITHHELD if row.why else "",
    )
