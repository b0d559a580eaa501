"""The texts and names behind a bundle, on request: what is kept today, so nothing that was erased."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from shared.domain.errors import SecretUnavailable, StoreUnavailable, TocsinError
from shared.domain.personal import SOMEBODY
from shared.domain.timeline import Text
from shared.export_ports import Exports, KeptTexts
from shared.kpi import timeline_jsonl
from shared.kpi.csv_rows import lines_of
from shared.kpi.shelf import Bundle
from shared.kpi.texts_zip import Named, TextsZip
from shared.ports import People

log = logging.getLogger(__name__)


def collect(bundle: Bundle, exports: Exports, texts: KeptTexts, people: People) -> Iterator[bytes]:
    """`texts.zip` of a bundle, in pieces: the texts that its events name, and the names of who acts in it.

    Everything is read before the first piece comes. Raises NotFound where the bundle is not there,
    StoreUnavailable and SecretUnavailable where something that is kept cannot be read just now. A text that
    is damaged is left out, and logged.
    """
    with TemporaryDirectory(prefix="tocsin-texts-") as folder:
        made, named = TextsZip(Path(folder)), Named()
        try:
            timeline = lines_of(exports.stream(bundle.blob(timeline_jsonl.NAME)))
            for subject, numbers in named.texts(timeline):
                kept = _kept(subject, texts)
                for seq in (each for each in numbers if each in kept):
                    made.text(subject, seq, kept[seq])
            for person in sorted(named.people):
                name = people.name(person)
                if name not in (None, SOMEBODY):
                    made.person(person, str(name))
            yield from made.pieces()
        finally:
            made.close()


def _kept(subject: str, texts: KeptTexts) -> Mapping[int, Text]:
    try:
        return texts.whole_texts(subject)
    except (SecretUnavailable, StoreUnavailable):
        raise
    except TocsinError as fault:
        log.warning("texts of %s are left out: %s", subject, fault)
        return {}
