"""The language of plans as pydantic models: what a plan file may say. The JSON Schema for editors is made
from them: ``python -m shared.adapters.plan_documents --schema``."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from shared.adapters.plan_directory import (
    Channel,
    Chat,
    Contact,
    Digest,
    Drill,
    ExportRule,
    Rollout,
    Rotation,
    RunbookRule,
    StatusPage,
    Storm,
    Template,
    Trust,
)
from shared.adapters.plan_keeping import CaseReference, Retention
from shared.adapters.plan_parts import (
    ActionItems,
    Alarm,
    Checklist,
    Classification,
    ClosingRule,
    Declaration,
    Grouping,
    Hours,
    Part,
    Review,
    Role,
    Service,
    Severity,
)
from shared.adapters.plan_values import (
    Address,
    Change,
    Flag,
    Many,
    Name,
    Pause,
    Percent,
    SeverityName,
    Text,
    Throttle,
    Timezone,
    Title,
    Whole,
)


class Targets(Part):
    """KPI targets: seconds for times, percent for shares and for changes (below 0: shorter)."""

    time_to_acknowledge_mean: Whole | None = None
    time_to_resolve_mean: Whole | None = None
    time_to_first_told_mean: Whole | None = None
    time_to_mitigate_mean: Whole | None = None
    sweeper_longest_gap: Whole | None = None
    respond_sla_attainment: Percent | None = None
    resolve_sla_attainment: Percent | None = None
    first_response_within_5m: Percent | None = None
    delivery_success: Percent | None = None
    review_completion: Percent | None = None
    oncall_coverage: Percent | None = None
    alerts_noise: Percent | None = None
    time_to_acknowledge_vs_baseline: Change | None = None
    time_to_resolve_vs_baseline: Change | None = None


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
    hours: Hours | None = Field(default=None, description="when people work, for business time")
    classify: Many[Classification] = Field(default=[])
    declare: Many[Declaration] = Field(default=[])
    group: Many[Grouping] = Field(default=[])
    reopen_within: Pause = Field(default_factory=timedelta)
    auto_resolve: Flag = True
    throttle: Throttle = Field(
        default_factory=lambda: timedelta(seconds=60),
        description="one message per incident, contact and kind in this window, at most 1h; 0s: off",
    )
    alarm: Alarm | None = None
    roles: dict[Name, Role] = Field(default={})
    checklists: dict[Name, Checklist] = Field(default={})
    closing: ClosingRule | None = None
    review: Review | None = None
    action_items: ActionItems | None = None
    contacts: dict[Name, Contact] = Field(default={})
    rotations: dict[Name, Rotation] = Field(default={})
    channels: dict[Name, Channel] = Field(default={})
    sources: dict[Name, Trust] = Field(default={})
    templates: dict[Name, Template] = Field(default={})
    runbooks: Many[RunbookRule] = Field(default=[])
    drills: dict[Name, Drill] = Field(default={})
    digests: dict[Name, Digest] = Field(default={})
    exports: ExportRule | None = Field(default=None, description="who is told when an export is ready")
    storm: Storm = Field(default_factory=Storm)
    chat: Chat = Field(default_factory=Chat)
    status_page: StatusPage | None = Field(default=None, description="left out: the public reads nothing")
    retention: Retention | None = Field(default=None, description="left out: everything is kept")
    legal_hold: CaseReference | None = Field(
        default=None, description="reference of a case: nothing of the plan is purged or erased"
    )
    links: dict[Name, Address] = Field(default={})
    targets: Targets = Field(default_factory=Targets)
    personal_labels: Annotated[list[Text], Field(max_length=50)] = Field(
        default=[], description="labels whose values are people: kept as tokens only"
    )
    rollout: Rollout | None = Field(default=None, description="left out: new rules rule at once")


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
