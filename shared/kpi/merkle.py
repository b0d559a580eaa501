"""The Merkle root over a bundle's timelines, built as in RFC 6962: so one of them can be proven alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def root(lines: Iterable[str]) -> str:
    """Root hash in hex: a leaf is SHA-256 of a zero byte and its line, a node of a one byte and two hashes.

    The left half of n leaves is the largest power of two below n; no leaves hash as nothing does.
    """
    whole: list[tuple[int, bytes]] = []
    for line in lines:
        level, digest = 0, hashlib.sha256(b"\x00" + line.encode("utf-8")).digest()
        while whole and whole[-1][0] == level:
            digest = _node(whole.pop()[1], digest)
            level += 1
        whole.append((level, digest))
    if not whole:
        return hashlib.sha256().hexdigest()
    _, right = whole.pop()
    while whole:
        right = _node(whole.pop()[1], right)
    return right.hex()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
