"""Checks Bicep without Azure: syntax, names, modules, and that no secret is written or handed out.

``python -m local.check_bicep infra`` prints ``file:line:column: error: what``, and ends with 1 if it does.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tree_sitter import Node

from local.bicep_modules import module_faults, parameter_file_faults
from local.bicep_secrets import secret_faults
from local.bicep_tree import Fault, Template, descendants, entries, read, syntax_faults, text

BUILT_IN = """
any array bool coalesce fail int json nameof object string format guid newGuid uniqueString utcNow base64
base64ToJson base64ToString dataUri dataUriToString uri uriComponent uriComponentToString buildUri parseUri
dateTimeAdd dateTimeFromEpoch dateTimeToEpoch cidrHost cidrSubnet parseCidr concat contains empty endsWith
first flatten indexOf intersection items join last lastIndexOf length max min objectKeys padLeft range
replace shallowMerge skip split startsWith substring take toLower toObject toUpper trim tryGet union filter
groupBy map mapValues reduce sort deployer deployment environment extensionResourceId getSecret list
listAccountSas listKeys managementGroup managementGroupResourceId pickZones providers reference
resourceGroup resourceId subscription subscriptionResourceId tenant tenantResourceId toLogicalZone
toLogicalZones toPhysicalZone toPhysicalZones loadDirectoryFileInfo loadFileAsBase64 loadJsonContent
loadTextContent loadYamlContent az sys allowed batchSize description discriminator export maxLength maxValue
metadata minLength minValue onlyIfNotExists retryOn sealed secure waitUntil
"""
MUST_BE_USED = {"param", "var", "func", "type", "existing resource"}


def check(paths: Sequence[Path]) -> list[Fault]:
    """The faults of Bicep files; of a directory, all below it with their parameter files."""
    files = [
        found for path in paths for found in (sorted(path.rglob("*.bicep")) if path.is_dir() else [path])
    ]
    faults = [fault for file in files for fault in check_file(file)]
    return sorted(set(faults)) if files else [Fault(str(path), 1, 1, "no Bicep files here") for path in paths]


def check_file(path: Path) -> list[Fault]:
    """The faults of one file; names and modules are looked at once its syntax is right."""
    template = read(path)
    faults = syntax_faults(template)
    if faults:
        return faults
    faults += duplicates(template)
    faults += names(template)
    faults += module_faults(template)
    faults += secret_faults(template)
    faults += parameter_file_faults(template)
    return faults


def duplicates(template: Template) -> Iterator[Fault]:
    """Symbols that are declared twice, and properties that an object sets twice."""
    seen: set[tuple[bool, str]] = set()
    for one in template.declarations:
        key = (one.kind == "output", one.name)
        if key in seen:
            yield template.fault(one.node, f"'{one.name}' is declared more than once")
        seen.add(key)
    for node in descendants(template.root):
        if node.type == "object":
            counted = Counter(name for name, _, _ in entries(node))
            for name, key_node, _ in entries(node):
                if counted[name] > 1:
                    yield template.fault(key_node, f"'{name}' is set more than once")


def names(template: Template) -> Iterator[Fault]:
    """Names that are used and nowhere declared, and names that are declared and nowhere used."""
    nested = [one for one in descendants(template.root) if one.type == "resource_declaration"]
    declared = {one.name for one in template.declarations if one.kind != "output"}
    declared |= {text(one.named_children[0]) for one in nested}
    declared |= set(BUILT_IN.split())
    used: set[str] = set()
    for node in references(template.root, frozenset()):
        name = text(node)
        used.add(name)
        if name not in declared:
            yield template.fault(node, f"'{name}' is not defined")
    for one in template.declarations:
        kind = (
            "existing resource" if any(text(child) == "existing" for child in one.node.children) else one.kind
        )
        if kind in MUST_BE_USED and one.name not in used:
            yield template.fault(one.node, f"{kind} '{one.name}' is never used")


def references(node: Node, bound: frozenset[str]) -> Iterator[Node]:
    """The identifiers below that stand for a symbol, without those that a loop or a lambda binds."""
    if node.type == "identifier":
        if text(node) not in bound:
            yield node
        return
    bound = bound | _bound_by(node)
    for child in node.named_children[_own_names(node) :]:
        yield from references(child, bound)


def _own_names(node: Node) -> int:
    """How many of the first children name the node itself or its key, rather than refer to something."""
    named = node.type.endswith("_declaration") or node.type in {"user_defined_function", "object_property"}
    return 1 if named and node.named_children and node.named_children[0].type == "identifier" else 0


def _bound_by(node: Node) -> frozenset[str]:
    children = node.named_children
    if node.type == "for_statement":
        loop = [one for one in children if one.type == "for_loop_parameters"]
        return frozenset(text(one) for one in (loop[0].named_children if loop else children[:1]))
    if node.type == "arguments":  # the grammar lets `x => x.a == x.b` end its lambda early
        lambdas = [one for one in descendants(node) if one.type == "lambda_expression"]
        return frozenset(text(n) for one in lambdas for c in one.named_children[:-1] for n in descendants(c))
    if node.type == "user_defined_function":
        taken = [one for one in descendants(node) if one.type == "parameter"]
        return frozenset(text(one.named_children[0]) for one in taken)
    return frozenset()


def main(arguments: Sequence[str]) -> int:
    """Prints what is wrong below the paths; the exit code is 1 where anything is."""
    faults = check([Path(one) for one in arguments or ["infra"]])
    for fault in faults:
        print(fault)
    if not faults:
        print("Bicep: nothing to complain about")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
