"""What part of a file a Range header asks for: each boundary before, at and after."""

from __future__ import annotations

import pytest

from shared.domain.byte_range import ByteRange, Unsatisfiable, asked


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-0", (0, 0)),
        ("bytes=0-9", (0, 9)),
        ("bytes=0-10", (0, 9)),
        ("bytes=9-", (9, 9)),
        ("bytes=3-5", (3, 5)),
        ("bytes=-1", (9, 9)),
        ("bytes=-10", (0, 9)),
        ("bytes=-11", (0, 9)),
        (" Bytes = 2 - 4 ", (2, 4)),
    ],
)
def test_one_part_is_given(header: str, part: tuple[int, int]) -> None:
    assert asked(header, 10) == ByteRange(*part, 10)


@pytest.mark.parametrize(
    "header", ["", "bytes=-", "bytes=5-4", "bytes=0-1,3-4", "items=0-1", "bytes=a-b", "bytes=0x1-2"]
)
def test_what_is_no_single_part_gives_the_whole(header: str) -> None:
    assert asked(header, 10) is None


@pytest.mark.parametrize(
    ("header", "size"),
    [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-5", 0)],
)
def test_what_lies_behind_the_end_is_refused_with_the_size(header: str, size: int) -> None:
    with pytest.raises(Unsatisfiable) as refused:
        asked(header, size)
    assert refused.value.size == size
