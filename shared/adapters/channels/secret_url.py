"""Rooms whose address is itself the secret: JSON goes to the URL that the channel's secret holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.adapters.channels.current_secret import with_current_secret
from shared.adapters.channels.http_post import HttpPost, address, provider_id
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets


def post_to_secret_url(
    http: HttpPost,
    spec: ChannelSpec,
    payload: Mapping[str, Any],
    id_header: str,
    idempotency_key: str,
    secrets: Secrets,
    now: datetime,
) -> Accepted:
    """Post once; ``id_header`` has the provider's id. Raises DeliveryFailed or SecretUnavailable."""
    if spec.secret is None:
        raise DeliveryFailed(f'channel "{spec.name}" names no secret with its URL', permanent=True)
    named = f'secret "{spec.secret}"'
    body = json.dumps(payload, ensure_ascii=False).encode("utf-8")
    headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": idempotency_key}

    def post(url: str) -> Accepted:
        answer = http.post(address(url, named), body, headers, now)
        return Accepted(answer.status, provider_id(answer.headers.get(id_header)))

    return with_current_secret(secrets, spec.secret, post)
