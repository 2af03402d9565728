"""Writes the pages that are made from code: tables, commands, detectors, errors, the README's example (`make docs`).

    python docs/generate.py            write them
    python docs/generate.py --check    say which are out of date (exit 1), write nothing

What a page says stands beside the code it speaks of, once; a page is never edited by hand.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import typer

from wormward.cli import app
from wormward.detect import detector_table
from wormward.engine.ask import ASKED
from wormward.evidence import READERS
from wormward.evidence.capture_state import _ONCE_A_FILE as ONCE_A_FILE
from wormward.evidence.discover import KNOWN
from wormward.model import errors, tables
from wormward.model.text import filled
from wormward.report import csvout
from wormward.sitefile import form

REPO = Path(__file__).resolve().parent.parent


def notice(source: str) -> str:
    """The line that tells an editor where to go instead."""
    return f"<!-- Made by `make docs` from {source}; do not edit. -->\n"


def cell(text: str) -> str:
    """Text as it may stand in a table's cell."""
    return text.replace("|", "\\|").replace("\n", " ").strip()


# --- tables ---------------------------------------------------------------------------------------------------------


def type_name(kind: pa.DataType) -> str:
    """An Arrow type as the documentation names it."""
    if pa.types.is_list(kind):
        return f"list of {type_name(kind.value_type)}"
    return {"double": "float64"}.get(str(kind), str(kind))


def table_section(table: tables.Table, *, hide: int = 0) -> list[str]:
    """One table: its sentence and its columns after the first `hide`."""
    lines = [f"### `{table.name}`", "", table.doc, "", "| column | type | meaning |", "| --- | --- | --- |"]
    lines += [f"| `{c.name}` | {type_name(c.type)} | {cell(c.doc)} |" for c in table.columns[hide:]]
    return [*lines, ""]


def tables_page() -> str:
    """Every table schema: the contract between readers, annotators and detectors."""
    lines = [notice("src/wormward/model/tables.py"), "# Tables", ""]
    lines += [
        "Readers fill tables, detectors read them, neither knows the other. Times are UTC with microseconds.",
        "`--workspace DIR` keeps these tables as Parquet.",
        "",
        "## Facts",
        "",
        "Every table of facts begins with these columns, so that each row can be cited:",
        "",
    ]
    cited = tables.Table("citation", "", tables.CITATION)
    lines += table_section(cited)[4:]
    lines += [
        "`wormward sql QUERY --workspace DIR` asks them in DuckDB's SQL, for example:",
        "",
        "    wormward sql 'SELECT client, count(DISTINCT name) AS names FROM dns_queries GROUP BY client ORDER BY names DESC' "
        "--workspace DIR",
        "",
        "It shows two more columns of every table of facts, after the others; `sources` tells of each source:",
        "",
    ]
    lines += table_section(tables.Table("asked", "", ASKED))[4:]
    lines += table_section(tables.SOURCES)
    for table in tables.FACTS:
        lines += table_section(table, hide=len(tables.CITATION))
    lines += ["## Annotations", "", "What is known of a distinct key, computed once from the threat pack.", ""]
    for table in tables.ANNOTATIONS:
        lines += table_section(table)
    lines += ["## Sources", "", *table_section(tables.SOURCES)]
    return "\n".join(lines).rstrip() + "\n"


# --- commands -------------------------------------------------------------------------------------------------------


def parameter_row(parameter: Any, context: Any) -> str:
    """One option or argument of a command, as a row."""
    record = parameter.get_help_record(context)
    name = parameter.metavar if parameter.param_type_name == "argument" or not record else record[0]
    return f"| `{cell(name)}` | {cell(getattr(parameter, 'help', None) or '')} |"


def command_section(name: str, command: Any) -> list[str]:
    """One command: its own help text and its parameters."""
    context = command.make_context(name, [], resilient_parsing=True)
    lines = [f"## `{name}`", "", (command.help or "").strip(), "", "| parameter | meaning |", "| --- | --- |"]
    return [*lines, *(parameter_row(p, context) for p in command.params if not getattr(p, "hidden", False)), ""]


