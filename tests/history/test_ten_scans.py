"""Ten scheduled runs over a changing estate, on both databases."""

from pathlib import Path

from tests.history.test_changing_estate import ten_scans


def test_ten_scans(url: str, tmp_path: Path) -> None:
    ten_scans(url, tmp_path)
