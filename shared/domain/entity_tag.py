"""Entity tags of HTTP (RFC 9110, section 8.8.3)."""

from __future__ import annotations


def has(stated: str, tag: str) -> bool:
    """Whether an ``If-None-Match`` header names the tag, weakly compared."""
    bare = tag.removeprefix("W/")
    return stated.strip() == "*" or bare in (each.strip().removeprefix("W/") for each in stated.split(","))
