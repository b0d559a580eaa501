"""What somebody who texts back asks for: an action, the incident it is for, and words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.answering import Action
from shared.domain.delivery import Delivery
from shared.domain.incident import Incident

LONGEST = 1_600
"""Characters of a reply that are read: what Twilio takes for one message."""
SHORTEST_CODE, USUAL_CODE = 3, 4
MOST_LISTED = 5
TITLE_SHOWN = 40
HELP = (
    "Reply ACK to acknowledge, RESOLVE to resolve; with the first characters of the incident's id where you "
    "have several: ACK 8Q2X, or RESOLVE 8Q2X and what was done."
)
_ACTIONS: dict[str, Action] = {
    "1": "acknowledge",
    "ack": "acknowledge",
    "acknowledge": "acknowledge",
    "acknowledged": "acknowledge",
    "2": "resolve",
    "resolve": "resolve",
    "resolved": "resolve",
}
NOT_KEPT = "It could not be recorded just now. Please try again."
_PROVIDERS = frozenset(
    {"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "optout", "revoke", "start", "unstop", "yes"}
)
"""Words that providers act on by themselves; most refuse an answer to them."""
_OURS = (
    "reply ack", "reply resolve", "nothing was changed", "changed nothing.", "you have inc-",
    "you acknowledged inc-", "you resolved inc-", "nobody has answered yet", NOT_KEPT.lower(),
)  # fmt: skip
"""Of what we text: whoever sends that back is no person."""
_AROUND = " \t.,;:!?\"'()[]<>#*"
_MISTYPED = str.maketrans("OIL", "011")
"""As Crockford's base 32 is read: letters that look like digits are those digits."""


@dataclass(frozen=True)
class Asked:
    """One reply, understood."""

    action: Action
    code: str | None
    """Beginning of an incident's id, in capitals; None: it names none."""
    words: str


def asked(text: str) -> Asked | None:
    """What a reply asks for; None: nothing that is known."""
    parts = text[:LONGEST].strip().split(None, 2)
    action = _ACTIONS.get(parts[0].strip(_AROUND).lower()) if parts else None
    if action is None:
        return None
    code = _code(parts[1]) if len(parts) > 1 else None
    return Asked(action, code, parts[2].strip() if len(parts) > 2 else "")


def named(incident: Incident, code: str) -> bool:
    """Whether that is how the incident's id begins: ``8Q2X``, or as far as ``8Q2XK4ZR-1``."""
    partition, dash, n = code.partition("-")
    if len(partition) < SHORTEST_CODE or (dash and n != str(incident.n)):
        return False
    return incident.partition == partition if dash else incident.partition.startswith(partition)


def worth_help(text: str) -> bool:
    """Whether a person may have written what was not understood, and it is ours to answer."""
    plain = " ".join(text[:LONGEST].lower().split())
    machine = plain.strip(_AROUND) in _PROVIDERS or any(ours in plain for ours in _OURS)
    return bool(plain) and not machine


def told_since(deliveries: Iterable[Delivery], names: Collection[str]) -> datetime | None:
    """When one of these contacts was first told of an incident, its deliveries being these; None: not yet.

    That is when a message was first handed to a provider; of one under way, when it was owed.
    """
    instants = [
        min((each.sent_at or each.at for each in delivery.attempts), default=delivery.owed_at)
        for delivery in deliveries
        if delivery.contact in names and (delivery.attempts or delivery.claims)
    ]
    return min(instants, default=None)


def listed(incidents: Sequence[Incident]) -> str:
    """The incidents, a line each, with as much of the id as tells them apart."""
    lines = [
        f"{_shown(each, incidents)} {each.severity}: {' '.join(each.title.split())[:TITLE_SHOWN]}"
        for each in incidents[:MOST_LISTED]
    ]
    more = len(incidents) - MOST_LISTED
    return "\n".join([*lines, *([f"and {more} more"] if more > 0 else [])])


def which(wish: Asked, found: Sequence[Incident], *, late: bool = False) -> str:
    """Asks which of the incidents is meant, or says that there is none."""
    if not found:
        return "You have no open incident here. Nothing was changed."
    verb, why = (
        ("RESOLVE" if wish.action == "resolve" else "ACK"),
        "Your message came late." if late else "Which one?",
    )
    return f"Nothing was changed. {why} Reply {verb} and its id:\n{listed(found)}"


def how_to_close(incident: Incident, named_by: str | None, code: str | None, codes: Sequence[str]) -> str:
    """How a reply resolves where the plan asks for one of ``codes`` and words; ``code`` is what it had."""
    which = named_by or incident.partition[:USUAL_CODE]
    more = f"\nCodes: {', '.join(codes)}" if len(codes) > 1 else ""
    return f"Nothing was changed. Reply RESOLVE {which} {code or codes[0]} what was done{more}"


def _shown(incident: Incident, among: Sequence[Incident]) -> str:
    for length in range(USUAL_CODE, len(incident.partition) + 1):
        code = incident.partition[:length]
        if sum(each.partition.startswith(code) for each in among) == 1:
            return code
    return f"{incident.partition}-{incident.n}"


def _code(word: str) -> str:
    bare = word.strip(_AROUND).upper().removeprefix("INC-")
    return bare.translate(_MISTYPED)
