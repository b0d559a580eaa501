"""Who says what in a chat, and what is answered, whichever chat it is. All text is hostile."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shared.domain.plan import Contact, Plan
from shared.domain.principal import Principal, as_principal

ChatMedium = Literal["slack", "teams"]


@dataclass(frozen=True)
class Caller:
    """Somebody whose chat has vouched for them."""

    medium: ChatMedium
    user: str
    """Their id there, as `Contact.identities` has it."""
    plans: tuple[Plan, ...]
    """The plans whose secret signed the call; not yet those that know the caller."""


@dataclass(frozen=True)
class Call:
    """A command as it was typed."""

    caller: Caller
    command: str
    """``/incident`` where the chat tells it apart; else empty, and the first word of ``text`` says it."""
    text: str
    key: str
    """The same for the same message, however often it is sent: `key_of`."""
    salt: str
    """Random hex, made at the door, for what is said in words."""
    reply_to: str = ""
    """Address for an answer that comes late, where the chat gives one."""


@dataclass(frozen=True)
class Known:
    """The caller as one of a plan's contacts."""

    plan: Plan
    contact: Contact

    @property
    def principal(self) -> Principal:
        """What that contact may do, in that plan alone."""
        return as_principal(self.contact, self.plan)


@dataclass(frozen=True)
class Answer:
    """What is said back. Each text is plain; a link has words and an address."""

    title: str
    texts: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    public: bool = False
    """Whether everybody in the room reads it: something has changed."""


@dataclass(frozen=True)
class Press:
    """A button of a notification was pressed."""

    caller: Caller
    action: Literal["acknowledge", "resolve"]
    token: str
    """Answer token of the notification, as it came; hostile."""
    trigger: str
    """With which the chat lets a form be opened, for three seconds."""
    reply_to: str
    """Address for what there is to say."""


@dataclass(frozen=True)
class Closing:
    """The form of a resolution was sent."""

    caller: Caller
    token: str
    words: str
    code: str | None
    view: str = ""
    """The chat's id of the open form."""


@dataclass(frozen=True)
class Form:
    """What the form of a resolution asks for."""

    incident: str
    title: str
    token: str
    codes: tuple[tuple[str, str], ...] = ()
    """Name and title of each closing code; where there are any, code and words are required."""


@dataclass(frozen=True)
class Closed:
    """What came of a `Closing`: done, or what is to be said better in which field (``words``, ``code``)."""

    sentence: str
    done: bool = False
    faults: Mapping[str, str] = field(default_factory=dict)


def known_as(caller: Caller) -> tuple[Known, ...]:
    """The contacts that the caller is, at most one a plan, by plan."""
    found = []
    for plan in caller.plans:
        contacts = plan.directory.contacts.values()
        mine = [each for each in contacts if caller.user and is_identity(each, caller.medium, caller.user)]
        found += [Known(plan, contact) for contact in mine[:1]]
    return tuple(sorted(found, key=lambda known: known.plan.name))


def is_identity(contact: Contact, medium: ChatMedium, user: str) -> bool:
    """Whether the contact is known by that id there; ids are told apart without regard to case."""
    return contact.identities.get(medium, "").casefold() == user.casefold()


def key_of(medium: ChatMedium, *parts: str) -> str:
    """A key for what a chat may send twice: 64 hex digits."""
    return hashlib.sha256("\n".join((medium, *parts)).encode("utf-8", "replace")).hexdigest()


def stranger(caller: Caller) -> Answer:
    """For somebody whom no plan knows: what to put into the plan, and nothing else."""
    entry = f'identities: {{{caller.medium}: "{caller.user}"}}'
    what = f"Whoever keeps the plan adds this to your contact there: {entry}"
    return Answer("Tocsin does not know you yet.", (what,))
