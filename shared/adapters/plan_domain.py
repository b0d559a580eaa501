"""From a plan document to the plan: what the file says, in the words of the domain."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from shared.adapters import plan_parts as parts
from shared.adapters.plan_documents import PlanDocument
from shared.adapters.plan_keeping import retention
from shared.adapters.plan_late import (
    chat,
    digest,
    directory,
    drill,
    export_rule,
    rollout,
    runbooks,
    source_trust,
    status_page,
    storm,
    templates,
)
from shared.adapters.plan_match import match
from shared.adapters.plan_values import WEEKDAYS, minutes_of
from shared.adapters.rules_text import freeze
from shared.domain.hours import BusinessHours
from shared.domain.matrix import Inform, Repeat, Severity, Step, StillOpen, Updates
from shared.domain.plan import (
    ActionItemRule,
    Checklist,
    Classification,
    ClosingCode,
    Declaration,
    Grouping,
    Item,
    Plan,
    ReviewRule,
    Role,
    Rules,
    Service,
)
from shared.domain.schedule import ExportRule


def plan_of(document: PlanDocument) -> Plan:
    """The plan, its rules frozen."""
    return Plan(
        name=document.plan,
        title=document.title,
        rules=freeze(_rules(document)),
        directory=directory(document),
        visible_to=tuple(document.visible_to),
        sources={name: source_trust(trust) for name, trust in document.sources.items()},
        targets=document.targets.model_dump(exclude_none=True),
        templates=templates(document),
        runbooks=runbooks(document),
        drills=tuple(drill(name, each) for name, each in document.drills.items()),
        digests=tuple(digest(name, each) for name, each in document.digests.items()),
        links=dict(document.links),
        exports=export_rule(document.exports) if document.exports else ExportRule(),
        personal_labels=tuple(document.personal_labels),
        retention=retention(document.retention, document.legal_hold),
        storm=storm(document.storm),
        chat=chat(document.chat),
        status_page=status_page(document.status_page) if document.status_page else None,
        rollout=rollout(document.rollout) if document.rollout else None,
    )


def _rules(document: PlanDocument) -> Rules:
    return Rules(
        hash="",
        text="",
        plan=document.plan,
        timezone=document.timezone,
        severities=tuple(_severity(name, severity) for name, severity in document.severities.items()),
        default_severity=document.default_severity,
        default_service=document.default_service,
        services=tuple(
            Service(name, service.title, tuple(map(match, service.match)), service.customer_facing)
            for name, service in document.services.items()
        ),
        classify=tuple(
            Classification(rule.name, rule.severity, match(rule.when)) for rule in document.classify
        ),
        group=tuple(Grouping(rule.name, tuple(rule.by), match(rule.when)) for rule in document.group),
        reopen_within=document.reopen_within,
        auto_resolve=document.auto_resolve,
        throttle=document.throttle,
        alarm=tuple(document.alarm.notify) if document.alarm else (),
        hours=_hours(document.hours) if document.hours else None,
        declare=tuple(Declaration(rule.name, rule.after, match(rule.when)) for rule in document.declare),
        roles=tuple(_role(name, role) for name, role in document.roles.items()),
        checklists=tuple(_checklist(name, each) for name, each in document.checklists.items()),
        closing_codes=tuple(
            ClosingCode(name, title)
            for name, title in (document.closing.codes if document.closing else {}).items()
        ),
        review=_review(document.review) if document.review else None,
        action_items=_action_items(document.action_items) if document.action_items else ActionItemRule(),
    )


def _severity(name: str, severity: parts.Severity) -> Severity:
    return Severity(
        name=name,
        title=severity.title,
        respond_within=severity.respond_within,
        resolve_within=severity.resolve_within,
        steps=tuple(
            Step(step.after, tuple(step.notify), step.unless, tuple(step.services), step.template)
            for step in severity.steps
        ),
        until=severity.until,
        repeat=Repeat(severity.repeat.times, severity.repeat.every),
        acknowledgement_expires=severity.acknowledgement_expires,
        inform=tuple(
            Inform(
                each.after,
                tuple(each.notify),
                tuple(each.services),
                each.customer_facing,
                each.template,
                each.audience,
            )
            for each in severity.inform
        ),
        updates=tuple(_updates(severity.updates)) if severity.updates else (),
        still_open=_still_open(severity.still_open) if severity.still_open else None,
    )


def _still_open(stated: parts.StillOpen) -> StillOpen:
    return StillOpen(stated.every, tuple(stated.notify))


def _updates(audiences: parts.Audiences) -> Iterator[Updates]:
    for audience, stated in (("internal", audiences.internal), ("external", audiences.external)):
        if stated:
            yield Updates(
                audience="internal" if audience == "internal" else "external",
                every=stated.every,
                first_within=stated.first_within,
                remind=tuple(stated.remind),
                remind_before=stated.remind_before or timedelta(0),
                notify=tuple(stated.notify),
                customer_facing=stated.customer_facing,
                template=stated.template,
            )


def _hours(hours: parts.Hours) -> BusinessHours:
    return BusinessHours(
        days=tuple(sorted(WEEKDAYS.index(day) for day in hours.days)),
        opens=minutes_of(hours.since),
        closes=minutes_of(hours.to),
        holidays=tuple(sorted(hours.holidays)),
    )


def _role(name: str, role: parts.Role) -> Role:
    return Role(name, role.title, role.primary or "", role.secondary, tuple(role.services))


def _checklist(name: str, checklist: parts.Checklist) -> Checklist:
    return Checklist(
        name=name,
        phase=checklist.phase,
        items=tuple(Item(item.id, item.text, item.required) for item in checklist.items),
        title=checklist.title,
        severities=tuple(checklist.severities),
    )


def _review(review: parts.Review) -> ReviewRule:
    stated = ReviewRule(
        severities=tuple(review.severities),
        due_within=review.due_within,
        notify=tuple(review.notify),
        remind=tuple(review.remind),
    )
    if review.overdue is None:
        return stated
    return ReviewRule(
        stated.severities,
        stated.due_within,
        stated.notify,
        stated.remind,
        overdue_notify=tuple(review.overdue.notify),
        overdue_every=review.overdue.every,
    )


def _action_items(rule: parts.ActionItems) -> ActionItemRule:
    return ActionItemRule(tuple(rule.notify), rule.every)
