"""How each fact follows from events, in words exact enough to compute it with any other tool."""

from __future__ import annotations

from collections.abc import Mapping

_EACH = "each `{}`"
_CLOCK = "each {} clock that is met (1) or missed (0); at its decision"

DERIVED: Mapping[str, str] = {
    "incident_open_at_start": "state before F is open or acknowledged; at F",
    "incident_opened": _EACH.format("opened"),
    "incident_reopened": _EACH.format("reopened"),
    "incident_resolved": "each `resolved`; code: its `by`",
    "incident_open_at_end": "state before E is open or acknowledged; at E",
    "time_to_detect_seconds": "`opened` whose `source` is not null: seconds from its `occurred_at` to T, "
    "0 if negative",
    "clock_ahead": "`opened` whose `source` is not null and whose `occurred_at` is after T",
    "time_to_acknowledge_seconds": "first round: seconds from its beginning to the first `acknowledged` of a "
    "person in it; at that event (one after a `resolved` of the round would count, too, but Tocsin records "
    "`acknowledged-late` there)",
    "time_to_acknowledge_again_seconds": "the same of each later round",
    "time_to_resolve_seconds": "first round: seconds from its beginning to the first `resolved` in it; at "
    "that event; code: its `by`",
    "time_to_resolve_again_seconds": "the same of each later round",
    "time_to_mitigate_seconds": "first round: seconds from its beginning to the first event in it that is "
    "`noted` with `kind` mitigation, or `status-updated` with `status` monitoring; at that event; nothing "
    "where a `resolved` comes before it",
    "first_response_met": _CLOCK.format("answer"),
    "respond_sla_met": _CLOCK.format("respond"),
    "resolve_sla_met": _CLOCK.format("resolve"),
    "breach_unrecorded": "each missed respond or resolve clock for which no `breached` before E has its "
    "`clock` and `due`; at its decision; code: the clock",
    "breach_underived": "each `breached` whose `clock` and `due` are those of no clock of the incident "
    "missed before E; code: its `clock`",
    "incident_alerts": "incident that is opened before E: for each disposition, the sum of `count` over the "
    "entries with that `disposition` in its events `alerts` from F on, also those before the opening; at the "
    "last of those that have such an entry; code: the disposition",
    "incident_alerted": "1 where there is an `incident_alerts`; at the last of these",
    "other_alerts": "as `incident_alerts`, of what is not opened before E",
    "journal_alerts": "as `incident_alerts`, of the events `dispositions` of a journal",
    "escalated": "each `escalated`; code: `step-` and its `step`",
    "escalation_late_seconds": "each `escalated`: its `late_seconds`; code: `step-` and its `step`",
    "escalated_manually": _EACH.format("escalated-manually"),
    "escalation_exhausted": _EACH.format("exhausted"),
    "delivery_succeeded": "each `delivered` (1) and each `delivery-failed` (0)",
    "contact_unreachable": _EACH.format("contact-unreachable"),
    "contact_missing": _EACH.format("contact-missing"),
    "oncall_empty": _EACH.format("oncall-empty"),
    "informed": _EACH.format("informed"),
    "update_missed": "each `update-lapsed`: its `missed`; code: its `audience`",
    "update_sent": "each `status-updated`: 1 for each of its `audiences`; code: the audience",
    "checklist_overridden": "each `checked` with `state` overridden; code: its `phase`",
    "review_in_time": "each review that is met (1) or missed (0); at its decision",
    "review_overdue_at_end": "the review of the incident is neither withdrawn nor completed before E, and "
    "its due instant lies before E; at E",
    "action_item_open_at_end": "how many items of the incident have, in their last event before E, `status` "
    "open or in-progress; nothing where there are none; at E",
    "action_item_overdue_at_end": "how many of these have, in that event, a `due` before E; nothing where "
    "there are none; at E",
    "action_item_done": "each `action-item` with `status` done, unless the event of the same `item` before "
    "it has that status, too",
    "drill_opened": "drills: `incident_opened`",
    "drill_resolved": "drills: `incident_resolved`",
    "drill_time_to_acknowledge_seconds": "drills: `time_to_acknowledge_seconds`",
    "drill_time_to_resolve_seconds": "drills: `time_to_resolve_seconds`",
    "drill_respond_sla_met": "drills: `respond_sla_met`",
    "drill_time_to_first_told_seconds": "drills: `time_to_first_told_seconds`",
    "drill_missed": _EACH.format("drill-missed"),
    "digest_failed": _EACH.format("digest-failed"),
    "coverage_gap": _EACH.format("coverage-gap"),
    "time_to_first_told_seconds": "the first `first-told` of the incident: seconds from the beginning of the "
    "first round to its `occurred_at`, 0 if negative",
    "incident_untold": "the first `resolved` of the first round, where no `first-told` comes before it",
    "receipt": "each `receipt`; code: its `state`",
    "receipt_succeeded": "the first `receipt` of each `delivery` of the incident: 1 if its `state` is "
    "delivered or read, else 0",
    "acted_on": "each `acted-on`; code: its `by`",
    "held_back": _EACH.format("held-back"),
    "still_open_reminded": _EACH.format("still-open"),
    "excluded": "see the next table",
    "oncall_seconds": "each of the `shifts` of each `on-call`: seconds from its `from` to its `until`; code: "
    "its `rotation`; at the event",
    "oncall_covered_seconds": "the same, only of shifts whose `contact` is not null",
    "sweeps": "each `watched`: its `sweeps`",
    "sweeper_gap_seconds": "each `watched`: its `longest_gap_seconds`",
    "probes": "each `watched` whose `probes` is not 0: that",
    "probes_succeeded": "each `watched` whose `probes` is not 0: `probes` minus `probes_failed`",
    "plan_changed": _EACH.format("plan-changed"),
    "rollout_ended": "each `rollout-ended`; code: its `why`",
    "accessed": "each `accessed`; code: its `what`",
    "export_compiled": _EACH.format("export-compiled"),
    "erased": "each `erased`; code: its `what`",
    "purged": "each `purged`; code: its `what`",
    "drift_found": _EACH.format("drift-found"),
}
"""By metric. F, E and T as `RULES` has them."""

