"""Where values stand in a text, however addresses, pages and JSON have written them."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from unicodedata import normalize
from urllib.parse import unquote_to_bytes

SHORTEST_INSIDE = 4
"""Characters; a shorter value is found only where values stand: in quotes, or after ``=`` or ``:``."""
SHORTEST_UNSPACED = 2
"""The same in scripts that go without spaces, where a whole name may have two signs."""
DEEPEST = 3
"""Times that a text is decoded: ``%2522`` is a quote, written twice."""
MANY = 32
"""Values from which on it is worth looking first which beginnings a text has at all."""
BEGINNING = 8
"""Characters of such a beginning."""
MARK = "…[truncated]"
"""How a text ends that its source cut."""
PACKED = "[packed]"
"""Instead of what stands compressed in a text."""

# Letters and digits of the scripts whose words spaces part: Latin, Greek, Cyrillic, Armenian, with accents.
_WORD = re.compile(
    "[0-9A-Za-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u037d\u037f-\u0386\u0388-\u0481"
    "\u0483-\u0556\u0561-\u0588\u1e00-\u1fff]+"
)
# Thai to Tibetan, Burmese, Khmer, Chinese, Japanese; and Korean, whose particles follow without a space.
_UNSPACED = re.compile(
    "[\u0e00-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\ud7ff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
_WRITTEN = re.compile(r'(?:%[0-9A-Fa-f]{2})+|&#?[0-9A-Za-z]{1,31};|(?:\\u[0-9A-Fa-f]{4})+|\\["\\/bfnrt]')
_HALF = re.compile(r"(?:%[0-9A-Fa-f]?|&[#0-9A-Za-z]{0,8}|\\(?:u[0-9A-Fa-f]{0,3})?)\Z")
_TOKEN = re.compile(r"p-[0-9a-f]{16}")
_NAME_CUT = re.compile(r"[0-9a-f]{64}\Z")
_GZIP = re.compile(r"H4sI[0-9A-Za-z+/_%=-]*")
_BASE64 = re.compile(r"[0-9A-Za-z+/_-]{16,}")
_LIKE_A_VALUE = re.compile(r"(?:=|(?<![0-9]):)[\"']?\s?\Z")
_NAME_LENGTH = 964
_PEEKED = 400
_PRINTED = 12


@dataclass(frozen=True)
class Form:
    """A value in one of the ways in which it is written, and the token for it."""

    text: str
    token: str
    short: bool
    begins: bool
    """Whether it begins with a letter or digit of which another to the left would make another word."""
    ends: bool


@dataclass(frozen=True, order=True)
class _Span:
    start: int
    end: int
    rank: tuple[bool, int]
    """Known values before what a label's name tells; of those the longer, of these the deeper decoded."""
    token: str


