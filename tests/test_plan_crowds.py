"""Who is told at once must fit into one change, and an alarm must reach somebody."""

from __future__ import annotations

from datetime import date, timedelta

from shared.adapters.plan_crowds import check_crowds


def names(count: int, letter: str = "n") -> list[str]:
    return [f"{letter}{nth}" for nth in range(count)]


def faults(plan: object) -> list[tuple[object, ...]]:
    return [flaw.loc for flaw in check_crowds(plan)]


def test_all_audiences_of_a_severity_together_are_at_most_twenty_names() -> None:
    def updates(inside: int, outside: int) -> object:
        internal, external = {"notify": names(inside)}, {"notify": names(outside, "o")}
        return {"severities": {"P1": {"updates": {"internal": internal, "external": external}}}}

    assert faults(updates(10, 10)) == []
    assert faults(updates(10, 11)) == [("severities", "P1", "updates")]


def test_a_review_that_is_overdue_tells_at_most_twenty_names() -> None:
    def review(own: int, late: int) -> object:
        return {"review": {"notify": names(own), "overdue": {"notify": names(late, "o")}}}

    assert faults(review(10, 10)) == []
    assert faults(review(11, 10)) == [("review", "overdue")]


def test_an_action_item_leaves_room_for_its_owner() -> None:
    assert faults({"action_items": {"notify": names(19)}}) == []
    assert faults({"action_items": {"notify": names(20)}}) == [("action_items", "notify")]


def test_outsiders_are_few_and_are_spoken_to_in_a_template() -> None:
    def informing(count: int, **more: object) -> object:
        inform = {"audience": "external", "notify": names(count), "template": "notice"} | more
        return {"severities": {"P1": {"inform": [inform]}}}

    assert faults(informing(6)) == []
    assert faults(informing(7)) == [("severities", "P1", "inform", 0, "notify")]
    bare = {"severities": {"P1": {"inform": [{"audience": "external", "notify": ["n"]}]}}}
    assert faults(bare) == [("severities", "P1", "inform", 0, "audience")]


def test_an_alarm_names_a_contact_or_a_rotation_with_a_fallback() -> None:
    def plan(*notify: str) -> object:
        return {"alarm": {"notify": list(notify)}, "rotations": {"bare": {}, "backed": {"fallback": "boss"}}}

    assert faults(plan("bare", "boss")) == []
    assert faults(plan("backed")) == []
    assert faults(plan("bare")) == [("alarm", "notify")]


def test_holidays_leave_some_business_day_within_sixty_days() -> None:
    def plan(closed: int) -> object:
        days = [(date(2026, 1, 5) + timedelta(weeks=week)).isoformat() for week in range(closed)]
        return {"hours": {"days": ["monday"], "holidays": days}}

    assert faults(plan(8)) == []
    assert faults(plan(9)) == [("hours", "holidays")]


def test_a_file_of_any_shape_is_looked_at() -> None:
    shapes: list[object] = [None, [], {"hours": 3, "alarm": [], "severities": {"P1": None}, "review": "x"}]
    assert [faults(odd) for odd in shapes] == [[], [], []]
