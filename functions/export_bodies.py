"""What calls about exports and figures carry, validated once at the door."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from functions.bodies import Body, Instant

Label = Annotated[str, Field(pattern=r"^(r[1-9][0-9]{0,5}|provisional-[0-9]{8}T[0-9]{12}Z)$")]
Group = Literal["severity", "service", "version"]


class LinkBody(Body):
    """A link for an auditor; without ``hours`` it opens for a week."""

    hours: Annotated[int, Field(ge=1, le=2160)] = 168
    revision: Label | None = None


class KpiQuery(BaseModel):
    """From and to which instant, half-open; without them the week that is on; grouped by one of three."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    since: Instant | None = Field(default=None, alias="from")
    until: Instant | None = Field(default=None, alias="to")
    group: Group | None = None

    def span(self) -> tuple[datetime | None, datetime | None]:
        """The two instants."""
        return self.since, self.until
