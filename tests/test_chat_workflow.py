"""What commands from a chat do, to which incident, in whose name, and what is said back."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.chat_call import Answer, Caller
from shared.domain.errors import StoreUnavailable
from shared.domain.incident import Incident
from shared.domain.plan import Plan
from shared.domain.runbook import Runbook
from shared.domain.severity import SetSeverity
from shared.ports import Page, Selection
from shared.workflows.run_chat_command import NOT_STORED
from shared.workflows.show_runbooks import ShowRunbooks
from tests.builders import NOON, a_plan, a_severity, an_alert, hours, minutes, some_rules
from tests.chats import ANA, NOBODY, PUBLIC, RITA, ChatStage, Plans

TICK = timedelta(microseconds=1)


@pytest.fixture
def stage(storage: str) -> Iterator[ChatStage]:
    with ChatStage(storage) as made:
        yield made


def whole(answer: Answer) -> str:
    return "\n".join((answer.title, *answer.texts))


def last(stage: ChatStage, incident: Incident, type: str) -> dict[str, object]:
    return [dict(event.data) for event in stage.events(incident.id) if event.type == type][-1]


def only(stage: ChatStage) -> Incident:
    plans = frozenset({stage.name})
    [incident] = stage.store.page(Selection(lambda _: True, plans, live=True)).incidents
    return incident


def test_an_incident_is_created_from_chat(stage: ChatStage) -> None:
    answer = stage.say('/incident create p1 "Checkout is *slow*" service=data')
    incident = only(stage)
    assert (incident.severity, incident.service) == ("P1", "database")
    assert incident.title == "Checkout is *slow*"
    assert answer.title == f"Opened {incident.id} [P1] Checkout is *slow*"
    assert answer.public
    assert answer.links == (("Incident", f"{PUBLIC}/api/v1/incidents/{incident.id}"),)


def test_the_same_message_creates_one_incident_and_is_answered_the_same(stage: ChatStage) -> None:
    first = stage.say("/incident create P1 slow", key="k1")
    assert stage.say("/incident create P1 slow", key="k1") == first
    only(stage)


def test_the_same_message_twice_at_once_acts_once(stage: ChatStage) -> None:
    incident = stage.fired()
    line = f"/escalate {stage.start(incident)} lead"
    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(lambda _: stage.say(line, key="k1"), range(4)))
        made = set(pool.map(lambda _: stage.say("/incident create P1 slow", key="k2"), range(4)))
    assert len(answers) == 1
    assert len(made) == 1
    assert stage.types(incident.id).count("escalated-manually") == 1


def test_the_same_words_again_are_another_message(stage: ChatStage) -> None:
    stage.say("/incident create P1 slow")
    stage.say("/incident create P1 slow")
    assert whole(stage.say("/incident list")).startswith("2 open")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/incident create P x", "“P” may be P1 or P2."),
        ("/incident create P9 x", "There are P1 and P2."),
        ("/incident create P1 x service=dtabase", "Did you mean database?"),
        ("/incident create P1", "Say a title."),
    ],
)
def test_a_slip_creates_nothing(stage: ChatStage, line: str, why: str) -> None:
    answer = stage.say(line)
    assert why in answer.title
    assert "For example: /incident create" in answer.texts[-1]
    assert not answer.public
    assert stage.say("/incident list").title == "Nothing is open."


def test_in_teams_examples_have_no_slash(stage: ChatStage) -> None:
    assert stage.say("incident create", user="0b1e-ana").texts[-1].startswith("For example: incident create")


def test_an_incident_is_acknowledged_by_the_beginning_of_its_id(stage: ChatStage) -> None:
    incident = stage.fired()
    answer = stage.say(f"/incident ack {stage.start(incident).lower()}", key="k1")
    assert stage.incident(incident.id).status == "acknowledged"
    assert answer.texts == ("Ana has it.",)
    assert answer.public
    assert last(stage, incident, "acted-on") == {
        "contact": "ana", "by": "slack", "delivery": None, "command": "acknowledge",
    }  # fmt: skip
    assert stage.say(f"/incident ack {stage.start(incident)}", key="k1") == answer
    assert stage.types(incident.id).count("acknowledged") == 1


def test_who_has_it_already_is_told_so_alone_and_does_not_put_off_the_expiry(stage: ChatStage) -> None:
    stage.rules(some_rules(a_severity("P1", acknowledgement_expires=minutes(30))))
    incident = stage.fired()
    stage.say(f"/incident ack {incident.id}")
    before = stage.incident(incident.id)
    for at in (NOON + minutes(10), NOON + minutes(30) - TICK):
        answer = stage.say(f"/incident ack {incident.id}", at=at)
        assert answer.texts == (f"You acknowledged {incident.id} at 2026-11-18 12:00 UTC already.",)
        assert not answer.public
    assert stage.incident(incident.id) == before
    assert stage.say(f"/incident ack {incident.id}", at=NOON + minutes(30)).texts == ("Ana has it.",)
    assert stage.types(incident.id).count("acknowledged") == 2


def test_who_takes_it_over_hears_who_had_it_before(stage: ChatStage) -> None:
    incident = stage.fired()
    contacts = stage.plans.plan.directory.contacts
    ben = replace(contacts["lead"], title="Ben", identities={"slack": "U0BEN"})
    stage.has(directory=replace(stage.plans.plan.directory, contacts={**contacts, "lead": ben}))
    stage.say(f"/incident ack {incident.id}")
    answer = stage.say(f"/incident ack {incident.id}", user="U0BEN", at=NOON + minutes(5))
    assert answer.texts == ("Ben has it. Before, Ana had it since 2026-11-18 12:00 UTC.",)
    assert answer.public
    back = stage.say(f"/incident ack {incident.id}", at=NOON + minutes(6))
    assert back.texts == ("Ana has it. Before, Ben had it since 2026-11-18 12:05 UTC.",)


def test_an_acknowledgement_of_something_quieter_is_given_again(stage: ChatStage) -> None:
    stage.rules(some_rules(a_severity("P0"), a_severity("P1")))
    incident = stage.fired()
    stage.respond(incident.id, SetSeverity("P1"), NOON)
    stage.say(f"/incident ack {incident.id}")
    stage.respond(incident.id, SetSeverity("P0"), NOON + minutes(1))
    assert stage.say(f"/incident ack {incident.id}", at=NOON + minutes(2)).public
    assert not stage.say(f"/incident ack {incident.id}", at=NOON + minutes(3)).public


def test_acknowledging_what_is_over_is_noted_and_said(stage: ChatStage) -> None:
    incident = stage.fired()
    stage.say(f"/incident resolve {incident.id}")
    answer = stage.say(f"/incident ack {incident.id}", at=NOON + minutes(1))
    assert answer.texts == ("It was resolved already 2026-11-18 12:00 UTC by Ana. That you came is noted.",)
    assert not answer.public
    assert "acknowledged-late" in stage.types(incident.id)


def test_an_incident_is_resolved_with_its_code(storage: str) -> None:
    with ChatStage(storage, codes=True) as stage:
        incident = stage.fired()
        asked = stage.say(f"/incident resolve {incident.id}")
        assert asked.title == "This takes a closing code, and words about what was done."
        assert asked.texts[0] == "code=fixed – Cause removed"
        answer = stage.say(f'/incident resolve {incident.id} "Rolled back" code=fix', key="k1")
        assert answer.texts == ("Resolved by Ana, code fixed.",)
        assert last(stage, incident, "resolved")["code"] == "fixed"
        assert stage.say(f'/incident resolve {incident.id} "Rolled back" code=fix', key="k1") == answer


def test_a_code_where_the_plan_has_none_is_a_slip(stage: ChatStage) -> None:
    incident = stage.fired()
    assert "the plan has none" in stage.say(f"/incident resolve {incident.id} x code=fixed").title
    assert stage.incident(incident.id).status == "open"


def test_what_was_resolved_by_others_is_said_to_be(stage: ChatStage) -> None:
    incident = stage.fired()
    stage.say(f"/incident resolve {incident.id}")
    answer = stage.say(f"/incident resolve {incident.id} x", at=NOON + minutes(2))
    assert answer.texts == ("It was resolved already 2026-11-18 12:00 UTC by Ana.",)
    assert not answer.public


def test_a_status_update_says_where_it_stands(stage: ChatStage) -> None:
    incident = stage.fired()
    answer = stage.say(f"/status update {stage.start(incident)} mon “Falling again”", key="k1")
    assert answer.texts == ("Status update by Ana: monitoring\nFalling again",)
    assert stage.incident(incident.id).progress == "monitoring"
    assert "Falling again" in stage.store.texts(incident.id).values()
    assert stage.say(f"/status update {stage.start(incident)} mon “Falling again”", key="k1") == answer
    assert stage.types(incident.id).count("status-updated") == 1


def test_a_status_of_resolved_does_not_end_the_incident_and_says_so(stage: ChatStage) -> None:
    incident = stage.fired()
    answer = stage.say(f"/status update {incident.id} resolved all well")
    assert answer.texts[1].startswith("The incident itself is open")


def test_an_update_for_outside_where_nobody_is_owed_one_is_refused_in_words(stage: ChatStage) -> None:
    incident = stage.fired()
    answer = stage.say(f"/status update {incident.id} monitoring x audience=external")
    assert answer.title == "That does not fit."
    assert "nobody outside is owed updates" in answer.texts[0]


@pytest.mark.parametrize("to", ["lead", "le", "LEAD"])
def test_somebody_is_called_in(stage: ChatStage, to: str) -> None:
    incident = stage.fired()
    answer = stage.say(f'/escalate {stage.start(incident)} {to} "no answer"')
    assert answer.texts == ("Ana calls in lead: no answer",)
    assert last(stage, incident, "escalated-manually")["to"] == ["lead"]


def test_who_is_mentioned_is_called_in(stage: ChatStage) -> None:
    incident = stage.fired()
    stage.say(f"/escalate {incident.id} @{RITA.lower()}")
    assert last(stage, incident, "escalated-manually")["to"] == ["rita"]


def test_a_rotation_or_a_role_may_be_called_in_and_nobody_unknown(stage: ChatStage) -> None:
    incident = stage.fired()
    assert stage.say(f"/escalate {incident.id} sre").public
    assert stage.say(f"/escalate {incident.id} comm").public
    assert "There is no contact “zoe”." in stage.say(f"/escalate {incident.id} zoe").title
    assert "There is no contact “@U9”." in stage.say(f"/escalate {incident.id} @U9").title


def test_the_list_has_what_is_open(stage: ChatStage) -> None:
    api, other = stage.fired("api"), stage.fired("db", service="database")
    stage.say(f"/incident ack {other.id}")
    answer = stage.say("/incident list", at=NOON + hours(2))
    assert answer.title == "2 open"
    assert not answer.public
    assert f"{api.id} [P1] api – open, api, since 2 h" in answer.texts[0]
    assert f"{other.id} [P1] db – acknowledged, database" in answer.texts[0]
    assert stage.say("/incident list data").title == "1 open of database"
    assert stage.say("/incident list P2").title == "Nothing is open of P2."
    assert "Did you mean database?" in stage.say("/incident list databsae").title


def test_the_list_of_all_has_what_is_over_as_well(stage: ChatStage) -> None:
    incident = stage.fired()
    stage.say(f"/incident resolve {incident.id}")
    assert stage.say("/incident list").title == "Nothing is open."
    assert f"{incident.id} [P1] HighErrorRate – resolved" in stage.say("/incident list all").texts[0]


def test_a_long_list_is_cut_and_says_so(stage: ChatStage) -> None:
    for nth in range(22):
        stage.fired(f"{'x' * 200}{nth}")
    lines = stage.say("/incident list").texts[0].splitlines()
    assert len(lines) == 21
    assert lines[-1].startswith("… and 2 more")
    assert all(len(line) < 200 for line in lines)


def test_how_an_incident_stands_is_shown(stage: ChatStage) -> None:
    incident = stage.fired()
    stage.say(f"/incident ack {incident.id}")
    stage.say(f"/status {incident.id} identified found it")
    answer = stage.say(f"/incident show {stage.start(incident)}", at=NOON + minutes(5))
    assert answer.title == f"{incident.id} [P1] HighErrorRate"
    for said in (
        "Acknowledged, api", "Opened 2026-11-18 12:00 UTC, 5 min; 1 alert heard, 1 firing", "Ana has it",
        "Respond: met 2026-11-18 12:00 UTC", "Resolve: due 2026-11-18 16:00 UTC", "commander: lead",
        "Latest status update: identified", "errors are high",
    ):  # fmt: skip
        assert said in whole(answer)
    stage.say(f"/incident resolve {incident.id}", at=NOON + minutes(6))
    assert "Resolved 2026-11-18 12:06 UTC by Ana" in whole(stage.say(f"/incident show {incident.id}"))


def test_what_its_alerts_ended_is_said_to_be_over_by_itself(stage: ChatStage) -> None:
    incident = stage.fired()
    stage.hear(an_alert(firing=False, ended_at=NOON + minutes(3)), at=NOON + minutes(3))
    said = "Resolved 2026-11-18 12:03 UTC by its alerts"
    assert said in whole(stage.say(f"/incident show {incident.id}", at=NOON + minutes(4)))
    answer = stage.say(f"/incident ack {incident.id}", at=NOON + minutes(4))
    assert answer.texts == ("It was resolved already 2026-11-18 12:03 UTC. That you came is noted.",)


def test_a_beginning_that_several_open_incidents_share_is_answered_with_them(stage: ChatStage) -> None:
    found = [stage.fired(f"a{nth}") for nth in range(33)]
    starts = [incident.partition[0] for incident in found]
    shared = next(each for each in starts if starts.count(each) > 1)
    answer = stage.say(f"/incident ack {shared}")
    assert answer.title == f"“{shared}” may be any of {starts.count(shared)}:"
    named = [incident.id for incident in found if incident.partition[0] == shared]
    assert all(each in answer.texts[0] for each in named[:12])
    assert all(stage.incident(each).status == "open" for each in named)


def test_what_is_open_goes_before_what_is_over(stage: ChatStage) -> None:
    stage.rules(replace(stage.plans.plan.rules, reopen_within=minutes(0)))
    over = stage.fired()
    stage.say(f"/incident resolve {over.id}")
    assert over.id in stage.say(f"/incident show {over.partition[:4]}").title
    [again] = stage.hear(an_alert(at=NOON + minutes(5)), at=NOON + minutes(5))
    assert again.id == f"INC-{over.partition}-2"
    assert again.id in stage.say(f"/incident show {over.partition[:4]}").title
    assert over.id in stage.say(f"/incident show {over.id}").title


def test_a_command_that_ended_its_incident_means_the_same_when_it_comes_twice(stage: ChatStage) -> None:
    stage.rules(replace(stage.plans.plan.rules, reopen_within=minutes(0)))
    first = stage.fired()
    stage.say(f"/incident resolve {first.id}")
    stage.hear(an_alert(at=NOON + minutes(20)), at=NOON + minutes(20))
    line = f"/incident resolve {first.partition[:2]}"
    answer = stage.say(line, key="k1", at=NOON + minutes(21))
    assert f"INC-{first.partition}-2" in answer.title
    assert stage.say(line, key="k1", at=NOON + minutes(21)) == answer


def test_help_begins_as_commands_do_there(stage: ChatStage) -> None:
    slack, teams = stage.say("/incident help"), stage.say("help", user="0b1e-ana")
    assert slack.texts[0].startswith("/incident create")
    assert "\n/oncall" in slack.texts[0]
    assert teams.texts[0].startswith("incident create")
    assert slack.texts[1] == teams.texts[1]
    assert stage.say("/status help").texts == (
        'For example: /status update 8Q2X monitoring "Error rates are falling"',
    )


@pytest.mark.parametrize("line", ["/incident show ZZZZ", "/incident ack ZZZZZZZZ-1", "/incident show 0-0-0"])
def test_an_incident_that_is_not_there_is_said_to_be_missing(stage: ChatStage, line: str) -> None:
    answer = stage.say(line)
    assert answer.title.startswith(("No open or recent incident", "There is no incident INC-ZZZZZZZZ-1"))


def test_runbooks_are_listed_and_shown(stage: ChatStage) -> None:
    assert stage.say("/runbook").texts[0].splitlines() == [
        "disk-full – Disk full (still to be written)",
        "high-latency – High latency",
    ]
    answer = stage.say("/runbook high")
    assert answer.title == "High latency (high-latency)"
    assert answer.texts[0] == "Quick assessment\nLook at the *graphs*."
    assert answer.links == (("Runbook", f"{PUBLIC}/api/v1/plans/{stage.name}/runbooks/high-latency"),)
    assert "still to be written" in stage.say("/runbook disk-full").texts[0]
    assert "Did you mean high-latency?" in stage.say("/runbook high-latncy").title


def test_no_runbook_is_suggested_that_does_not_exist(stage: ChatStage) -> None:
    assert stage.say("/runbook x").texts[-1] == "For example: /runbook high-latency"

    class Bare:
        def all(self, plan: str) -> list[Runbook]:  # noqa: ARG002
            return []

    stage.commands.runbooks = ShowRunbooks(stage.plans, Bare())  # type: ignore[arg-type]
    for line in ("/runbook", "/runbook x"):
        assert whole(stage.say(line)).strip() == "There are no runbooks."


def test_who_is_on_call_is_said(stage: ChatStage) -> None:
    assert stage.say("/oncall").texts[0].splitlines() == [
        "First line (sre): lead until 2026-11-23 09:00 UTC, then Ana (ana)",
        "dba: nobody",
    ]
    assert stage.say("/oncall d").texts == ("dba: nobody",)
    assert "There is no rotation “x”." in stage.say("/oncall x").title


def test_a_reader_reads_and_does_nothing_else(stage: ChatStage) -> None:
    incident = stage.fired()
    before = stage.types(incident.id)
    for line in ("/incident list", f"/incident show {incident.id}", "/oncall", "/runbook", "/incident help"):
        assert "Responder" not in whole(stage.say(line, user=RITA))
    for line in (
        "/incident create P1 x", f"/incident ack {incident.id}", f"/incident resolve {incident.id}",
        f"/status {incident.id} monitoring x", f"/escalate {incident.id} lead",
    ):  # fmt: skip
        assert stage.say(line, user=RITA).title == "This takes the role Responder; Rita has Reader."
    assert stage.types(incident.id) == before
    assert stage.say("/incident list").title == "1 open"


def test_a_stranger_is_told_what_to_put_into_the_plan_and_nothing_else(stage: ChatStage) -> None:
    incident = stage.fired()
    answers = {
        stage.say(line, user=NOBODY)
        for line in ("/incident list", f"/incident show {incident.id}", "/incident help", "nonsense", "")
    }
    [answer] = answers
    assert answer.title == "Tocsin does not know you yet."
    assert f'identities: {{slack: "{NOBODY}"}}' in answer.texts[0]
    assert not answer.public
    assert stage.name not in whole(answer)


def test_an_identity_of_another_chat_is_none_here(stage: ChatStage) -> None:
    call = stage.call("incident list")
    teams = replace(call, caller=Caller("teams", ANA, call.caller.plans))
    assert stage.commands.run(teams, NOON).title == "Tocsin does not know you yet."
    nameless = replace(call, caller=Caller("teams", "", call.caller.plans))
    assert stage.commands.run(nameless, NOON).title == "Tocsin does not know you yet."


class Two:
    """Ana is in two plans, of which the stage's is one."""

    def __init__(self, stage: ChatStage) -> None:
        mine = stage.plans.plan
        rules = replace(mine.rules, plan="other-plan", hash="b" * 64)
        other: Plan = replace(a_plan(rules), name="other-plan", directory=mine.directory)
        both = Plans(mine, other)
        for each in (stage.responding, stage.commands.incidents, stage.commands.rotations):
            each.plans = both
        stage.commands.runbooks.plans = both
        self.stage, self.both = stage, both

    def say(self, line: str) -> Answer:
        call = self.stage.call(line)
        return self.stage.commands.run(replace(call, caller=Caller("slack", ANA, self.both.plans)), NOON)


