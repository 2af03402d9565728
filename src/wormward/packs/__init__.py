"""Threat packs: what is known of a worm, as data. Loaded strictly; the only part of the program that imports `threats`.

builtin_packs()   the packs that come with the program, loaded, in order of their names
load(folder)      a pack from a folder with `pack.toml`
lint(pack)        what is odd in a pack that loads
"""

from __future__ import annotations

from importlib.resources.abc import Traversable

from wormward.model.pack import ThreatPack
from wormward.packs import files, registry
from wormward.packs.build import threat_pack
from wormward.packs.lint import lint

__all__ = ["builtin_packs", "lint", "load"]


def builtin_packs() -> tuple[ThreatPack, ...]:
    """The packs that come with the program, in order of their names. Raises PackError if an installation is damaged."""
    return tuple(load(folder) for folder in registry.folders())


def load(folder: Traversable) -> ThreatPack:
    """The pack in `folder` (a `Path` will do).

    Raises PackError if it is malformed or refers to what this program does not have; the message names the file, the
    key and what to do.
    """
    contents = files.read(folder)
    where = f"{folder.name}/{files.PACK_FILE}"
    file = files.parse(contents[files.PACK_FILE], where)
    listed = contents.get(files.SINKHOLES)
    caught = files.sinkholes(listed, f"{folder.name}/{files.SINKHOLES}") if listed is not None else frozenset()
    return threat_pack(file, caught, files.digest(contents), where)
