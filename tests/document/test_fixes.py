"""A findings document of the first schema is read; its fixes are texts there."""

import msgspec

from scanner.document.schema import decode_document
from tests.report import sample


def test_a_document_of_the_first_schema_is_read() -> None:
    document = sample.document(20)
    document["schema"] = "twolocks/1"
    texts = ["az x --ids a", "Not on Basic. Move to Premium: az y --ids b", "Ask the owner.", None]
    for row, text in zip(document["exposures"], texts, strict=False):
        row["fix"] = text
    for row in (*document["exposures"][len(texts) :], *document["findings"]):
        row["fix"] = None
    read = decode_document(msgspec.json.encode(document))
    assert read.schema == "twolocks/2"
    fixes = [row.fix for row in read.exposures[: len(texts)]]
    assert [fix and (fix.commands, fix.steps) for fix in fixes] == [
        (["az x --ids a"], []),
        (["az y --ids b"], ["Not on Basic. Move to Premium."]),
        ([], ["Ask the owner."]),
        None,
    ]
