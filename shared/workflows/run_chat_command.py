"""Somebody types a command in a chat: who is it in which plan, what is meant, and what is said back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain import chat, chat_told, response
from shared.domain.answering import Through
from shared.domain.cadence import PostUpdate
from shared.domain.chat_call import Answer, Call, Known, is_identity, known_as, stranger
from shared.domain.chat_words import Misread
from shared.domain.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    Refused,
    SecretUnavailable,
    StoreUnavailable,
    TocsinError,
)
from shared.domain.hours import in_local_words
from shared.domain.incident import Incident, parse_incident_id
from shared.domain.runbook import Runbook
from shared.domain.timeline import Text
from shared.ports import IncidentStore, People, RulesArchive, Selection
from shared.workflows.actors import PERSON, actor_of, holding_of, local_words
from shared.workflows.respond_to_incident import Declaration, RespondToIncident, applied_key
from shared.workflows.show_incidents import ShowIncidents
from shared.workflows.show_oncall import ShowOnCall
from shared.workflows.show_runbooks import ShowRunbooks

MOST_LIVE, MOST_RECENT = 500, 20
NOT_STORED = Answer(
    "That could not be stored or read just now.",
    ("Send it again in a moment: if it did arrive, it is not done twice.",),
)
_PASSING = (StoreUnavailable, Conflict, SecretUnavailable)


@dataclass
class RunChatCommand:
    """The workflow behind the chats' commands."""

    store: IncidentStore
    rules: RulesArchive
    people: People
    responding: RespondToIncident
    incidents: ShowIncidents
    rotations: ShowOnCall
    runbooks: ShowRunbooks
    public_url: str

    def run(self, call: Call, now: datetime) -> Answer:
        """What is said back, whatever happens but a fault of our own; the same for the same ``call.key``."""
        known = known_as(call.caller)
        if not known:
            return stranger(call.caller)
        slash = "/" if call.command else ""
        try:
            return self._answered(call, known, slash, now)
        except Misread as error:
            why, _, more = str(error).partition("\n")
            example = f"For example: {slash}{error.example}" if error.example else ""
            return Answer(why, tuple(each for each in (more, example) if each))
        except TocsinError as error:
            return in_words(error)

    def _answered(self, call: Call, known: Sequence[Known], slash: str, now: datetime) -> Answer:
        asked = chat.parse(call.command, call.text)
        if isinstance(asked.ask, chat.Help):
            return chat_told.help_about(asked.ask.verb, slash)
        if asked.plan is not None:
            name = chat.complete(asked.plan, [each.plan.name for each in known], "plan of yours")
            known = [each for each in known if each.plan.name == name]
        for each in known:
            each.principal.require("Reader")
        return self._done(_Turn(call, known, asked.example, now), asked.ask)

    def _done(self, turn: _Turn, ask: chat.Ask) -> Answer:
        match ask:
            case chat.Listing(about):
                return self._listed(turn, about)
            case chat.Show(incident):
                return self._shown(turn, incident)
            case chat.Consult(runbook):
                return self._consulted(turn, runbook)
            case chat.WhoIsOnCall(rotation):
                return self._on_call(turn, rotation)
            case chat.Create():
                return self._created(turn, ask)
            case chat.Ack() | chat.Close() | chat.Update() | chat.CallIn():
                return self._acted(turn, ask)
        raise AssertionError("help was given before")

    def _acted(self, turn: _Turn, ask: chat.Ack | chat.Close | chat.Update | chat.CallIn) -> Answer:
        incident, who = self._found(turn, ask.incident)
        match ask:
            case chat.Ack():
                return self._acknowledged(turn, incident, who)
            case chat.Close():
                return self._closed(turn, incident, who, ask)
            case chat.Update():
                return self._updated(turn, incident, who, ask)
            case chat.CallIn():
                return self._called_in(turn, incident, who, ask)

    def _created(self, turn: _Turn, ask: chat.Create) -> Answer:
        who = turn.the_one()
        rules = who.plan.rules
        severity = chat.complete(
            ask.severity, [each.name for each in rules.severities], "severity", turn.example
        )
        services = [*(each.name for each in rules.services), rules.default_service]
        service = (
            chat.complete(ask.service, services, "service", turn.example)
            if ask.service
            else rules.default_service
        )
        principal = who.principal
        nonce = f"{principal.id}\n{turn.call.key}"
        title = Text(ask.title, turn.call.salt)
        declaration = Declaration(who.plan.name, title, service, severity, "", nonce)
        made = self.responding.declare(declaration, principal, turn.now)
        texts = (f"Service {made.service}, plan {made.plan}.",)
        return Answer(f"Opened {chat_told.heading(made)}", texts, self._links(made), public=True)

    def _acknowledged(self, turn: _Turn, incident: Incident, who: Known) -> Answer:
        actor = actor_of(self.people, who.principal)
        key = applied_key(actor, response.Acknowledge(), turn.call.key, self.people.digest)
        repeated = key in incident.commands
        before = None if repeated else holding_of(self.store, incident, turn.now)
        if before is not None and before.by == actor and not before.outgrown:
            since = local_words(self.rules, incident, before.since)
            said = f"You acknowledged {incident.id} at {since} already."
            return Answer(chat_told.heading(incident), (said,), self._links(incident))
        after = self._respond(turn, incident, who, response.Acknowledge())
        head = chat_told.heading(after)
        if after.status == "resolved":
            return Answer(head, (f"{self._over(after)} That you came is noted.",), self._links(after))
        said = f"{who.principal.name} has it."
        if before is not None and before.by != actor:
            since = local_words(self.rules, after, before.since)
            said += f" Before, {self._name(before.by)} had it since {since}."
        return Answer(head, (said,), self._links(after), public=True)

    def _name(self, actor: str) -> str:
        return self.people.name(actor.removeprefix(PERSON)) or "somebody whose name was erased"

    def _closed(self, turn: _Turn, incident: Incident, who: Known, ask: chat.Close) -> Answer:
        code = self._code(turn, incident, ask)
        words = Text(ask.words, turn.call.salt) if ask.words else None
        try:
            after = self._respond(turn, incident, who, response.Resolve(words, code))
        except Refused:
            meanwhile = self.store.load(incident.id).incident
            if not meanwhile.over:
                raise
            return Answer(chat_told.heading(meanwhile), (self._over(meanwhile),), self._links(meanwhile))
        said = f"Resolved by {who.principal.name}{f', code {after.code}' if after.code else ''}."
        return Answer(chat_told.heading(after), (said,), self._links(after), public=True)

    def _code(self, turn: _Turn, incident: Incident, ask: chat.Close) -> str | None:
        """The closing code, whole. Raises Misread with the codes where one is missing, or words are."""
        codes = {each.name: each.title for each in self.rules.get(incident.rules).closing_codes}
        code = chat.complete(ask.code, codes, "closing code", turn.example) if ask.code else None
        if codes and not incident.over and (code is None or not ask.words):
            named = "\n".join(f"code={name} – {title or name}" for name, title in codes.items())
            raise Misread(f"This takes a closing code, and words about what was done.\n{named}", turn.example)
        return code

    def _updated(self, turn: _Turn, incident: Incident, who: Known, ask: chat.Update) -> Answer:
        command = PostUpdate(ask.progress, Text(ask.words, turn.call.salt), ask.audience)
        after = self._respond(turn, incident, who, command)
        still = ask.progress == "resolved"
        hint = (
            f"The incident itself is {after.status}: “incident resolve {after.id}” ends it." if still else ""
        )
        said = f"Status update by {who.principal.name}: {ask.progress}\n{ask.words}"
        texts = (said, *([hint] if hint else []))
        return Answer(chat_told.heading(after), texts, self._links(after), public=True)

    def _called_in(self, turn: _Turn, incident: Incident, who: Known, ask: chat.CallIn) -> Answer:
        directory = who.plan.directory
        roles = [each.name for each in self.rules.get(incident.rules).roles_for(incident.service)]
        mentioned = [
            each.name
            for each in directory.contacts.values()
            if ask.to.startswith("@") and is_identity(each, turn.call.caller.medium, ask.to[1:])
        ]
        names = [*directory.contacts, *directory.rotations, *roles]
        to = mentioned[0] if mentioned else chat.complete(ask.to, names, "contact", turn.example)
        reason = Text(ask.reason, turn.call.salt) if ask.reason else None
        after = self._respond(turn, incident, who, response.Escalate(to, reason))
        said = f"{who.principal.name} calls in {to}{f': {ask.reason}' if ask.reason else '.'}"
        return Answer(chat_told.heading(after), (said,), self._links(after), public=True)

    def _listed(self, turn: _Turn, about: str | None) -> Answer:
        several = len(turn.known) > 1
        chosen = chat.complete(about, self._topics(turn), "severity or service") if about else ""
        if chosen == "all":
            page = self.store.page(Selection(lambda _: True, turn.plans, limit=MOST_RECENT))
            return chat_told.incidents(page.incidents, "The latest incidents", turn.now, plan=several)

        def wanted(incident: Incident) -> bool:
            return not chosen or chosen in (incident.severity, incident.service)

        page = self.store.page(Selection(wanted, turn.plans, limit=MOST_LIVE, live=True))
        of = f" of {chosen}" if chosen else ""
        title = f"{len(page.incidents)} open{of}" if page.incidents else f"Nothing is open{of}."
        return chat_told.incidents(page.incidents, title, turn.now, plan=several)

    def _topics(self, turn: _Turn) -> list[str]:
        found = ["all"]
        for each in turn.known:
            rules = each.plan.rules
            found += [severity.name for severity in rules.severities]
            found += [*(service.name for service in rules.services), rules.default_service]
        return found

    def _shown(self, turn: _Turn, said: str) -> Answer:
        incident, who = self._found(turn, said)
        whole = self.incidents.one(incident.id, who.principal, turn.now)
        rules = self.rules.get(incident.rules)
        texts = chat_told.standing(whole.incident, rules, whole.names, whole.runbook, turn.now)
        links = self._links(whole.incident)
        if whole.runbook and self.public_url:
            links = (*links, ("Runbook", self._runbook_url(incident.plan, whole.runbook)))
        return Answer(chat_told.heading(whole.incident), texts, links)

    def _consulted(self, turn: _Turn, said: str | None) -> Answer:
        found = [
            (each.plan.name, book)
            for each in turn.known
            for book in self.runbooks.all(each.plan.name, each.principal)
        ]
        if said is None:
            return Answer("The runbooks" if found else "There are no runbooks.", (chat_told.runbooks(found),))
        if not found:
            return Answer("There are no runbooks.")
        names = [book.name for _, book in found]
        name = chat.complete(said, names, "runbook", f"runbook {names[0]}")
        plan, book = _only([(plan, book) for plan, book in found if book.name == name], f"runbook {name}")
        links = (("Runbook", self._runbook_url(plan, name)),) if self.public_url else ()
        return chat_told.consulted(book, links)

    def _on_call(self, turn: _Turn, said: str | None) -> Answer:
        turns = [
            (each.plan.name, one)
            for each in turn.known
            for one in self.rotations.turns(each.plan.name, each.principal, turn.now)
        ]
        if said is not None:
            name = chat.complete(said, [one.rotation.name for _, one in turns], "rotation", turn.example)
            turns = [(plan, one) for plan, one in turns if one.rotation.name == name]
        several = len({plan for plan, _ in turns}) > 1
        lines = [
            f"{f'{plan}: ' if several else ''}"
            + chat_told.on_call(one.rotation, one.now, one.until, one.next, turn.of(plan).plan.directory)
            for plan, one in turns
        ]
        return Answer("On call" if lines else "There are no rotations.", ("\n".join(lines),) if lines else ())

    def _found(self, turn: _Turn, said: str) -> tuple[Incident, Known]:
        """The incident that is meant, among those open first; and who the caller is in its plan."""
        start = chat.id_start(said)
        if parse_incident_id(f"INC-{start}") is not None:
            return self._exact(turn, f"INC-{start}")

        def begins(incident: Incident) -> bool:
            return chat.begins(incident.id, start)

        found = self.store.page(Selection(begins, turn.plans, limit=MOST_LIVE, live=True)).incidents
        if not found:
            recent = self.store.page(Selection(begins, turn.plans, limit=MOST_RECENT)).incidents
            found = tuple(chat.latest(recent, turn.now))
        if len(found) > 1:
            lines = "\n".join(chat_told.line(each, turn.now) for each in found[: chat.MOST_NAMED])
            raise Misread(f"“{said}” may be any of {len(found)}:\n{lines}", turn.example)
        if not found:
            raise Misread(f"No open or recent incident's id begins with “{said}”.", "incident list")
        return found[0], turn.of(found[0].plan)

    def _exact(self, turn: _Turn, incident_id: str) -> tuple[Incident, Known]:
        incident = self.store.load(incident_id).incident
        if incident.hidden or incident.plan not in turn.plans:
            raise NotFound(f"there is no incident {incident_id}")
        return incident, turn.of(incident.plan)

    def _respond(self, turn: _Turn, incident: Incident, who: Known, command: response.Command) -> Incident:
        through = Through(turn.call.caller.medium, who.contact.name)
        key, principal = turn.call.key, who.principal
        return self.responding.respond(incident.id, command, principal, key, turn.now, through=through)

    def _over(self, incident: Incident) -> str:
        actor = incident.resolved_by or ""
        name = self.people.name(actor.removeprefix(PERSON)) if actor.startswith(PERSON) else None
        zone = self.rules.get(incident.rules).timezone
        when = f" {in_local_words(incident.resolved_at, zone)}" if incident.resolved_at else ""
        return f"It was resolved already{when}{f' by {name}' if name else ''}."

    def _links(self, incident: Incident) -> tuple[tuple[str, str], ...]:
        base = self.public_url.rstrip("/")
        return (("Incident", f"{base}/api/v1/incidents/{incident.id}"),) if base else ()

    def _runbook_url(self, plan: str, name: str) -> str:
        return f"{self.public_url.rstrip('/')}/api/v1/plans/{plan}/runbooks/{name}"


