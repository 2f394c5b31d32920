"""Bodies are decompressed while they are counted: nothing is lost between chunks, or where the output is cut."""

import gzip
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.azure.answers import LimitReached, _Size

MEGABYTE = 1 << 20


def unpacked(body: bytes, encoding: str, cut: int, most: int = 64 * MEGABYTE) -> bytes:
    """What is left of a body that arrives in chunks of this size."""
    size = _Size("/x", most, encoding)
    chunks = (body[position : position + cut] for position in range(0, len(body), cut))
    return b"".join(plain for chunk in chunks for plain in size.unpack(chunk)) + size.rest()


@given(
    st.sampled_from([0, 1, 257, MEGABYTE - 1, MEGABYTE, MEGABYTE + 1, 2 * MEGABYTE + 5]),
    st.binary(min_size=1, max_size=40),
    st.sampled_from([1, 7, 100, 1 << 16]),
    st.sampled_from(["gzip", "deflate", ""]),
)
@settings(max_examples=60, deadline=None)
def test_a_body_in_chunks_is_whole(length: int, pattern: bytes, cut: int, encoding: str) -> None:
    plain = (pattern * (length // len(pattern) + 1))[:length]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = {"gzip": gzip.compress(plain), "deflate": packer.compress(plain) + packer.flush(), "": plain}[encoding]
    assert unpacked(body, encoding, max(cut, len(body) // 2000)) == plain


@pytest.mark.parametrize("encoding", ["gzip", ""])
def test_a_body_beyond_the_limit_is_not_kept(encoding: str) -> None:
    plain = b"0" * (3 * MEGABYTE)
    with pytest.raises(LimitReached):
        unpacked(gzip.compress(plain) if encoding else plain, encoding, 1 << 16, most=2 * MEGABYTE)
