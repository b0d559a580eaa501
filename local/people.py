"""What is held about a person, and its erasure: ``python -m local.people export|erase|erase-text|…``.

Works on the storage that the settings name: those of the environment, over `local.settings.json`. Ends with 0
where all of it is done, 1 where something failed (the same command goes on from there), 2 where the command
line makes no sense, 3 where nobody, or nothing, is known by what was named, 4 where it lacks ``--yes``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from local.check_secrets import LOCAL_SETTINGS, settings_here
from shared.app import ROOT, App, build
from shared.domain.errors import NotFound, TocsinError
from shared.domain.personal import Erasure
from shared.domain.plan import Plan
from shared.domain.principal import Principal
from shared.workflows.erase_person import Whom, is_done
from shared.workflows.export_person import Span

DONE, FAILED, NOBODY, NOT_CONFIRMED = 0, 1, 3, 4
PIECE = 1_000


class Operator(Principal):
    """Whoever may run this works on every plan; who it was is on record."""

    def sees(self, plan: Plan) -> bool:  # noqa: ARG002
        """Every plan."""
        return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace, App], int] = options.run
    if getattr(options, "yes", True) is False:
        _say("this cannot be undone: say --yes")
        return NOT_CONFIRMED
    try:
        return run(options, build(settings_here(os.environ, LOCAL_SETTINGS), ROOT))
    except NotFound as nothing:
        _say(str(nothing))
        return NOBODY
    except (TocsinError, ValueError, OSError) as failure:
        _say(f"{failure}; what is done is done, and the same command goes on from there")
        return FAILED


def _export(options: argparse.Namespace, app: App) -> int:
    """One JSON object a line: first the person and contacts, then each incident and journal."""
    with _opened(options.out) as out:
        cursor, looked_at, first = None, 0, True
        while first or cursor is not None:
            held = app.export_person.export(
                _whom(options),
                options.plan,
                _who(options),
                datetime.now(UTC),
                cursor=cursor,
                span=Span(options.since, options.until),
                most=PIECE,
            )
            if first:
                person = held.person
                named = {"pseudonym": person.pseudonym, "name": person.name} if person else None
                _write(out, {"person": named, "contacts": held.contacts})
            for incident in held.incidents:
                _write(out, {"incident": incident})
            for journal in held.journals:
                _write(out, {"journal": journal})
            cursor, looked_at, first = held.cursor, looked_at + held.looked_at, False
            _say(f"looked at {looked_at} incidents and days of journals")
    return DONE


def _erase(options: argparse.Namespace, app: App) -> int:
    def told(erasure: Erasure) -> None:
        gone = sum(erasure.found.values())
        _say(f"looked at {erasure.seen} incidents; {gone} texts erased; plans {', '.join(erasure.found)}")

    while True:
        erasure = app.erase_person.erase(
            _whom(options),
            options.plan,
            _who(options),
            datetime.now(UTC),
            texts=options.texts,
            most=PIECE,
            told=told,
        )
        if is_done(erasure):
            break
    print(f"erased {erasure.person}: {sum(erasure.found.values())} texts, in {', '.join(erasure.found)}")
    return DONE


def _erase_text(options: argparse.Namespace, app: App) -> int:
    now = app.erase_person.erase_text(options.incident, options.event, _who(options), datetime.now(UTC))
    print(f"erased the text of event {options.event} of {options.incident}" if now else "it was gone already")
    return DONE


def _unfinished(options: argparse.Namespace, app: App) -> int:  # noqa: ARG001
    left = app.erase_person.unfinished()
    for erasure in left:
        print(f"{erasure.person}: begun {erasure.asked_at.isoformat()}, looked at {erasure.seen} incidents")
    return FAILED if left else DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="people", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="command")
    export = commands.add_parser("export", help="everything that is held about a person, as JSON lines")
    erase = commands.add_parser("erase", help="erase a person's rows")
    text = commands.add_parser("erase-text", help="erase one free text")
    left = commands.add_parser("unfinished", help="erasures that were cut off")
    for command, run in ((export, _export), (erase, _erase), (text, _erase_text), (left, _unfinished)):
        command.set_defaults(run=run)
    for command in (export, erase):
        whom = command.add_mutually_exclusive_group(required=True)
        whom.add_argument("--identity", help="the platform's id (Entra: the object id)")
        whom.add_argument("--person", help="the pseudonym, as timelines name it")
        command.add_argument(
            "--plan", required=True, help="the plan whose journal has it on record in any case"
        )
    for command in (export, erase, text):
        command.add_argument(
            "--by", required=True, help="the platform's id of whoever does this, for the record"
        )
    export.add_argument("--out", type=Path, help="a new file (default: the screen)")
    export.add_argument("--since", type=_instant, help="only what is not older: 2026-01-01T00:00Z")
    export.add_argument("--until", type=_instant, help="only what is older")
    erase.add_argument("--texts", action="store_true", help="every text that the person wrote, too")
    text.add_argument("incident")
    text.add_argument("event", type=int, help="its number in the timeline")
    for command in (erase, text):
        command.add_argument("--yes", action="store_true", help="it cannot be undone")
    return parser


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _whom(options: argparse.Namespace) -> Whom:
    return Whom(options.identity, options.person)


def _who(options: argparse.Namespace) -> Operator:
    return Operator(options.by, options.by, frozenset({"Admin"}))


@contextmanager
def _opened(path: Path | None) -> Iterator[TextIO]:
    """The screen, or a file that only its owner reads and that was not there."""
    if path is None:
        yield sys.stdout
        return
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        yield out


def _write(out: TextIO, line: dict[str, object]) -> None:
    out.write(json.dumps(line, ensure_ascii=True) + "\n")


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
