"""What an SMS says: as much as two segments hold, how to answer always among it; and the same to be heard."""

from __future__ import annotations

import re
import unicodedata

from shared.adapters.channels.wording import headline, one_line, own_words, reason, safe_link, units
from shared.domain.delivery import Message
from shared.domain.incident import parse_incident_id

GSM_ROOM = 306
"""Characters in two segments of the alphabet of GSM 03.38."""
UNICODE_ROOM = 268
"""UTF-16 units in four segments, for words in another script: about as much as two segments of Latin."""
HEADLINE_KEPT = 40
"""So much of the headline stands before a link is worth its place."""
HEARD = 200
"""Characters of a headline or reason that are read aloud."""
CODE = 4
"""Characters of an incident's id that a reply names it by."""
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("^{}\\[~]|€")
_PLAIN = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201a": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u201e": '"',
        "\u2010": "-",
        "\u2011": "-",
        "\u2012": "-",
        "\u2013": "-",
        "\u2014": "-",
        "\u2212": "-",
        "\u2026": "...",
        "\u2022": "*",
        "\u00d7": "x",
        "\u2192": "->",
        "\u00ab": '"',
        "\u00bb": '"',
        "`": "'",
        "\t": " ",
        "ı": "i",
        "ł": "l",
        "Ł": "L",
        "đ": "d",
        "Đ": "D",
    }
)
_NUMBER_OR_SERVICE = re.compile(r"\+?[0-9]{3,15}|MG[0-9a-fA-F]{32}")
_UNHEARD = re.compile(r"https?://\S+|[<>{}\[\]|\\^~_*#`=]+|[^\w\s.,;:!?%$€£'()/+-]", re.IGNORECASE)


def short_text(message: Message, *, can_reply: bool = True) -> str:
    """The whole SMS. It begins with ``[DRILL]`` where it is one; the headline gives way first.

    ``can_reply`` says whether a reply would be heard; where none is, only the link is offered.
    """
    head, said = folded(headline(message)), folded(reason(message) or one_line(own_words(message)))
    ending = [line for line in (_incident(message), _how_to_answer(message, can_reply=can_reply)) if line]
    link = safe_link(message.answering.page if message.answering else message.incident_url)
    room = GSM_ROOM if not _foreign(head + said) else UNICODE_ROOM
    if link and room - _length("\n".join([*ending, link])) - 1 >= min(HEADLINE_KEPT, _length(head)):
        ending.append(link)
    rest = "\n".join(ending)
    left = room - (_length(rest) + 1 if rest else 0)
    head = _cut(head, left)
    left -= _length(head) + 1
    why = [_cut(said, left)] if said and left >= min(HEADLINE_KEPT, _length(said)) else []
    return "\n".join([head, *why, *ending])


def takes_replies(sender: str) -> bool:
    """Whether a phone can reply to it: a number, a short code or a messaging service, and no mere name."""
    return _NUMBER_OR_SERVICE.fullmatch(sender) is not None


def short_answer(sentence: str) -> str:
    """One sentence of ours as an SMS, in at most as many segments."""
    text = folded("\n".join(one_line(line) for line in sentence.splitlines()))
    return _cut(text, UNICODE_ROOM if _foreign(text) else GSM_ROOM)


def spoken_text(message: Message) -> str:
    """What a voice reads: who calls, that it is a drill, what happened, where and why."""
    said = reason(message) or one_line(own_words(message))
    service = heard(message.service)
    parts = [
        "This is Tocsin",
        heard(headline(message)),
        f"Service {service}" if service else "",
        heard(said),
    ]
    return ". ".join(part for part in parts if part) + "."


def heard(text: str, limit: int = HEARD) -> str:
    """``text`` on one line without addresses and signs that nobody can read aloud; not yet escaped."""
    known = one_line(text).replace("[DRILL]", "Drill:").replace("&", " and ")
    plain = " ".join(_UNHEARD.sub(" ", known).split())
    return plain[:limit].strip(" .,;:")


def code_of(incident: str) -> str | None:
    """What a reply names the incident by: the beginning of its id; None for what is no incident."""
    parsed = parse_incident_id(incident)
    return parsed[0][:CODE] if parsed else None


def folded(text: str) -> str:
    """``text`` with what only decorates folded into the alphabet of SMS: quotes, dashes, accents, emoji."""
    return "".join(map(_folded, text.translate(_PLAIN)))


def _folded(character: str) -> str:
    if character in _BASIC or character in _EXTENDED:
        return character
    bare = "".join(
        part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part)
    )
    if bare and all(part in _BASIC or part in _EXTENDED for part in bare):
        return bare
    if unicodedata.category(character)[0] in "LN" or unicodedata.combining(character):
        return character
    return " " if character.isspace() else ""


def _foreign(text: str) -> bool:
    return any(character not in _BASIC and character not in _EXTENDED for character in text)


def _incident(message: Message) -> str:
    return one_line(message.incident)


def _how_to_answer(message: Message, *, can_reply: bool) -> str:
    code = code_of(message.incident)
    return f"Reply ACK {code} or RESOLVE {code}" if message.answering and code and can_reply else ""


def _length(text: str) -> int:
    """As the network counts: twice the signs that take an escape, UTF-16 units where Unicode is needed."""
    return units(text) if _foreign(text) else sum(2 if each in _EXTENDED else 1 for each in text)


def _cut(text: str, room: int) -> str:
    if _length(text) <= room:
        return text
    kept = text[: max(room - 3, 0)]
    while kept and _length(kept) > room - 3:
        kept = kept[:-1]
    return f"{kept}..." if room >= 3 else ""