_UNACKNOWLEDGED = (
    "the first `resolved` of {}, where no `acknowledged` of a person comes before it in the round"
)
_OPEN = "`incident_open_at_end`, {}, {}; at E"
_VOIDED = "each {} clock that is voided; at its decision"
_NO_TARGET = "each {} clock that ended without a due instant; at its decision"
_RUNNING = "each {} clock with a due instant that still runs at E; at E"

LEFT_OUT: Mapping[str, str] = {
    "time_to_detect/declared-by-hand": "`opened` whose `source` and `drill` are null",
    "time_to_acknowledge/resolved-unacknowledged": _UNACKNOWLEDGED.format("the first round"),
    "time_to_acknowledge/still-open": _OPEN.format(
        "one round", "neither `resolved` nor `acknowledged` of a person in it"
    ),
    "time_to_acknowledge_again/resolved-unacknowledged": _UNACKNOWLEDGED.format("a later round"),
    "time_to_acknowledge_again/still-open": _OPEN.format(
        "two rounds or more", "neither `resolved` nor `acknowledged` of a person in the last"
    ),
    "time_to_mitigate/resolved-unmitigated": "the first `resolved` of the first round, where no event that "
    "mitigates comes before it",
    "time_to_mitigate/still-open": _OPEN.format("one round", "not mitigated and no `resolved` in it"),
    "time_to_resolve/still-open": _OPEN.format("one round", "no `resolved` in it"),
    "time_to_resolve_again/still-open": _OPEN.format("two rounds or more", "no `resolved` in the last"),
    "first_response_within_5m/voided": _VOIDED.format("answer"),
    "first_response_within_5m/running": _RUNNING.format("answer"),
    "respond_sla_attainment/voided": _VOIDED.format("respond"),
    "respond_sla_attainment/no-target": _NO_TARGET.format("respond"),
    "respond_sla_attainment/running": _RUNNING.format("respond"),
    "resolve_sla_attainment/voided": _VOIDED.format("resolve"),
    "resolve_sla_attainment/no-target": _NO_TARGET.format("resolve"),
    "resolve_sla_attainment/running": _RUNNING.format("resolve"),
    "escalations_by_step/passed": _EACH.format("step-passed"),
    "delivery_success/withdrawn": _EACH.format("delivery-withdrawn"),
    "checklist_overridden/ticked": "each `checked` with `state` ticked",
    "checklist_overridden/unticked": "each `checked` with `state` unticked",
    "review_completion/withdrawn": "each review that is withdrawn before it was decided; at that event",
    "review_completion/running": "the review of the incident is undecided at E; at E",
    "action_items_done/dropped": "each `action-item` with `status` dropped, unless the event of the same "
    "`item` before it has that status, too",
    "drill_time_to_acknowledge/resolved-unacknowledged": "drills: "
    "`time_to_acknowledge/resolved-unacknowledged`",
    "drill_time_to_acknowledge/still-open": "drills: `time_to_acknowledge/still-open`",
    "drill_time_to_resolve/still-open": "drills: `time_to_resolve/still-open`",
    "drill_respond_sla_attainment/voided": "drills: `respond_sla_attainment/voided`",
    "drill_respond_sla_attainment/no-target": "drills: `respond_sla_attainment/no-target`",
    "drill_respond_sla_attainment/running": "drills: `respond_sla_attainment/running`",
    "digests_failed/sent": _EACH.format("digest-sent"),
    "receipt_success/later-receipt": "each `receipt` of the incident but the first of its `delivery`",
}
"""By code of the metric ``excluded``."""

