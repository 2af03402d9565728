"""The algorithms and packs that are released with the program: the only module that imports `threats`."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, cast

from wormward import threats
from wormward.machine import processors
from wormward.model.errors import PackError
from wormward.model.pack import DomainAlgorithm, PacketAlgorithm, PortAlgorithm

ALGORITHMS = threats.ALGORITHMS
PACK_FILE = "pack.toml"


def folders() -> list[Traversable]:
    """The folders of the packs that come with the program, by name."""
    inside = files(threats).iterdir()
    return sorted((f for f in inside if f.is_dir() and f.joinpath(PACK_FILE).is_file()), key=lambda f: f.name)


def domains(where: str, name: str, parameters: dict[str, Any]) -> DomainAlgorithm:
    """The name generator `name`. Raises PackError, beginning with `where`, if there is none or it refuses a parameter."""
    return cast(DomainAlgorithm, _build("domains", where, name, parameters))


def ports(where: str, name: str, parameters: dict[str, Any]) -> PortAlgorithm:
    """The port rule `name`. Raises PackError like `domains`."""
    return cast(PortAlgorithm, _build("ports", where, name, parameters))


def packets(where: str, name: str, parameters: dict[str, Any]) -> PacketAlgorithm:
    """The packet format `name`. Raises PackError like `domains`."""
    return cast(PacketAlgorithm, _build("packets", where, name, parameters))


def _build(kind: str, where: str, name: str, parameters: dict[str, Any]) -> object:
    algorithm = ALGORITHMS.get(name)
    if algorithm is None or algorithm.kind != kind:
        known = ", ".join(sorted(n for n, a in ALGORITHMS.items() if a.kind == kind))
        raise PackError(f"{where}.algorithm: there is no {kind} algorithm {name!r}; this program has: {known}")
    try:
        return algorithm.build(checked(algorithm.parameters, parameters), processors())
    except ValueError as error:
        raise PackError(f"{where}: {error}") from error


def checked(kind: Any, parameters: dict[str, Any]) -> Any:
    """`kind(**parameters)` for a dataclass `kind`: exactly its fields, of its types. Raises ValueError with a sentence."""
    fields = kind.__dataclass_fields__
    unknown, missing = sorted(set(parameters) - set(fields)), sorted(set(fields) - set(parameters))
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}; remove it (known: {', '.join(fields) or 'none'})")
    if missing:
        raise ValueError(f"the key {missing[0]!r} is missing; add it")
    for name, value in parameters.items():
        if not _fits(value, fields[name].type):
            raise ValueError(f"{name} is of the wrong type; it must be {_WORDS[fields[name].type]}")
    return kind(**parameters)


_WORDS = {
    "int": "a whole number",
    "float": "a number with a decimal point",
    "str": "a text",
    "tuple[int, ...]": "a list of whole numbers",
    "tuple[str, ...]": "a list of texts",
}


def _fits(value: object, kind: str) -> bool:
    """Whether a TOML value is of a dataclass field's type (given as text, as all modules postpone annotations)."""
    if kind.startswith("tuple["):
        inner = kind.removeprefix("tuple[").partition(",")[0]
        return isinstance(value, list) and all(_fits(item, inner) for item in value)
    return type(value) is {"int": int, "float": float, "str": str}[kind]