def commands_page() -> str:
    """Every command with its options, as `--help` tells them."""
    top: Any = typer.main.get_command(app)
    lines = [notice("src/wormward/cli.py"), "# Commands", "", (top.help or "").strip(), ""]
    for name, command in sorted(getattr(top, "commands", {}).items()):
        for inner, part in sorted(getattr(command, "commands", {"": command}).items()):
            lines += command_section(f"wormward {name} {inner}".rstrip(), part)
    lines += ["What `--site` takes: [site.toml](site.md)."]
    return "\n".join(lines).rstrip() + "\n"


# --- site ---------------------------------------------------------------------------------------------------------


def shown_type(kind: Any) -> str:
    """The type of a key as people name it."""
    if "integer" in str(kind):
        return "whole number"
    if "$ref" in str(kind):
        return "table"
    return "list of texts" if kind.get("type") == "array" else "text"


def site_rows(table: type[form.Strict]) -> Iterator[str]:
    """One row a key: its type, default, and what it changes."""
    described = table.model_json_schema()["properties"]
    for key, field in table.model_fields.items():
        default = f"`{tomled(field.default)}`" if isinstance(field.default, str) else ""
        yield f"| `{key}` | {shown_type(described[key])} | {default} | {cell(field.description or '')} |"


def tomled(value: Any) -> str:
    """A value as TOML writes it."""
    return json.dumps(value, ensure_ascii=False)


def site_page() -> str:
    """Every key of site.toml."""
    lines = [notice("src/wormward/sitefile/form.py"), "# site.toml", ""]
    lines += [inspect.cleandoc(form.INTRODUCTION), "", "```toml"]
    for head, table in form.TABLES.items():
        lines += [head, *(f"{key} = {tomled(value)}" for key, value in form.examples(table).items()), ""]
    lines = [*lines[:-1], "```", ""]
    for head, table in form.TABLES.items():
        lines += [f"## `{head}`", "", inspect.cleandoc(table.__doc__ or ""), "", "| key | type | without it | what it says |"]
        lines += ["| --- | --- | --- | --- |", *site_rows(table), ""]
    return "\n".join(lines).rstrip() + "\n"


# --- csv ------------------------------------------------------------------------------------------------------------


def csv_page() -> str:
    """Every column of the tables for spreadsheets."""
    lines = [notice("src/wormward/report/csvout.py"), "# CSV", "", inspect.cleandoc(csvout.__doc__ or ""), ""]
    lines += [
        "The first column of each file, `tlp`, says whom the row may be passed on to (`--tlp`); the last, `note`, "
        "is empty but in a shareable copy (`--pseudonymous`), where it says that the addresses belong to nobody.",
        "",
    ]
    for name, doc, columns in csvout.sheets():
        lines += [f"## `{name}`", "", doc, "", "| column | meaning |", "| --- | --- |"]
        lines += [*(f"| `{column}` | {cell(meaning)} |" for column, meaning in columns), ""]
    return "\n".join(lines).rstrip() + "\n"


# --- errors ---------------------------------------------------------------------------------------------------------

ENDING = ("UsageError", "NoEvidenceError", "PackError", "SiteError", "WorkspaceError")
"""Errors that end the run; their text says what to do."""
HOLES = ("EvidenceError", "Problem")
"""What could not be read of one file: a row of coverage, with a remedy of its own."""
UNSEEN = ("model/findings.py", "report/i18n.py", "store/buffer.py")
"""Modules whose errors speak of a fault of the program."""
BEYOND = "…"


def said(node: ast.expr | None, assigned: list[ast.Assign]) -> str:
    """The text of an expression as far as it stands in the code (a name: what was `assigned` last); else an ellipsis."""
    if isinstance(node, ast.Name):
        before = [a for a in assigned if a.targets[0].id == node.id and a.lineno < node.lineno]
        return said(before[-1].value, []) if before else BEYOND
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "strip":
        return said(node.func.value, assigned)
    if isinstance(node, ast.IfExp):
        return " / ".join(said(part, assigned) for part in (node.body, node.orelse))
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        text = "".join(part.value if isinstance(part, ast.Constant) else BEYOND for part in node.values)
        return re.sub(f"(?:{BEYOND})+", BEYOND, text)
    return BEYOND if node is not None else ""


