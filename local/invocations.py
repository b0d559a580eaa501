"""Runs the app's functions: the one place that knows what is running, and where their failures are caught."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

import azure.functions as func

from local.functions import HTTP, Function

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How a run ended; a run that failed has been logged and has no value."""

    failed: bool
    value: object = None


FAILED = Outcome(failed=True)


@dataclass(frozen=True)
class TraceContext:
    """The trace that a call belongs to, as its W3C headers say."""

    trace_parent: str = ""
    trace_state: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RetryContext:
    """No run is a retry here."""

    retry_count: int = 0
    max_retry_count: int = 0
    exception: None = None


NO_TRACE = TraceContext()


class Context(func.Context):
    """The ``context`` argument of a function that asks for one."""

    def __init__(self, function: Function, trace: TraceContext) -> None:
        self._function = function
        self._trace = trace
        self._id = str(uuid.uuid4())
        self._local = threading.local()

    @property
    def invocation_id(self) -> str:
        """A new id for each run."""
        return self._id

    @property
    def thread_local_storage(self) -> Any:  # noqa: ANN401  # the platform's type is wrong: it is an instance
        """For this run alone."""
        return self._local

    @property
    def function_name(self) -> str:
        """The name the app gave the function."""
        return self._function.name

    @property
    def function_directory(self) -> str:
        """The app's directory."""
        return self._function.directory

    @property
    def trace_context(self) -> Any:  # noqa: ANN401  # the platform's type is not public
        """The trace that the call belongs to."""
        return self._trace

    @property
    def retry_context(self) -> Any:  # noqa: ANN401  # the same
        """A first try, always."""
        return RetryContext()


class Invocations:
    """Runs functions and counts those that are running."""

    def __init__(self) -> None:
        self._running: dict[str, int] = {}
        self._changed = threading.Condition()

    def run(self, function: Function, argument: object, trace: TraceContext = NO_TRACE) -> Outcome:
        """Run the function on this thread. Its failure is logged here."""
        self._count(function.name, 1)
        try:
            value = self._call(function, argument, trace)
        except Exception:
            log.exception("Function %s failed", function.name)
            return FAILED
        finally:
            self._count(function.name, -1)
        if function.kind != HTTP and value is not None:
            log.error("Function %s failed: its trigger takes no return value", function.name)
            return FAILED
        return Outcome(failed=False, value=value)

    def wait_until_idle(self, seconds: float) -> list[str]:
        """Wait for what is running; the names of those still running at the end of the time."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running, timeout=max(0.0, seconds))
            return sorted(self._running)

    @staticmethod
    def _call(function: Function, argument: object, trace: TraceContext) -> object:
        arguments = {function.argument: argument}
        if function.takes_context:
            arguments["context"] = Context(function, trace)
        value = function.code(**arguments)
        return asyncio.run(value) if inspect.iscoroutine(value) else value

    def _count(self, name: str, change: int) -> None:
        with self._changed:
            left = self._running.get(name, 0) + change
            if left:
                self._running[name] = left
                return
            del self._running[name]
            if not self._running:
                self._changed.notify_all()