RULES = """\
## From events to facts

This section, the tables of metrics below it and `timeline.jsonl` are enough to compute every figure again.

**Events.** A line of `timeline.jsonl` is one event: `subject`, `seq`, `type`, `occurred_at`, `recorded_at`,
`actor`, `data`, `previous`, `hash`. Lines are ordered by subject, then by `seq`, which is the order in which
things happened, also at one instant. Instants are texts of one length, `2026-11-16T09:00:00.000000Z`, so they
compare as texts. F is `from` of `kpi.json`, E is `as_of` (the week's end once the week is over); every event
of the file was recorded before E, many before F. T of an event is its `recorded_at`. *Seconds from a to b*
are the whole seconds between them, rounded down. In backticks: the type of an event, or a key of its `data`.

**Subjects.** `JRN-…` is a journal; anything else is an incident, from its one event `opened` on. What comes
before that event in its timeline counts nothing but `alerts`; a timeline without that event, or with that
event not before E, is no incident, and only its `alerts` count. It is a *drill* where `drill` of `opened` is
neither null nor missing. A *person* acts where `actor` begins with `person:`. The facts that only a journal
has, and all that it has, are `journal_alerts`, `drill_missed`, `digest_failed`, `coverage_gap`,
`oncall_seconds`, `oncall_covered_seconds`, `sweeps`, `sweeper_gap_seconds`, `probes`, `probes_succeeded`,
`plan_changed`, `rollout_ended`, `accessed`, `export_compiled`, `erased`, `purged`, `drift_found` and
`excluded` with code `digests_failed/sent`.

**Facts.** A fact has an instant, a metric, a code (empty unless said otherwise) and an integer value (1
unless said otherwise); each is a row of `audit.csv`. Where the tables name no instant it is T of the event
that they name. A fact counts where its instant is F or later and before E; those at E itself, as the tables
say, count as well. Within a subject facts are ordered by instant, metric, code and value; subjects follow one
another as in `timeline.jsonl`. `notes` of the row joins severity, service and, where there is one, the code
by `/`; of a journal, and of what is no incident, it begins `none/none`.

**State.** After `opened`, `reopened` or `acknowledgement-expired` an incident is open, after `acknowledged`
acknowledged, after `resolved` resolved; other events change nothing. *State before X*: after all events with
T before X. Its *severity* is that of `opened`, or `to` of the last `severity-raised` or `severity-changed`
before E; its *service* and *rules* are those of `opened`.

**Rounds.** `opened` begins the first round and each `reopened` the next one, at its T; a round has all events
from there to the next `reopened`.

**Clocks.** Each round has a respond and a resolve clock, due at `respond_due` and `resolve_due` of the event
that begins it; null means no due instant. The first round also has an answer clock, due exactly 300 seconds
after T of `opened`. A clock is decided once. Go through the events of its round in order, without the one
that begins it; at each, first do 1, then what fits of 2 to 6, with clocks that still run:

1. The due instant lies before T: missed.
2. `breached` with this `clock` and this `due`, and T is the due instant: missed.
3. `severity-raised` or `severity-changed`: respond and resolve are from now on due at `respond_due` and
   `resolve_due` of this event (null: not at all).
4. `acknowledged` by a person: respond and answer are met.
5. `resolved`: resolve is met; respond and answer are met if `by` is `person`, and otherwise voided.
6. The next round begins (1 comes first here, too): voided.

What is still running after that is missed if its due instant lies before E, else it runs on. Met and voided
are decided at T of that event; missed at the due instant, or at T of the event that set it, if that is later.
Where there is no due instant at that moment, neither met nor voided holds: the clock ended without a due
instant.

**Reviews.** `review-required` begins a review, due at `due`, in place of one before it. Go through the events
that follow in the timeline; at each, first: the due instant lies before T: missed. Then: `review-completed`
meets it and completes it (a missed one is completed, too, and stays missed); `reopened` and the next
`review-required` withdraw it. If undecided after that: missed if the due instant lies before E, else still
undecided. It is decided at T of that event; missed at the due instant, or at T of `review-required`, if that
is later. *The* review of an incident is the last one; after a `reopened` there is none until the next
`review-required`.

**Drills.** Of the facts of a drill only those remain that the tables below give under a name of their own,
and its `incident_alerts`, which become `other_alerts`.

## From facts to figures

`plan` of a KPI is computed from all facts. `by_severity`, `by_service` and `by_version` (hash of the rules)
are computed the same way from the facts of the incidents with that severity, service or rules, drills and
journals and what is no incident apart; every such incident of the file makes a key, facts or not. Each KPI
below names its kind, and the metrics (narrowed to codes, where it says so) that it takes its values from:

| kind | figure |
|---|---|
| count | `value`: the sum of the values, 0 where there are none |
| maximum | `value`: the largest value |
| breakdown | `by`: for each code that occurs, the sum of its values; `value`: the sum of these |
| duration | `numerator`: the sum of the values; `denominator`: how many there are; `value`: the one by the \
other; `p50`, `p90`, `p95`, `max` |
| share | `numerator`: the sum of the values; `denominator`: how many there are; `value`: 100 × the one by \
the other |
| ratio | `numerator`: the sum of the values; `denominator`: the sum of the values of the metrics named \
after "over", with whatever code; `value`: the one by the other, times 100 where the unit is percent |
| change | `value`: `change_percent` of the KPI that it is about |

Without anything to compute it from a value is null: always where the denominator is 0. `value` of a duration,
share and ratio is a float, of the others an integer. A float is divided in double precision (the numerator
times 100 first) and written as Python's `float(f"{x:.6g}")`. `excluded` stands where a KPI names reasons to
leave something out: for each, how many facts of the named metric (and code) there are, or the sum of their
values where it says so.

What follows stands in `plan` only; by severity, service and version the value of a change is null. Where the
KPI can have a target, `target` is the plan's, or null, and `met` whether the value, as it is written, is on
its good side or equal to it; null without a target or a value. Other KPIs have neither key.

`previous` is the value in the bundle of the week before, null without one, and `baseline` that of the weeks
in `baseline.json` taken together, `baseline_weeks` of which have a value: of a count, maximum or breakdown
the mean of their values, else the sum of their numerators by the sum of their denominators (times 100 as
above). `change_percent` is 100 × (value − baseline) ÷ baseline, of both before they are rounded; null where
one of them is, or the baseline is 0. A change has no baseline of its own: `previous` is given, `baseline` and
`change_percent` are null and `baseline_weeks` is 0.
"""