def raised(names: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    """Name, text and remedy of every error of these names that the code can make, in order of the code."""
    package = REPO / "src" / "wormward"
    for path in sorted(package.rglob("*.py")):
        where = path.relative_to(package).as_posix()
        if where in UNSEEN or where.startswith(("wire/", "threats/")):
            continue
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            assigned = [n for n in ast.walk(function) if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name)]
            assigned.sort(key=lambda n: n.lineno)
            for call in ast.walk(function):
                name = call.func.id if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) else ""
                if name in names and call.args:
                    remedy = next((k.value for k in call.keywords if k.arg == "remedy"), None)
                    if name == "Problem" and len(call.args) == 3:
                        remedy = call.args[2]
                    yield name, said(call.args[0], assigned), said(remedy, assigned)


def hole_rows() -> list[str]:
    """What may be wrong with a file, and what to do about it."""
    rows = [(what, remedy) for _, what, remedy in raised(HOLES)]
    rows += [(what, remedy) for _, _, what, remedy in KNOWN]
    rows += [(what, remedy) for _, what, remedy in ONCE_A_FILE]
    rows = [(filled(what, {"number": BEYOND, "said": BEYOND}), remedy) for what, remedy in rows]
    told = sorted({row for row in rows if len(row[0].replace(BEYOND, "").strip()) > 3})
    return [f"| {cell(what)} | {cell(remedy) if cell(remedy).strip(BEYOND) else 'as it says'} |" for what, remedy in told]


def errors_page() -> str:
    """Every sentence about what went wrong, from the calls that make it."""
    lines = [notice("the errors that src/wormward/ can raise"), "# What it says when something is wrong", ""]
    lines += [
        "One sentence each: which file, where in it, what to do. An ellipsis stands for what differs: a name, a number, what",
        "the system said. Exit codes are explained in the [README](../README.md#assess-your-own-evidence).",
        "",
        "## A line in the report",
        "",
        'A file that cannot be read, or not in full, never ends the run. It stands under "Could not be read" and in `coverage`,',
        "the rest is assessed, and the exit code is 3 if nothing is found.",
        "",
        "| it says | what to do |",
        "| --- | --- |",
        *hole_rows(),
        "",
        "## The run ends (exit 2)",
        "",
        "Wrong usage is told before any work. Nothing is left half-written: a report is whole or not there, and a workspace",
        "that was there stays as it was.",
        "",
    ]
    for name in ENDING:
        told = sorted({text for found, text, _ in raised((name,)) if len(text.replace(BEYOND, "").strip()) > 3})
        lines += [f"**{name}**: {cell(getattr(errors, name).__doc__)}", "", *(f"- {text}" for text in told), ""]
    lines += ["## No error: what a kind of source cannot show", ""]
    for reader in READERS:
        lines += [f"{reader.title}:", "", *(f"- {sentence}" for sentence in reader.blind), ""]
    return "\n".join(lines).rstrip() + "\n"


# --- README ---------------------------------------------------------------------------------------------------------

BEGIN, END = "<!-- Made by `make docs` from the example; do not edit. -->\n", "<!-- end of what is made -->"


def demo_output() -> str:
    """What the first command prints, up to what the evidence cannot show."""
    command = [sys.executable, "-m", "wormward.cli", "assess", "--lang", "en", "examples/outbreak"]
    done = subprocess.run(command, cwd=REPO, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if done.returncode != 1:
        raise SystemExit(f"docs: the example ended with exit {done.returncode}, not 1: wormward assess examples/outbreak")
    return done.stdout.partition("\nWhat this evidence cannot show")[0].rstrip()


def readme() -> str:
    """The front page with the example's output as it is today."""
    before, begin, rest = (REPO / "README.md").read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit("docs: README.md has lost the marks between which the example's output stands")
    return f"{before}{begin}\n```\n{demo_output()}\n```\n\n{end}{after}"


PAGES: dict[str, Callable[[], str]] = {
    "docs/tables.md": tables_page,
    "docs/commands.md": commands_page,
    "docs/site.md": site_page,
    "docs/detectors.md": detector_table,
    "docs/csv.md": csv_page,
    "docs/errors.md": errors_page,
    "README.md": readme,
}


def main(words: list[str]) -> int:
    """Write the pages, or check that they are up to date."""
    stale = []
    for name, page in PAGES.items():
        path, text = REPO / name, page()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in words:
                path.write_text(text, encoding="utf-8")
    if "--check" in words and stale:
        print(f"out of date: {', '.join(stale)}; run `make docs`", file=sys.stderr)
        return 1
    print("docs: up to date" if not stale else f"docs: wrote {', '.join(stale)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
