"""Brings the catalogues of `src/wormward/report/locale` up to date with the code (`make messages`).

    python docs/messages.py            merge new sentences in, drop those that are gone, say what is to translate
    python docs/messages.py --check    change nothing; exit 1 if a sentence is missing, untranslated or fuzzy

Sentences come from the code and the templates (`N_`, `say`, `many`, `_`) and, in the context "error", from the calls
that make an error or a problem: where such a sentence has something put in, the catalogue has `{1}`, `{2}`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po, write_po
from generate import ENDING, HOLES, KNOWN, ONCE_A_FILE, REPO, UNSEEN

from wormward.evidence.unpack import CUT

SOURCE = REPO / "src" / "wormward"
LOCALE = SOURCE / "report" / "locale"
KEYWORDS = {**DEFAULT_KEYWORDS, "N_": None, "say": None, "many": (1, 2)}
ERROR = "error"
MOST_FORMS = 24
"""A sentence that is put together in more ways than that stays English where no shorter part of it is known."""
MOST_ASSIGNED = 3
"""So many of the last texts that a name was given are taken for what it may hold."""
PLACES = (
    "line {}",
    "frame {}",
    "frame {}, byte {}",
    "byte {}",
    "byte {} of the uncompressed data",
    "record {}",
    "column {}",
    "page {}",
)
"""What stands before a problem, told by the readers."""
LETTERS = re.compile(r"[A-Za-z]{3}")
HEAD = "# Sentences of Wormward in {}; kept up to date by `make messages`.\n#"


def forms(node: ast.expr | None, assigned: list[ast.Assign | ast.AnnAssign]) -> list[str]:
    """Every text that an expression can make, with `{}` for what only a run knows; none if nothing is fixed."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.IfExp):
        return forms(node.body, assigned) + forms(node.orelse, assigned)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _joined([forms(node.left, assigned), forms(node.right, assigned)])
    if isinstance(node, ast.Name):
        before = [a for a in assigned if _name(a) == node.id and a.lineno < node.lineno]
        return [text for a in before[-MOST_ASSIGNED:] for text in forms(a.value, before[: before.index(a)])] or ["{}"]
    if isinstance(node, ast.JoinedStr):
        return _joined([_piece(part, assigned) for part in node.values])
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "strip":
        return forms(node.func.value, assigned)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("N_", "filled") and node.args:
        return [re.sub(r"\{\w+\}", "{}", text) for text in forms(node.args[0], assigned)]
    return ["{}"] if node is not None else []


def _piece(part: ast.expr, assigned: list[ast.Assign | ast.AnnAssign]) -> list[str]:
    if isinstance(part, ast.Constant):
        return [str(part.value)]
    value = part.value if isinstance(part, ast.FormattedValue) else part
    made = forms(value, assigned) if isinstance(value, ast.IfExp | ast.Name) else []
    return made if made and len(made) <= MOST_ASSIGNED else ["{}"]


def _joined(parts: list[list[str]]) -> list[str]:
    made = ["".join(choice) for _, choice in zip(range(MOST_FORMS + 1), product(*parts), strict=False)]
    return made if len(made) <= MOST_FORMS else []


def error_sentences() -> Iterator[tuple[str, str]]:
    """Each text of an error, a problem or a remedy, and the file it stands in."""
    for path in sorted(SOURCE.rglob("*.py")):
        where = path.relative_to(SOURCE).as_posix()
        if where in UNSEEN or where.startswith(("wire/", "threats/")):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        own = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
        yield from ((text, where) for text in _remedies(tree))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                yield from ((text, where) for text in _raised(function, own))
    for _, _, what, remedy in KNOWN:
        yield from ((text, "evidence/discover.py") for text in (what, remedy))
    for _, what, remedy in ONCE_A_FILE:
        # One sentence for a number of 1, one for more: it is found again by its words.
        told = (re.sub(r"\{\w+\|(.*?)\|(.*?)\}", which, text) for text in (what, remedy) for which in (r"\1", r"\2"))
        yield from ((re.sub(r"\{\w+\}", "{}", text), "evidence/capture_state.py") for text in told)
    yield CUT, "evidence/unpack.py"
    yield from ((place, "evidence/") for place in PLACES)


