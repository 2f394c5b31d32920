"""A release can be built again: the same commit gives the same bytes on another machine."""

from pathlib import Path

import pytest

from tests.release.builds import ROOT, build, differing, digests


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an unpacked sdist has no commit to check out")
def test_two_checkouts_give_the_same_bytes(tmp_path: Path) -> None:
    """Folder, umask, time zone, locale and hash seed differ. The backend and zlib are the same."""
    first, second = (digests(build(how)) for how in differing(tmp_path))
    assert len(first) == 2
    assert first == second
