"""What the emulated model draws: squares in colours that its words decide, as a PNG."""

import hashlib
import struct
import zlib
from typing import Final

PIXELS: Final = 256
_SQUARES: Final = 4
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


def picture(words: str) -> bytes:
    """The same words always give the same bytes."""
    colours = hashlib.sha512(words.encode()).digest()  # 64 bytes: three for each of the sixteen squares
    side = PIXELS // _SQUARES
    rows = bytearray()
    for row in range(PIXELS):
        first = row // side * _SQUARES
        squares = (colours[3 * at : 3 * at + 3] for at in range(first, first + _SQUARES))
        rows += b"\x00" + b"".join(square * side for square in squares)  # each row says first that it is not filtered
    header = struct.pack(">IIBBBBB", PIXELS, PIXELS, 8, 2, 0, 0, 0)  # 8 bits of red, green and blue
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
