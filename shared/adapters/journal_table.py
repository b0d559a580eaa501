"""Table `Journal`: one partition a plan, day and shard; chained like an incident's timeline."""

from __future__ import annotations

from collections.abc import Iterator

from shared.adapters import table_rows as rows
from shared.adapters.deadline_index import DeadlineIndex
from shared.adapters.entity_groups import create, new_commit, point, replace, span, submit_once, tag_of
from shared.adapters.table_wire import WiredTable
from shared.domain.journal import Entry, Journal, parse_journal_id
from shared.domain.timeline import Event, parse_or_none


class JournalTable:
    """`ports.Journals` on Azure Table Storage."""

    def __init__(self, table: WiredTable, index: DeadlineIndex) -> None:
        self.table = table
        self.index = index

    def journal(self, empty: Journal) -> tuple[Journal, str | None]:
        """The journal's head, in one round trip; its token is the row's tag and its latest commits."""
        row = point(self.table, _partition(empty), "i|")
        if row is None:
            return empty, None
        recorded_at = parse_or_none(row["recorded_at"])
        journal = Journal(
            empty.plan,
            empty.day,
            empty.shard,
            int(row["length"]),
            row["head"],
            recorded_at,
            int(row["version"]),
            row["week"],
        )
        return journal, f"{tag_of(row)}\n{row['commits']}"

    def append(self, before: Journal, tag: str | None, entry: Entry) -> None:
        """Index row first where the week is new, then one transaction: head and events."""
        after, partition = entry.after, _partition(before)
        self.index.point_at_journal(before, after)
        commit = new_commit()
        own, _, commits = (tag or "").partition("\n")
        head = rows.journal_row(partition, after, rows.joined_commits(commits, commit))
        operations = [replace(head, own) if own else create(head)]
        operations += [
            create(rows.event_row(partition, f"e|{event.seq:08d}", event)) for event in entry.events
        ]
        submit_once(self.table, operations, commit, lambda: point(self.table, partition, "i|"))

    def events(self, subject: str) -> Iterator[Event]:
        """The journal's timeline in order."""
        journal = parse_journal_id(subject)
        if journal is not None:
            for row in span(self.table, _partition(journal), "e|", "e~"):
                yield rows.event_of(row)


def _partition(journal: Journal) -> str:
    return f"{journal.plan}-{journal.day}-{journal.shard}"