class Named:
    """What texts have under the names of labels: ``user="…"``, ``user=…``, ``"user": "…"``."""

    def __init__(self, names: Iterable[str], token: Callable[[str], str]) -> None:
        self.names = tuple(sorted(name for name in names if name))
        self.token = token
        any_name = "|".join(map(re.escape, sorted(self.names, key=len, reverse=True)))
        self._pattern = re.compile(
            rf"(?<!\w)(?:{any_name})(?:[\"']?\s*(?:=~|!=|!~|==|=|:)\s*(?:\"([^\"]*)\"|'([^']*)')"
            r"|(?:!=|==|=)([^\s,;&|(){}\[\]\"'<>\\%]+))"
        )

    def spans(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Start, end and token of each, where it is not a token yet."""
        for match in self._pattern.finditer(text):
            group = match.lastindex or 0
            value = match[group].rstrip(".:") if group == 3 else match[group]
            if any(map(str.isalnum, value)) and not _TOKEN.fullmatch(value):
                yield match.start(group), match.start(group) + len(value), self.token(value)


def forms_of(tokens: Mapping[str, str]) -> list[Form]:
    """All that is to be found, longest first, in an order that the values alone decide."""
    found: dict[str, Form] = {}
    for value in sorted(tokens):
        for text in _ways(value):
            found.setdefault(text, _form(text, tokens[value], whole=not value.endswith(MARK)))
    return sorted(found.values(), key=lambda form: (-len(form.text), form.text))


def without(text: str, forms: Sequence[Form], named: Named) -> str:
    """The text with tokens where the values stand, and where anything stands under a label's name."""
    body, end = _cut(text)
    spans = _spans(body, 0, forms, named)
    spans += _tail(body, forms) if end else ()
    if "%" in body or "&" in body or "\\" in body:
        for depth, (layer, places) in enumerate(_decoded(body), start=1):
            found = _spans(layer, depth, forms, named)
            found += _tail(layer, forms) if end else ()
            spans += [_Span(places[each.start], places[each.end], each.rank, each.token) for each in found]
    if spans:
        body = "".join(_replaced(body, sorted(spans)))
    return (_GZIP.sub(PACKED, body) if "H4sI" in body else body) + end


def _spans(text: str, depth: int, forms: Sequence[Form], named: Named) -> list[_Span]:
    met = _met(text, forms)
    spans = list(_known(text, met)) if met else []
    if any(name in text for name in named.names):
        spans += [_Span(start, end, (False, depth), token) for start, end, token in named.spans(text)]
    return spans


def carries_text(address: str) -> bool:
    """Whether an address has a text within it that is packed or in base64, where nothing can be found."""
    layers = [address, *(layer for layer, _ in _decoded(address))]
    runs = (match[0] for layer in layers for match in _BASE64.finditer(layer))
    return any(_unpacks(run[at:]) for run in runs for at in _beginnings(run))


def _ways(value: str) -> list[str]:
    bare = value.removesuffix(MARK).strip()
    ways = {bare} - {""}
    if not bare.isascii():
        ways |= {normalize("NFC", bare), normalize("NFD", bare)}
    return sorted(ways | {way.replace(" ", "+") for way in ways if " " in way})


def _form(text: str, token: str, *, whole: bool) -> Form:
    least = SHORTEST_UNSPACED if _UNSPACED.search(text) else SHORTEST_INSIDE
    ends = whole and _WORD.match(text[-1]) is not None
    return Form(text, token, len(text) < least, _WORD.match(text) is not None, ends)


def _cut(text: str) -> tuple[str, str]:
    """What was kept of a text, and how its source marked that there was more."""
    if text.endswith(MARK):
        return text[: -len(MARK)], MARK
    if len(text) == _NAME_LENGTH and (digest := _NAME_CUT.search(text)):
        return text[: digest.start()], digest[0]
    return text, ""


def _decoded(text: str) -> Iterator[tuple[str, list[int]]]:
    """The text decoded once, twice …, each with the place in the text of its every character, and the end."""
    places = list(range(len(text) + 1))
    layer = text
    for _ in range(DEEPEST):
        deeper, starts = _decoded_once(layer)
        if deeper == layer:
            return
        layer, places = deeper, [places[start] for start in starts]
        yield layer, places


def _decoded_once(text: str) -> tuple[str, list[int]]:
    pieces: list[str] = []
    starts: list[int] = []
    done = 0
    for match in _WRITTEN.finditer(text):
        signs, widths = _signs(match[0])
        at = match.start()
        pieces += (text[done:at], signs)
        starts.extend(range(done, at))
        for width in widths:
            starts.append(at)
            at += width
        done = match.end()
    pieces.append(text[done:])
    starts.extend(range(done, len(text) + 1))
    return "".join(pieces), starts


def _signs(written: str) -> tuple[str, Sequence[int]]:
    """What stands for other characters, as these, and how long each is as it is written."""
    if written[0] == "%":
        octets = unquote_to_bytes(written)
        try:
            signs = octets.decode("utf-8")
        except UnicodeDecodeError:
            return octets.decode("latin-1"), [3] * len(octets)
        return signs, [3] * len(signs) if signs.isascii() else [3 * len(sign.encode()) for sign in signs]
    if written[0] == "&":
        sign = unescape(written)
        return (sign, [len(written)]) if len(sign) == 1 else (written, [1] * len(written))
    text: str = json.loads(f'"{written}"')
    return text, [12 if ord(sign) > 0xFFFF else 6 for sign in text] if written[1] == "u" else [2]


def _known(text: str, forms: Sequence[Form]) -> Iterator[_Span]:
    for form in forms:
        length, at = len(form.text), text.find(form.text)
        while at >= 0:
            end = at + length
            if form.begins and at and (run := _WORD.match(text, at - 1)):
                at = text.find(form.text, max(run.end(), at + 1))
            elif (form.ends and _WORD.match(text, end)) or (form.short and not _like_a_value(text, at, end)):
                at = text.find(form.text, at + 1)
            else:
                yield _Span(at, end, (True, length), form.token)
                at = text.find(form.text, end)


def _met(text: str, forms: Sequence[Form]) -> Sequence[Form]:
    """The forms that stand in the text at all, words or not."""
    if len(forms) > MANY:
        begun = {text[at : at + BEGINNING] for at in range(len(text))}
        forms = [form for form in forms if len(form.text) < BEGINNING or form.text[:BEGINNING] in begun]
    return [form for form in forms if form.text in text]


def _like_a_value(text: str, start: int, end: int) -> bool:
    quote = text[start - 1 : start]
    if quote in ("'", '"') and text[end : end + 1] == quote:
        return True
    return _LIKE_A_VALUE.search(text[max(0, start - 4) : start]) is not None


def _tail(text: str, forms: Sequence[Form]) -> Iterator[_Span]:
    """The beginning of a value at the very end of a text that was cut there."""
    body = _HALF.sub("", text)
    for form in forms:
        least = SHORTEST_UNSPACED if _UNSPACED.match(form.text) else SHORTEST_INSIDE
        at = body.find(form.text[:least], max(0, len(body) - len(form.text)))
        while at >= 0 and len(body) - at >= least:
            if form.text.startswith(body[at:]):
                yield _Span(at, len(text), (True, len(body) - at), form.token)
                break
            at = body.find(form.text[:least], at + 1)


def _replaced(text: str, spans: Sequence[_Span]) -> Iterator[str]:
    """What overlaps becomes one token, that of the longest known value."""
    done, at = 0, 0
    while at < len(spans):
        best, end, first = spans[at], spans[at].end, spans[at].start
        while at < len(spans) and spans[at].start < max(end, first + 1):
            end = max(end, spans[at].end)
            best = max(best, spans[at], key=lambda span: span.rank)
            at += 1
        yield text[done:first]
        yield best.token
        done = end
    yield text[done:]


def _beginnings(run: str) -> Iterator[int]:
    """A slash may part an address as well as belong to base64."""
    yield 0
    yield from (match.end() for match in re.finditer("/", run))


def _unpacks(run: str) -> bool:
    peeked = run[:_PEEKED]
    octets = base64.b64decode(
        peeked[: len(peeked) // 4 * 4], altchars=b"-_" if set("-_") & set(peeked) else None
    )
    if octets[:3] == b"\x1f\x8b\x08" or octets[:4] == b"\x28\xb5\x2f\xfd":
        return True
    return _is_zlib(octets) or _is_print(octets)


def _is_zlib(octets: bytes) -> bool:
    if len(octets) < _PRINTED or octets[0] & 15 != 8 or int.from_bytes(octets[:2], "big") % 31:
        return False
    try:
        return bool(zlib.decompressobj().decompress(octets, _PEEKED))
    except zlib.error:
        return False


def _is_print(octets: bytes) -> bool:
    """By its beginning: what follows the text in the address is no part of it."""
    begun = octets.decode("utf-8", "replace")[:_PRINTED]
    return len(begun) == _PRINTED and all(
        sign != "\ufffd" and (sign.isprintable() or sign in "\r\n\t") for sign in begun
    )