def _remedies(tree: ast.Module) -> Iterator[str]:
    """What is to be done, told beside the call that says what is wrong: by a name or a parameter called `remedy`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and _name(node).strip("_").lower() == "remedy" and node.value:
            yield from forms(node.value, [])
        if isinstance(node, ast.FunctionDef):
            named = [*node.args.posonlyargs, *node.args.args]
            defaults = [*zip(named[::-1], node.args.defaults[::-1], strict=False)]
            defaults += zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            yield from (text for arg, value in defaults if arg.arg == "remedy" for text in forms(value, []))


def _name(node: ast.Assign | ast.AnnAssign) -> str:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return target.id if isinstance(target, ast.Name) else ""


def _raised(function: ast.FunctionDef, own: list[ast.Assign | ast.AnnAssign]) -> Iterator[str]:
    assigned = [*own, *(n for n in ast.walk(function) if isinstance(n, ast.Assign | ast.AnnAssign) and _name(n))]
    assigned.sort(key=lambda n: n.lineno)
    for call in ast.walk(function):
        name = call.func.id if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) else ""
        if name in (*ENDING, *HOLES) and call.args:
            remedies = [k.value for k in call.keywords if k.arg == "remedy"]
            remedies += call.args[2:3] if name == "Problem" else []
            for node in (call.args[0], *remedies):
                yield from forms(node, assigned)


def numbered(text: str) -> str:
    """`{}` as `{1}`, `{2}`, ...; places without a word between them are one."""
    pieces = re.sub(r"(?:\{\})+", "{}", text).split("{}")
    return "".join(piece + (f"{{{i}}}" if i < len(pieces) else "") for i, piece in enumerate(pieces, 1))


def collected() -> Catalog:
    """All sentences as they stand in the code today."""
    catalogue = Catalog()
    with (SOURCE / "report" / "babel.cfg").open(encoding="utf-8") as mapping:
        methods, options = parse_mapping_cfg(mapping)
    for name, _, message, _, context in extract_from_dir(SOURCE, methods, options, KEYWORDS):
        catalogue.add(message, None, [(name, None)], context=context)
    for text, where in error_sentences():
        if LETTERS.search(text.replace("{}", "")):
            catalogue.add(numbered(text.strip()), None, [(where, None)], context=ERROR)
    return catalogue


def updated(path: Path, fresh: Catalog) -> Catalog:
    """The catalogue at `path` with exactly the sentences of `fresh`, translations kept, nothing guessed."""
    with path.open("rb") as stream:
        kept = read_po(stream)
    kept.update(fresh, no_fuzzy_matching=True, update_creation_date=False)
    kept.obsolete.clear()
    kept.header_comment = HEAD.format(kept.locale.english_name)
    return kept


def open_sentences(catalogue: Catalog) -> list[str]:
    """What is not translated yet, or only guessed."""
    strings = ((m, (m.string,) if isinstance(m.string, str) else m.string) for m in catalogue if m.id)
    return [str(m.id) for m, told in strings if m.fuzzy or not told or not all(told)]


def main(words: list[str]) -> int:
    """Update or check each catalogue; 1 if something is to do for a translator (when checking)."""
    fresh, bad = collected(), 0
    for path in sorted(LOCALE.glob("*/wormward.po")):
        with path.open("rb") as stream:
            before = {(m.context, str(m.id)) for m in read_po(stream) if m.id}
        catalogue = updated(path, fresh)
        now = {(m.context, str(m.id)) for m in catalogue if m.id}
        todo = [*open_sentences(catalogue), *(f"gone: {i}" for _, i in sorted(before - now, key=str))]
        if "--check" not in words:
            with path.open("wb") as stream:
                write_po(stream, catalogue, width=0, sort_output=False, include_lineno=False, ignore_obsolete=True)
            todo = open_sentences(catalogue)
        print(f"{path.relative_to(REPO)}: {len(now)} sentences, {len(todo)} to do")
        print("".join(f"  {line}\n" for line in todo), end="")
        bad += len(todo)
    return 1 if bad and "--check" in words else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
