"""`wormward sql`: questions over a workspace are answered in three forms, change nothing and reach nothing."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from time import sleep

import pyarrow as pa
import pytest

from tests.cli_help import LOOKUPS, Done, lookups, wormward
from tests.tree import REPO
from wormward.engine.ask import ASKED, Asker
from wormward.model.tables import FACTS, SOURCES
from wormward.report.answers import to_csv, to_table

HOSTILE = "\x1b[31m=evil\u202e.example"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sql")
    text = LOOKUPS + f"2009-02-02T10:00:00Z,10.0.0.9,{HOSTILE},\n2009-02-02T10:00:00Z,10.0.0.9,=1+1.example,\n"
    log = lookups(folder, text, "=q.csv")
    assert wormward("assess", log, "--workspace", folder / "w", "--quiet").code == 0
    return folder / "w"


def ask(question: str, workspace: Path, *words: str) -> Done:
    return wormward("sql", question, "--workspace", workspace, *words)


def test_every_documented_table_and_column_is_there(workspace: Path) -> None:
    for table in (*FACTS, SOURCES):
        said = json.loads(ask(f"SELECT * FROM {table.name}", workspace, "--format", "json").out)  # noqa: S608
        extra = () if table is SOURCES else ASKED
        assert said["columns"] == [c.name for c in (*table.columns, *extra)]
        assert bool(said["rows"]) == (table.name in ("dns_queries", "sources"))


def test_rows_are_joined_with_their_source_and_point_at_their_lines(workspace: Path) -> None:
    said = json.loads(ask("SELECT time, file, place, name FROM dns_queries ORDER BY place", workspace, "--format", "json").out)
    assert said["rows"][0] == ["2009-02-02T08:00:00Z", "=q.csv", 2, "www.example.com"]
    assert said["more"] is False


def test_an_answer_is_bounded_and_says_so(workspace: Path) -> None:
    done = ask("SELECT range FROM range(100000000000)", workspace, "--rows", "3")
    assert (done.code, done.out.split()) == (0, ["range", "0", "1", "2"])
    assert "there are more rows; these are the first 3" in done.one_sentence()
    assert ask("SELECT place FROM dns_queries", workspace).err == ""


def test_hostile_names_stay_text_in_every_form(workspace: Path) -> None:
    question = "SELECT name, file, chr(27) || ']0;x' AS made FROM dns_queries WHERE client = '10.0.0.9' ORDER BY place"
    for form in ("table", "csv", "json"):
        out = ask(question, workspace, "--format", form).out
        assert out.isprintable() or not [c for c in out if not c.isprintable() and c not in "\r\n\ufeff"]
        assert "evil" in out
    cells = list(csv.reader(io.StringIO(ask(question, workspace, "--format", "csv").out.removeprefix("\ufeff"))))
    assert cells[2][:2] == ["'=1+1.example", "'=q.csv"]
    assert ask('SELECT 1 AS "=cmd"', workspace, "--format", "csv").out == '\ufeff"\'=cmd"\r\n"1"\r\n'


@pytest.mark.parametrize(
    ("question", "what"),
    [
        ("SELECT * FROM read_text('/etc/passwd')", "Cannot access file"),
        ("SELECT * FROM read_csv('/proc/self/environ')", "Cannot access file"),
        ("SELECT * FROM glob('/etc/*')", "Cannot access file"),
        ("SELECT * FROM read_parquet('http://127.0.0.1:9/x.parquet')", "Cannot access file"),
        ("COPY (SELECT 1) TO '{folder}/x.csv'", "one SELECT"),
        ("COPY (SELECT 1) TO '{part}'", "one SELECT"),
        ("SELECT * FROM query('COPY flows TO ''{folder}/x.csv''')", "cannot be answered"),
        ("ATTACH '{folder}/x.db'", "one SELECT"),
        ("SET enable_external_access = true", "one SELECT"),
        ("INSTALL httpfs", "one SELECT"),
        ("LOAD httpfs", "one SELECT"),
        ("DROP VIEW flows", "one SELECT"),
        ("WITH gone AS (DELETE FROM sources RETURNING *) SELECT * FROM gone", "cannot be answered"),
        ("SELECT 1; SELECT 2", "one SELECT"),
        ("", "one SELECT"),
        ("SELEC", "syntax error"),
        ("SELECT nothing FROM flows", "nothing"),
        ("SELECT * FROM tables", "cannot be answered"),
        ("SELECT ?", "cannot be answered"),
        ("SELECT error('first\nsecond\x1b[31m')", "cannot be answered"),
    ],
)
def test_nothing_else_is_answered_read_or_written(workspace: Path, question: str, what: str) -> None:
    part = next(workspace.rglob("part-*.parquet"))
    before = {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file()}
    done = ask(question.format(folder=workspace, part=part), workspace)
    assert done.code == 2
    assert what in done.one_sentence()
    assert done.one_sentence().isprintable()
    assert done.out == ""
    assert {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file()} == before


def test_a_folder_without_workspace_is_a_sentence(tmp_path: Path) -> None:
    assert "holds no workspace" in ask("SELECT 1", tmp_path).one_sentence()


def test_values_of_every_kind() -> None:
    row = [None, True, 1.5, [b"\xff", "x"], b"\x00a", {"a": 1}]
    table = to_table(["n", "b", "f", "l", "y", "d"], [row])
    assert table.splitlines()[1].split() == ["True", "1.5", "\\xff,", "x", "\\x00a", "{'a':", "1}"]
    assert to_csv(["a"], [["x" * 40_000]]).count("x") < 33_000


def _answer(question: str) -> tuple[object, ...]:
    sources = pa.schema([pa.field(c.name, c.type) for c in SOURCES.columns]).empty_table()
    with Asker({}, sources, threads=1) as asker:
        (row,) = asker.ask(question, 1).rows
    return row


@pytest.mark.parametrize(
    ("made", "value"),
    [
        ("TIMESTAMPTZ '2009-01-02 03:04:05.123456Z'", datetime(2009, 1, 2, 3, 4, 5, 123456, UTC)),
        ("TIMESTAMP '2009-01-02 03:04:05'", datetime(2009, 1, 2, 3, 4, 5)),
        ("TIMESTAMP_NS '2009-01-02 03:04:05.123456789'", datetime(2009, 1, 2, 3, 4, 5, 123456)),
        ("'infinity'::TIMESTAMPTZ", "later than the year 9999"),
        ("'-infinity'::DATE", "earlier than the year 1"),
        ("DATE '2009-01-02'", date(2009, 1, 2)),
        ("TIME '01:02:03'", time(1, 2, 3)),
        ("TIMETZ '01:02:03-05:30'", time(1, 2, 3, tzinfo=timezone(-timedelta(hours=5, minutes=30)))),
        ("INTERVAL '1 month 2 days 3 microseconds'", timedelta(days=32, microseconds=3)),
        ("[{'a': TIMESTAMPTZ '2009-01-02 00:00:00Z'}, NULL]", [{"a": datetime(2009, 1, 2, tzinfo=UTC)}, None]),
        ("MAP {'a': [1::HUGEINT]}", {"a": [1]}),
        ("[1, 2]::INTEGER[2]", [1, 2]),
        ("sum(1)", 1),
        ("-170141183460469231731687303715884105727::HUGEINT", -(2**127) + 1),
        ("340282366920938463463374607431768211455::UHUGEINT", 2**128 - 1),
        ("(-12345678901234567890123456789012345678901234567890)::BIGNUM", -12345678901234567890123456789012345678901234567890),
        ("1.50::DECIMAL(10, 2)", Decimal("1.50")),
        ("'10101'::BIT", "10101"),
        ("'a\\x00'::BLOB", b"a\x00"),
        ("'x'::ENUM('x', 'y')", "x"),
        ("NULL", None),
        ("NULL::TIMESTAMPTZ", None),
    ],
)
def test_values_of_every_type_of_the_engine(made: str, value: object) -> None:
    (found,) = _answer(f"SELECT {made}")
    assert found == value
    assert type(found) is type(value)


def test_an_answer_of_many_batches_is_cut_where_it_should_be(workspace: Path) -> None:
    said = json.loads(ask("SELECT range FROM range(10000)", workspace, "--rows", "5000", "--format", "json").out)
    assert ([row[0] for row in said["rows"]], said["more"]) == (list(range(5000)), True)
    said = json.loads(ask("SELECT range FROM range(5000)", workspace, "--rows", "5000", "--format", "json").out)
    assert (len(said["rows"]), said["more"]) == (5000, False)


def test_packages_that_only_developers_have_are_not_needed(workspace: Path) -> None:
    """Nor by `why`, which the offline test asks where only the packages of the runtime lock are."""
    needed = {line.split("==")[0] for line in (REPO / "requirements" / "runtime.txt").read_text().splitlines() if "==" in line}
    assert "pytz" not in needed
    code = "import sys; sys.modules['pytz'] = None; from wormward.cli import main; main()"
    asked = [sys.executable, "-c", code, "sql", "SELECT max(time) FROM dns_queries", "--workspace", str(workspace)]
    done = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2009-02-02T10:00:00Z" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_question_that_takes_for_ever_can_be_stopped(workspace: Path, number: signal.Signals) -> None:
    question = "SELECT count(*) FROM range(1000000000000) a, range(10)"
    words = [sys.executable, "-m", "wormward.cli", "sql", question, "--workspace", str(workspace)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        while running.poll() is None and "_duckdb" not in Path(f"/proc/{running.pid}/maps").read_text():
            sleep(0.05)
        sleep(2)  # by then it computes
        running.send_signal(number)
        out, err = running.communicate(timeout=20)
    assert (running.returncode, out, err) == (130, "", "wormward: interrupted\n")
