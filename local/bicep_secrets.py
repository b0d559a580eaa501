"""Finds secrets where Bicep would show them: in outputs, in app settings, in the text itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from local.bicep_tree import Fault, Template, descendants, entries, entry, literal, text

WRITTEN = re.compile(
    r"AccountKey=|SharedAccess(Key|Signature)=|[?&]sig=|-----BEGIN |password=|xox[abprs]-|gh[opsu]_\w{16}"
    r"|hooks\.slack\.com/services/",
    re.IGNORECASE,
)
RANDOM = re.compile(r"(?=[^\s]*[a-z])(?=[^\s]*[A-Z])(?=[^\s]*\d)[A-Za-z0-9+/_-]{24,}={0,2}|\b[0-9a-f]{32,}\b")
SECRET_NAME = re.compile(r"(KEY|SECRET|TOKEN|PASSWORD|PWD)$", re.IGNORECASE)
SECRET_PROPERTY = re.compile(
    r"connectionString|instrumentationKey|(primary|secondary|shared|account|master|default)(Master)?Key"
    r"|password|secretValue",
    re.IGNORECASE,
)
HANDS_OUT = re.compile(r"list[A-Z]\w*|list|getSecret")


def secret_faults(template: Template) -> Iterator[Fault]:
    """Outputs that hand out a secret, app settings that hold one, and secrets written anywhere."""
    for output in template.named("output").values():
        reason = _secret_in(template, output.node, frozenset(), SECRET_PROPERTY)
        if reason:
            yield template.fault(output.node, f"output '{output.name}' hands out a secret: {reason}")
    for name, key, value in app_settings(template.root):
        reason = _secret_in(template, value, frozenset(), None) or _written_setting(name, value)
        if reason:
            yield template.fault(key, f"app setting '{name}' holds a secret: {reason}; put it in the vault")
    for node in descendants(template.root):
        if node.type == "string" and WRITTEN.search(text(node)):
            yield template.fault(node, "a secret is written here")


def _secret_in(
    template: Template, node: Node, seen: frozenset[str], properties: re.Pattern[str] | None
) -> str | None:
    """Why the expression's value is secret, following variables to what they hold; None where it is not."""
    for one in descendants(node):
        if one.type == "call_expression" and HANDS_OUT.fullmatch(_called(one)):
            return f"{_called(one)}()"
        if one.type == "property_identifier" and properties and properties.fullmatch(text(one)):
            return text(one)
        if one.type == "identifier" and text(one) not in seen:
            reason = _secret_symbol(template, text(one), seen | {text(one)}, properties)
            if reason:
                return reason
    return None


def _secret_symbol(
    template: Template, name: str, seen: frozenset[str], properties: re.Pattern[str] | None
) -> str | None:
    param, variable = template.named("param").get(name), template.named("var").get(name)
    if param and param.secure:
        return f"the secure parameter '{name}'"
    return _secret_in(template, variable.node, seen, properties) if variable else None


def _called(call: Node) -> str:
    function = call.named_children[0]
    return text(function.named_children[-1] if function.type == "member_expression" else function)


def _written_setting(name: str, value: Node) -> str | None:
    written = literal(value)
    if not written or written.startswith("@Microsoft.KeyVault("):
        return None
    if RANDOM.search(written):
        return "its value looks random"
    return "its name says so, and its value is written out" if SECRET_NAME.search(name) else None


def app_settings(root: Node) -> Iterator[tuple[str, Node, Node]]:
    """Name, key and value of each setting in ``appSettings`` lists and in configs named ``appsettings``."""
    for node in descendants(root):
        if node.type != "object":
            continue
        for key, _, value in entries(node):
            if key == "appSettings":
                yield from _listed(value)
        properties = entry(node, "properties")
        if literal(entry(node, "name")) == "appsettings" and properties is not None:
            yield from entries(properties)


def _listed(settings: Node) -> Iterator[tuple[str, Node, Node]]:
    for one in descendants(settings):
        name, value = entry(one, "name"), entry(one, "value")
        written = literal(name)
        if name is not None and value is not None and written is not None:
            yield written, name, value