def test_who_is_in_two_plans_says_which_where_it_matters(stage: ChatStage) -> None:
    two = Two(stage)
    incident = stage.fired()
    asked = two.say('/incident create P1 "x"')
    assert asked.title == f"Say in which plan: {stage.name} or other-plan."
    assert asked.texts[-1].endswith(f"plan={stage.name}")
    assert "plan other-plan" in two.say("/incident create P1 x plan=oth").texts[0]
    assert two.say(f"/incident ack {incident.id}").texts == ("Ana has it.",)
    assert f"{stage.name}, api" in two.say("/incident list").texts[0]
    assert stage.name not in whole(two.say("/incident list plan=other"))
    assert "Say in which plan" in two.say("/runbook disk-full").title
    assert two.say("/runbook disk-full plan=other").title == "Disk full (disk-full)"
    assert f"{stage.name}: First line" in two.say("/oncall").texts[0]
    assert "There is no plan of yours “x”." in two.say("/incident list plan=x").title


def test_an_incident_of_a_plan_that_did_not_sign_is_not_there(stage: ChatStage) -> None:
    incident = stage.fired()
    stranger: Plan = replace(a_plan(), name="another", directory=stage.plans.plan.directory)
    call = stage.call(f"/incident show {incident.id}")
    answer = stage.commands.run(replace(call, caller=Caller("slack", ANA, (stranger,))), NOON)
    assert answer.title == f"There is no incident {incident.id}."


def test_a_store_that_does_not_answer_is_said_to_be_one(stage: ChatStage) -> None:
    class Down:
        def page(self, selection: Selection) -> Page:
            raise StoreUnavailable(f"no answer for {selection.limit}")

    stage.commands.store = Down()  # type: ignore[assignment]
    assert stage.say("/incident list") == NOT_STORED
