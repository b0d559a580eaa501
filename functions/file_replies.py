"""A file as HTTP gives it: whole or in part, with the ETag by which a caller knows that they have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

if TYPE_CHECKING:
    from shared.workflows.serve_exports import Fetched, Wanted

_TYPES = {
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "csv": "text/csv",
    "html": "text/html",
    "sig": "application/json",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "zip": "application/zip",
    "sha256": "text/plain",
}
_SHOWN = {"Cache-Control": "private, no-cache", "Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff"}


def wanted(req: func.HttpRequest, week: str, label: str | None) -> Wanted:
    """What a call asks for; of ``{file}`` in its path."""
    from shared.workflows.serve_exports import Wanted

    headers = req.headers
    return Wanted(
        week,
        req.route_params["file"],
        label,
        headers.get("Range", ""),
        headers.get("If-Range", ""),
        headers.get("If-None-Match", ""),
    )


def file_reply(fetched: Fetched) -> func.HttpResponse:
    """200, 206 for a part, or 304; always as a download, for a report holds what strangers wrote."""
    headers = {**_SHOWN, **({"ETag": fetched.etag} if fetched.etag else {})}
    if fetched.pieces is None:
        return func.HttpResponse(status_code=304, headers=headers)
    bundle, file = fetched.bundle, fetched.file
    name = f"{bundle.plan}-{bundle.week}-{bundle.label}-{file}"
    headers["Content-Disposition"] = f'attachment; filename="{name}"'
    if fetched.part is not None:
        headers["Content-Range"] = f"bytes {fetched.part}/{fetched.size}"
    kind = _TYPES.get(file.rsplit(".", 1)[-1], "application/octet-stream")
    status = 200 if fetched.part is None else 206
    return func.HttpResponse(b"".join(fetched.pieces), status_code=status, mimetype=kind, headers=headers)
