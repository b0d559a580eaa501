"""The bundle's files in the making: spooled to disk, hashed as they grow, zipped to equal bytes each time."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

NAME = "bundle.zip"
PIECE = 1 << 20
LARGEST = (1 << 32) - 1
"""Bytes that a plain zip can address; the larger form is left out until a week needs it."""

# No flags, stored, 1980-01-01 00:00; made on Unix by version 2.0, an ordinary file with mode 644.
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_HEAD = (20, 0, 0, 0, 0x21)
_MADE_BY = 0x0314
_MODE = 0o100644 << 16


class Spool:
    """One file of the bundle on disk; hashed and counted as it is written."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.size = 0
        self.lines = 0
        self.crc = 0
        self._sha256 = hashlib.sha256()
        self._path = folder / name
        self._file: BinaryIO = self._path.open("wb")

    def write(self, data: bytes) -> None:
        """Append."""
        self._file.write(data)
        self._sha256.update(data)
        self.crc = zlib.crc32(data, self.crc)
        self.size += len(data)
        self.lines += data.count(b"\n")

    def close(self) -> None:
        """Nothing more comes; must be called before `pieces`."""
        self._file.close()

    @property
    def sha256(self) -> str:
        """Of everything written so far, in hex."""
        return self._sha256.hexdigest()

    def pieces(self) -> Iterator[bytes]:
        """The content, from the start, each time it is called."""
        with self._path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece


def spooled(folder: Path, name: str, content: bytes) -> Spool:
    """A finished file with that content."""
    spool = Spool(folder, name)
    spool.write(content)
    spool.close()
    return spool


def zipped(members: Sequence[Spool]) -> Iterator[bytes]:
    """The zip of the members in their order, in pieces. Raises ValueError where it would pass 4 GiB."""
    directory, offset = b"", 0
    for member in members:
        name = member.name.encode("ascii")
        sizes = (member.crc, member.size, member.size, len(name))
        local = _LOCAL.pack(b"PK\x03\x04", *_HEAD, *sizes, 0) + name
        directory += _CENTRAL.pack(b"PK\x01\x02", _MADE_BY, *_HEAD, *sizes, 0, 0, 0, 0, _MODE, offset) + name
        offset += len(local) + member.size
        if offset > LARGEST:
            raise ValueError(f"{NAME} would be larger than {LARGEST} bytes")
        yield local
        yield from member.pieces()
    count = len(members)
    yield directory + _END.pack(b"PK\x05\x06", 0, 0, count, count, len(directory), offset, 0)


def same_bytes(one: Iterable[bytes], other: Iterable[bytes]) -> bool:
    """Whether two streams carry the same bytes, however they are cut."""
    return _sha256_of(one) == _sha256_of(other)


def _sha256_of(pieces: Iterable[bytes]) -> bytes:
    sha256 = hashlib.sha256()
    for piece in pieces:
        sha256.update(piece)
    return sha256.digest()