def in_words(error: TocsinError) -> Answer:
    """What is said where it could not be done."""
    if isinstance(error, _PASSING):
        return NOT_STORED
    if isinstance(error, InvalidInput):
        return Answer("That does not fit.", tuple(fault.why for fault in error.faults))
    if isinstance(error, NotFound | Refused | Forbidden):
        text = str(error)
        return Answer(f"{text[:1].upper()}{text[1:]}.")
    raise error


@dataclass(frozen=True)
class _Turn:
    """One command under way: who speaks, in which plans, and when."""

    call: Call
    known: Sequence[Known]
    example: str
    now: datetime

    @property
    def plans(self) -> frozenset[str]:
        return frozenset(each.plan.name for each in self.known)

    def of(self, plan: str) -> Known:
        return next(each for each in self.known if each.plan.name == plan)

    def the_one(self) -> Known:
        """The caller, where only one plan can be meant. Raises Misread."""
        if len(self.known) > 1:
            raise _which_plan([each.plan.name for each in self.known], self.example)
        return self.known[0]


def _only(found: Sequence[tuple[str, Runbook]], example: str) -> tuple[str, Runbook]:
    if len(found) > 1:
        raise _which_plan([plan for plan, _ in found], example)
    return found[0]


def _which_plan(plans: Sequence[str], example: str) -> Misread:
    return Misread(f"Say in which plan: {chat.listed(plans, 'or')}.", f"{example} plan={plans[0]}")
