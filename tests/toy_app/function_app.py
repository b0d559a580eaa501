"""A function app with a function of each kind that the local host plays; it tells a receiver what came."""

# ruff: noqa: ARG001  # the platform hands the request over whether a function wants it or not

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def tell(fact: dict[str, object]) -> None:
    """Post a fact to the test's receiver, if it has one."""
    receiver = os.environ.get("TOY_RECEIVER")
    if receiver:
        request = urllib.request.Request(receiver, json.dumps(fact).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=10):
            pass


@app.route(route="things/{name}/{number:int}/{detail?}", methods=["GET", "POST"])
def show_call(req: func.HttpRequest) -> func.HttpResponse:
    """Answer with what was handed over."""
    seen = {
        "method": req.method,
        "url": req.url,
        "route": dict(req.route_params),
        "query": dict(req.params),
        "headers": dict(req.headers),
        "body": req.get_body().decode(),
    }
    return func.HttpResponse(json.dumps(seen), mimetype="application/json", headers={"X-Toy": "yes"})


@app.route(route="words/all", methods=["GET"])
def all_words(req: func.HttpRequest) -> str:
    """The literal path."""
    return "all"


@app.route(route="words/{word}", methods=["GET"])
def one_word(req: func.HttpRequest) -> str:
    """The same place, as a parameter."""
    return f"one {req.route_params['word']}"


@app.route(route="files/{*path}", methods=["GET"])
def any_file(req: func.HttpRequest) -> str:
    """The rest of the path."""
    return f"file {req.route_params.get('path', '-')}"


@app.route(route="size", methods=["POST"])
def size(req: func.HttpRequest) -> str:
    """How long the body was."""
    return str(len(req.get_body()))


@app.route(route="key", auth_level=func.AuthLevel.FUNCTION)
def with_key(req: func.HttpRequest) -> func.HttpResponse:
    """Behind a function key, in any method."""
    return func.HttpResponse(status_code=204)


@app.route(route="fails", methods=["GET"])
def fail(req: func.HttpRequest) -> func.HttpResponse:
    """Our own fault."""
    raise LookupError("the toy is broken")


@app.route(route="nothing", methods=["GET"])
def forget_to_answer(req: func.HttpRequest) -> func.HttpResponse:
    """Returns what the platform does not take."""
    return None  # type: ignore[return-value]  # what it is for


@app.route(route="soon", methods=["GET"])
async def answer_soon(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """An asynchronous function that asks for its context."""
    seen = {"function": context.function_name, "trace": context.trace_context.trace_parent}
    return func.HttpResponse(json.dumps(seen))


@app.route(route="wait", methods=["GET"])
def wait_for_gate(req: func.HttpRequest) -> str:
    """Answers when somebody has written to the pipe that the query names."""
    tell({"waiting": True})
    return Path(req.params["gate"]).read_text(encoding="utf-8")


@app.timer_trigger(arg_name="timer", schedule="%TOY_SCHEDULE%", run_on_startup=True)
def tick(timer: func.TimerRequest) -> None:
    """A timer that also runs at the start."""
    tell({"timer": "tick", "past_due": timer.past_due})


@app.timer_trigger(arg_name="timer", schedule="0 0 3 * * MON")
def weekly(timer: func.TimerRequest) -> None:
    """A timer that a test cannot wait for."""
    tell({"timer": "weekly", "past_due": timer.past_due})


@app.queue_trigger(arg_name="message", queue_name="%TOY_QUEUE%", connection="TOY_STORAGE")
def take(message: func.QueueMessage) -> None:
    """A message; one that says so fails."""
    body = message.get_body().decode()
    tell({"message": body, "id": message.id, "dequeue_count": message.dequeue_count})
    if body == "fail":
        raise LookupError("this message cannot be handled")
