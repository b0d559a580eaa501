"""What ``function_app.py`` declares, read through the public API of azure.functions as the platform does."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import azure.functions as func

HTTP, TIMER, QUEUE = "httpTrigger", "timerTrigger", "queueTrigger"
PLAYED = {HTTP, TIMER, QUEUE, "http"}


class CannotLoad(Exception):
    """The app declares something that the platform would refuse, or that is not played here."""


@dataclass(frozen=True, eq=False)
class Function:
    """One function: its trigger as in function.json, and the code with the name of its argument."""

    name: str
    kind: str
    trigger: Mapping[str, Any]
    code: Callable[..., Any]
    argument: str
    takes_context: bool
    directory: str


def load_functions(app_dir: Path) -> list[Function]:
    """Import ``function_app`` from ``app_dir`` and list its functions.

    Raises CannotLoad, and whatever the import raises.
    """
    sys.path.insert(0, str(app_dir))
    module = importlib.import_module("function_app")
    apps = [value for value in vars(module).values() if isinstance(value, func.FunctionRegister)]
    if len(apps) != 1:
        raise CannotLoad(f"{module.__file__} has {len(apps)} function apps, not one")
    functions = [_read(declared, str(app_dir)) for declared in apps[0].get_functions()]
    if not functions:
        raise CannotLoad(f"{module.__file__} declares no function: are the blueprints registered?")
    return functions


def _read(declared: func.Function, directory: str) -> Function:
    name = str(declared.get_function_name())
    bindings = [json.loads(binding) for binding in declared.get_raw_bindings()]
    unknown = sorted({binding["type"] for binding in bindings} - PLAYED)
    if unknown:
        raise CannotLoad(f"function {name}: the local host does not play {', '.join(unknown)}")
    trigger = next(binding for binding in bindings if binding["type"] != "http")
    code = declared.get_user_function()
    parameters = set(inspect.signature(code).parameters)
    if parameters - {"context"} != {trigger["name"]}:
        raise CannotLoad(f"function {name} takes {sorted(parameters)}; its trigger gives {trigger['name']!r}")
    return Function(name, trigger["type"], trigger, code, trigger["name"], "context" in parameters, directory)
