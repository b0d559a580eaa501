"""Whoever a plan names hears that a bundle is ready: once, by their own channel, with a link to it."""

from __future__ import annotations

from pathlib import Path

from tests.host_process import EACH_SECOND, running
from tests.receivers import HttpReceiver
from tests.test_http_exports import PLAN, week


def test_a_bundle_that_is_ready_is_announced_once_with_a_link_that_opens_it(tmp_path: Path) -> None:
    with HttpReceiver() as receiver:
        plan = PLAN.replace("reach: [{channel: log}]", "reach: [{channel: hook}]").replace(
            "channels: {log: {kind: log}}",
            f"channels: {{hook: {{kind: webhook, url: '{receiver.url}/ready', secret: signing}}}}\n"
            "exports: {notify: [anna], link: 2d}",
        )
        settings = {"EXPORT_SCHEDULE": EACH_SECOND, "SECRET_SIGNING": "made-up"}
        with running(tmp_path, {"acme": plan}, **settings) as host:
            [first] = receiver.received(1, seconds=20)
            told = first.json()
            link = told["source_url"]
            assert week(1) in told["title"]

            page = host.call("GET", "/e/" + link.rsplit("/e/", 1)[1], headers={"Accept": "text/html"})
            assert page.status == 200
            assert week(1).encode() in page.body

            kept = host.get(f"/api/v1/plans/acme/exports/{week(1)}/bundle.zip", "aud:Auditor")
            assert kept.status == 200
            host.call("POST", f"/api/v1/plans/acme/exports/{week(1)}", who="ada:Admin")
        assert len(receiver.received(1)) == 1
