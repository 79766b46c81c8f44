"""The head of an HTTP/1 request as bytes: what is checked before h11 parses it.

h11 takes heads that two servers in a row may read differently, which is how requests are smuggled: lines that end in a
bare LF, folded lines, two equal Content-Length fields, Content-Length beside Transfer-Encoding. Here all of these are
refused. The checks stand where h11 takes a whole head out of its buffer, so they see each head once, however it came.
"""

from __future__ import annotations

import re

import h11
from h11._receivebuffer import ReceiveBuffer

from shared.core.error_codes import ErrorCode

_OTHER_VERSION = re.compile(rb" HTTP/(?!1\.[01]$)[^ ]*$")  # h11 takes any digits
_BLANKS = (bytearray(b" "), bytearray(b"\t"))
_FRAMING = (b"host", b"content-length", b"transfer-encoding")
_LEADING_ZEROS = re.compile(rb"(:[ \t]*)0+(?=[0-9])")
_ORIGIN_LINE = re.compile(rb"^origin:[ \t]*([\x21-\x7e]+)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


class HeadBuffer(ReceiveBuffer):
    """h11's buffer of what came in. `why` is the code of the refusal where a check here was the reason for it."""

    def __init__(self) -> None:
        super().__init__()
        self.why = ErrorCode.MALFORMED_REQUEST
        self._head: bytes | None = None  # while a head is being taken out: as it came
        self._origin: str | None = None

    def maybe_extract_lines(self) -> list[bytearray] | None:
        self._head = b""
        lines = super().maybe_extract_lines()
        head, self._head = self._head, None
        if lines is not None:
            self._origin = _origin(head)
            _check_bytes(head)
            self._check(lines)
        return lines

    def origin(self) -> str | None:
        """The one Origin that the head names, as far as it has come and whether or not it can be parsed."""
        return _origin(bytes(self._data).partition(b"\r\n\r\n")[0]) or self._origin

    def first_line_bytes(self) -> int:
        return len(bytes(self._data).partition(b"\r\n")[0])

    def _extract(self, count: int) -> bytearray:
        taken = super()._extract(count)
        if self._head is not None:
            self._head = bytes(taken)
        return taken

    def _check(self, lines: list[bytearray]) -> None:
        if lines and _OTHER_VERSION.search(lines[0]):
            raise h11.LocalProtocolError("another version of HTTP")
        if any(line[:1] in _BLANKS for line in lines):
            raise h11.LocalProtocolError("a line is folded")
        names = [bytes(line.partition(b":")[0].strip().lower()) for line in lines[1:]]
        if any(names.count(name) > 1 for name in _FRAMING):
            self.why = ErrorCode.DUPLICATE_HEADER
            raise h11.LocalProtocolError("a field that frames the message is there twice")
        if b"content-length" in names:
            if b"transfer-encoding" in names:
                raise h11.LocalProtocolError("Content-Length and Transfer-Encoding exclude each other")
            length = lines[1 + names.index(b"content-length")]
            if b"," in length:
                raise h11.LocalProtocolError("Content-Length is a list")
            length[:] = _LEADING_ZEROS.sub(rb"\1", length)  # any number of them is a number; h11 counts digits


def _origin(head: bytes) -> str | None:
    origins = _ORIGIN_LINE.findall(head)
    return origins[0].decode("ascii") if len(origins) == 1 else None


def _check_bytes(head: bytes) -> None:
    if head.count(b"\n") != head.count(b"\r\n"):
        raise h11.LocalProtocolError("a line ends in a bare LF")
