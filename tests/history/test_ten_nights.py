"""Ten nights over a changing estate, on both databases."""

from pathlib import Path

from tests.history.test_changing_estate import ten_nights


def test_ten_scans(url: str, tmp_path: Path) -> None:
    ten_nights(url, tmp_path)
