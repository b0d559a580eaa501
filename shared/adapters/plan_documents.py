"""The language of plans as pydantic models: what a plan file may say. The JSON Schema for editors is made
from them: ``python -m shared.adapters.plan_documents --schema``."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from shared.adapters.plan_values import (
    Few,
    Flag,
    Header,
    Many,
    Name,
    Option,
    Pause,
    Percent,
    SecretName,
    SeverityName,
    Text,
    Times,
    Timezone,
    Title,
    Whole,
    Window,
)


class Part(BaseModel):
    """Any mapping of the language: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Condition(Part):
    """What an alert must be like: every stated part must hold; values are shell patterns."""

    source: Text | None = None
    alert: Text | None = None
    severity: Text | None = Field(
        default=None, description="what the source calls the severity, ignoring case"
    )
    service: Text | None = Field(
        default=None, description="the service decided upon; under services, the source's own name for it"
    )
    labels: dict[Text, Text] = {}


class Service(Part):
    """Something that people run, and which alerts are about it."""

    title: Title = ""
    match: Many[Condition] = []


class Step(Part):
    """One rung of the escalation."""

    after: Pause = Field(description="since the escalation began")
    notify: Few[Name] = Field(description="contacts")


class Repeat(Part):
    """How often the ladder starts again, and how long after its last step."""

    times: Times = 0
    every: Window = Field(default_factory=lambda: timedelta(minutes=15), description="15m where not stated")


class Severity(Part):
    """One row of the severity matrix."""

    title: Title = ""
    respond_within: Window | None = None
    resolve_within: Window | None = None
    steps: Annotated[list[Step], Field(max_length=20)] = []
    until: Literal["acknowledged", "resolved"] = "acknowledged"
    repeat: Repeat = Field(default_factory=Repeat)
    acknowledgement_expires: Window | None = None


class Classification(Part):
    """A rule that gives a severity; the first that matches decides."""

    name: Name
    when: Condition = Field(default_factory=Condition)
    severity: SeverityName


class Grouping(Part):
    """Which alerts belong together, where the source's own grouping is not what is wanted."""

    name: Name
    when: Condition = Field(default_factory=Condition)
    by: Few[Text] = Field(description="label names, or the words service, alert and source")


class Alarm(Part):
    """Who hears of Tocsin's own troubles."""

    notify: Few[Name]


class Reach(Part):
    """One way to a contact."""

    channel: Name
    to: Text | None = Field(default=None, description="the address on that channel, where it needs one")


class Contact(Part):
    """A person, role or room; the first channel is tried first."""

    title: Title = ""
    reach: Few[Reach]


class Channel(Part):
    """A way to reach somebody; its secret is named, never written."""

    kind: Literal["webhook", "slack", "teams", "email", "log"]
    url: Text | None = Field(default=None, description="only where the address is no secret")
    secret: SecretName | None = None
    options: dict[Option, Text] = {}


class Trust(Part):
    """How a source proves itself, beyond the function key."""

    bearer_secret: SecretName | None = None
    hmac_secret: SecretName | None = None
    signature_header: Header | None = None
    timestamp_header: Header | None = None


class Targets(Part):
    """KPI targets: seconds for times, percent for shares."""

    time_to_acknowledge_mean: Whole | None = None
    time_to_resolve_mean: Whole | None = None
    respond_sla_attainment: Percent | None = None
    resolve_sla_attainment: Percent | None = None
    first_response_within_5m: Percent | None = None
    delivery_success: Percent | None = None


class PlanDocument(Part):
    """One organisation's response plan."""

    plan: Name = Field(description="the file's own name without its ending")
    title: Title = ""
    timezone: Timezone = Field(description="IANA name")
    visible_to: Many[Text] = Field(default=[], description="nobody named: everyone with a role")
    services: Annotated[dict[Name, Service], Field(min_length=1, max_length=500)]
    default_service: Name
    severities: Annotated[dict[SeverityName, Severity], Field(min_length=1, max_length=20)] = Field(
        description="loudest first"
    )
    default_severity: SeverityName
    classify: Many[Classification] = []
    group: Many[Grouping] = []
    reopen_within: Pause = Field(default_factory=timedelta)
    auto_resolve: Flag = True
    alarm: Alarm | None = None
    contacts: dict[Name, Contact] = {}
    channels: dict[Name, Channel] = {}
    sources: dict[Name, Trust] = {}
    targets: Targets = Field(default_factory=Targets)


class _Schema(GenerateJsonSchema):
    """No nulls (a key says something or is left out), no names but those that match, no made-up titles."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        return {key: value for key, value in made.items() if (key, value) != ("default", None)}

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        return super().dict_schema(schema) | {"additionalProperties": False}

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a plan file."""
    made = PlanDocument.model_json_schema(schema_generator=_Schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def main(arguments: list[str] | None = None) -> int:
    """Print the JSON Schema."""
    parser = argparse.ArgumentParser(prog="plan_documents", description=main.__doc__)
    parser.add_argument("--schema", action="store_true", required=True, help="print the JSON Schema")
    parser.parse_args(arguments)
    sys.stdout.write(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