CONTROLS = """\
## Controls

| control | says | `holds` when |
|---|---|---|
| `backlog` | `opening`, `opened`, `reopened`, `resolved`, `closing`: the sums of `incident_open_at_start`, \
`incident_opened`, `incident_reopened`, `incident_resolved`, `incident_open_at_end` | opening + opened + \
reopened − resolved = closing |
| `alerts` | `accepted`: the sum of `count` over all entries of all events `alerts` and `dispositions` with \
T from F on; `by_disposition`: the sums of `incident_alerts`, `other_alerts` and `journal_alerts` together, \
by code, of each code that occurs | the sum of `by_disposition` is `accepted`: every alert of the week \
stands under one disposition |
| `breaches` | `unrecorded` and `underived`: of each the keys `respond` and `resolve`, the sums of \
`breach_unrecorded` and `breach_underived` with that code, also where they are 0 | all four are 0: every \
missed clock has its `breached` event and every `breached` event a missed clock; the last moments of a week \
may be recorded in the next |
| `clock_ahead` | `incidents`: the sum of `clock_ahead` | it is 0: no alert started after the recording of \
the incident that it opened |

## Attestation

What a week without incidents is worth. The hours judged are the hours of UTC that ended at F or later and
before E: an hour is recorded when it is over, so the one that ends with the week stands in the next bundle,
and every hour is judged in one. An hour is watched where an event `watched` with T from F on has `sweeps`
above 0, `longest_gap_seconds` of at most 600, and a `from` and `until` between which the whole hour lies: so
the hours of an outage, that one event may tell of together with others, are not. The sweep is meant to run
every minute; ten minutes without one is what the alarm on its silence looks at.

| key | says |
|---|---|
| `quiet` | `incidents_opened`, `incidents_reopened`, `open_at_start`, `open_at_end` and `alerts` (the sum \
of `alerts_by_disposition`) are all 0 |
| `hours`, `hours_watched`, `hours_not_watched` | hours judged, those watched, and the rest; `not_watched` \
joins the rest to stretches, `from` and `until` of each |
| `sweeps`, `probes`, `probes_failed` | the sums over the `watched` with T from F on |
| `longest_gap_seconds` | the largest of these; null where there is no `watched` |
| `sweeper_alive` | there are hours, and all were watched |
| `intake_alive` | no probe failed; null where there were none |
| `attested` | `quiet`, `sweeper_alive` and `intake_alive` are all true |
"""

