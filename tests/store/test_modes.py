"""New files are for their owner alone; one that exists keeps its mode; a default ACL of the folder decides itself."""

import os
import shutil
import stat
import struct
import subprocess
from pathlib import Path

import pytest

from scanner.store.temporary import AtomicFile, mode_of_new


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "findings.json"
    before = os.umask(0o022)
    try:
        with (writing := AtomicFile(path)) as file:
            assert mode(writing.temporary) == 0o600
            file.write(b"{}")
    finally:
        os.umask(before)
    assert mode(path) == 0o600


def test_a_file_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "findings.json"
    path.write_text("old")
    path.chmod(0o640)
    with AtomicFile(path) as file:
        file.write(b"{}")
    assert (mode(path), path.read_text()) == (0o640, "{}")


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="no extended attributes on this system")
def test_a_default_acl_of_the_folder_decides(tmp_path: Path) -> None:
    """The ACL is `u::rw,u:12345:r,g::-,m::r,o::-`, in the form of the kernel (linux/posix_acl_xattr.h)."""
    nobody = 0xFFFFFFFF
    entries = ((0x01, 6, nobody), (0x02, 4, 12345), (0x04, 0, nobody), (0x10, 4, nobody), (0x20, 0, nobody))
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *each) for each in entries)
    try:
        os.setxattr(tmp_path, "system.posix_acl_default", acl)
    except OSError as error:
        pytest.skip(f"this file system has no ACLs: {error}")
    assert mode_of_new(tmp_path / "x") == 0o666
    path = tmp_path / "findings.json"
    with AtomicFile(path) as file:
        file.write(b"{}")
    assert mode(path) == 0o640, "the group bits show the mask: the named user reads"
    assert os.getxattr(path, "system.posix_acl_access")
    if shutil.which("getfacl"):
        text = subprocess.run(["getfacl", "-cn", path], capture_output=True, text=True, check=True).stdout
        assert "user:12345:r--\n" in text