DRIFT = """\
## Baseline and drift

`baseline.json` holds the up to 12 calendar weeks before this one that have a bundle: of each its KPIs for the
plan and its samples by service, ascending: `time_to_acknowledge_seconds` and `time_to_resolve_seconds` as in
`audit.csv`, of incidents, and `alerts_per_day`: the sum of `count` over the entries of the events `alerts` of
incidents, by T, on each day of the plan's time zone within the week that ended at E or before. There is one
value for each of these days, 0 for a day without, of every service that had an alert on one of them; other
services have no sample. Drills enter no sample, nor do incidents that Tocsin opened because of a drift: those
whose `source` is null and whose `name` is `drift-alerts_per_day`, `drift-time_to_acknowledge_seconds` or
`drift-time_to_resolve_seconds`. Of more than 2,000 values of a sample the 2,000 in the middle of as many
equal parts are kept: the value at place floor((2i + 1) × n / 4000), from 0, for i from 0 to 1999.

`drift` of `kpi.json` holds this week's samples against all samples of those weeks taken together, by the
two-sample Kolmogorov-Smirnov test (two-sided): alerts a day with 5 values or more now and 21 before, times
with 8 and 20; with fewer there is no test. Taken together, a service with a sample of `alerts_per_day` in one
of those weeks has 7 values of 0 in each later one of them where it has none; and if it has none this week, 0
for each day of this week that ended at E or before.

A test has the keys `measure`, `service`, `now` and `before` (how many values), `statistic`, `direction`, `p`
and `drifted`. The tests are ordered by measure (`alerts_per_day`, `time_to_acknowledge_seconds`,
`time_to_resolve_seconds`), then by service. `statistic` is the largest distance D of the two step functions,
`direction` says which way this week's values lie there (`higher` on a tie). `p` is exact where the product of
the sizes is at most 200,000 (as SciPy's `ks_2samp` with `method="exact"`); above that, with e = nm/(n + m)
and x = (√e + 0.12 + 0.11/√e) D, it is 2 Σ (−1)^(k−1) exp(−2k²x²) over k = 1, 2, …, 100, 1 where x is below
0.3. `drifted` follows Holm: from the smallest p on, as it is written, that of the k-th of n tests (from 0)
times n − k must be at most 0.01, reckoned exactly; the first that is not ends it.
"""
