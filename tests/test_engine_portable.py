"""What detectors ask is what every engine answers alike: a look at each expression, and at what comes of its rows.

Which operations those are is not guessed: `test_engine_spark` runs them all on both engines.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ibis
import pyarrow as pa
import pytest
from ibis.expr import operations as ops

from tests.detectors import play, toy
from tests.test_detect_cases import RESOLVERS, case
from wormward import packs, pipeline
from wormward.annotate import ANNOTATORS
from wormward.detect import DETECTORS, Scope, names_unmet, run
from wormward.engine import Duck, infer_domain_controllers, infer_forwarders, survey
from wormward.model.site import Site
from wormward.model.tables import ANNOTATIONS, CUTS, FACTS

# Relations: group-by, equi-joins, filters, unions. Values: comparisons, whole numbers, counts, least and most.
PORTABLE = frozenset({
    "UnboundTable", "Project", "Filter", "Aggregate", "JoinChain", "JoinLink", "JoinReference", "Distinct", "Union", "Field",
    "Literal", "Cast", "Coalesce", "IfElse", "InValues", "Between", "IsNull", "NotNull", "Equals", "NotEquals", "Less",
    "LessEqual", "Greater", "GreaterEqual", "And", "Or", "Not", "Add", "Subtract", "Multiply", "FloorDivide", "Abs",
    "BitwiseRightShift", "Max", "Min", "Sum", "CountStar", "CountDistinct", "ArrayCollect", "WindowFunction", "WindowBoundary",
    "SortKey", "Lag", "RowNumber", "Lowercase", "StringConcat", "StringContains", "StringLength", "StartsWith",
    "StringReplace", "Translate",
})  # fmt: skip
_ORDERED = (ops.Lag, ops.RowNumber)  # what says something only of rows in an order
_MAY_HOLD_LISTS = (ops.ArrayCollect, ops.Field)  # a list is handed on to `refine`, which puts it in order, and never asked about
_SITE = Site(proxies=frozenset({"10.0.0.1"}), scanners=frozenset({"10.0.0.4"}), resolvers=frozenset({"10.0.0.2"}))


class Listener(Duck):
    """An engine that says every table has rows, and takes down what is asked of it."""

    def __init__(self) -> None:
        super().__init__({}, play.sources(1))
        self.asked: list[Any] = []

    def empty(self) -> frozenset[str]:
        return frozenset()

    def arrow(self, expression: Any) -> pa.Table:
        self.asked.append(expression)
        return expression.schema().to_pyarrow().empty_table()


def expressions() -> Iterator[tuple[str, Any]]:
    """Everything that is asked of an engine, with a name."""
    with Listener() as engine:
        tables = engine.tables()
        survey(engine)
        infer_forwarders(engine)
        infer_domain_controllers(engine)
        pipeline._bindings(engine)
        for number, expression in enumerate(engine.asked):
            yield f"look {number}", expression
    for pack in (toy.PACK, *packs.builtin_packs()):
        scope = Scope(0, 30, 7, site=_SITE, domain_controllers=frozenset({"10.0.0.3"}), answering=frozenset({0, 1, 5}))
        found = {d.rule: d.find(tables, pack, scope) for d in DETECTORS}
        keys = {a.name: a.keys(tables, pack) for a in ANNOTATORS}
        for name, expression in {**found, **keys}.items():
            if expression is not None:
                yield f"{pack.title}: {name}", expression
    unmet = tables["name_shapes"].anti_join(tables["name_days"], "name").select("name", "variant")
    yield "names_unmet", names_unmet._hosts(tables["dns_queries"], unmet)


EXPRESSIONS = dict(expressions())


def faults(expression: Any) -> set[str]:
    """What of an expression engines may answer differently."""
    found = set()
    for node in expression.op().find(ops.Node):
        kind = type(node).__name__
        if kind not in PORTABLE:
            found.add(f"{kind} is not among the portable operations")
        if isinstance(node, ops.Value):
            if node.dtype.is_floating() or node.dtype.is_decimal():
                found.add(f"{kind} gives a fraction")
            if node.dtype.is_array() and not isinstance(node, _MAY_HOLD_LISTS) and _is_made(node):
                found.add(f"{kind} asks about a list")
        if isinstance(node, ops.WindowFunction):
            found |= _window_faults(node)
    return found


def _is_made(node: Any) -> bool:
    """True if a collected list is beneath it: lists that came with the evidence are in order."""
    return bool(node.find(ops.ArrayCollect))


def _window_faults(node: Any) -> set[str]:
    found = set()
    if isinstance(node.func, _ORDERED) and not node.order_by:
        found.add("a window without an order")
    if node.order_by and isinstance(node.func, ops.CountDistinct):
        found.add("a distinct count in a window")
    if node.how == "range":
        found.add("a window over a range")
    if any(not key.dtype.is_integer() for key in node.order_by):
        found.add("a window in an order of no whole numbers")
    return found


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_only_what_every_engine_answers_alike_is_asked(name: str) -> None:
    assert not faults(EXPRESSIONS[name])


def test_the_look_sees_what_it_is_for() -> None:
    table = ibis.table({"k": "string", "n": "int64", "t": "timestamp", "s": "int64"}, name="t")
    wrong = {
        "ExtractEpochSeconds is not among the portable operations": table.mutate(x=table.t.epoch_seconds()),
        "Divide gives a fraction": table.mutate(x=table.n / 2),
        "a window without an order": table.mutate(x=table.n.lag().over(ibis.window(group_by="k"))),
        "a window in an order of no whole numbers": table.mutate(x=table.n.lag().over(ibis.window(group_by="k", order_by="t"))),
        "a window over a range": table.mutate(x=table.n.sum().over(ibis.window(order_by="s", range=(-600, 0)))),
        "a distinct count in a window": table.mutate(x=table.n.nunique().over(ibis.window(order_by="s", rows=(None, 0)))),
        "ArraySort asks about a list": table.group_by("k").agg(x=table.n.collect().sort()),
        "RegexSearch is not among the portable operations": table.filter(table.k.re_search("x+")),
    }
    for fault, expression in wrong.items():
        assert fault in faults(expression), fault


def test_no_column_is_of_a_type_that_an_engine_lacks() -> None:
    types = {str(c.type) for t in (*FACTS, *ANNOTATIONS, *CUTS) for c in t.columns}
    shared = {"bool", "int32", "int64", "double", "string", "binary", "timestamp[us, tz=UTC]"}
    assert types <= shared | {f"list<{name}: string>" for name in ("item", "element")}


def _turned(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value[::-1] if isinstance(value, list) and name not in ("answers", "additional") else value
        for name, value in row.items()
    }


def test_neither_the_order_of_rows_nor_of_lists_matters() -> None:
    """Engines give both in any order; the last come first here."""
    cases = {d.rule: case(d.rule)[0]["positive"] for d in DETECTORS}
    rows, files = play.together(cases)
    with play.open_duck(rows, files) as duck:
        wanted = play.findings(duck, resolvers=RESOLVERS)
        looked = survey(duck)
        assert looked.days is not None
        scope = Scope(*looked.days, toy.PACK.tolerance_days, answering=looked.answering, resolvers=RESOLVERS, empty=duck.empty())
        turned = run(duck.tables(), toy.PACK, scope, lambda e: [_turned(row) for row in duck.fetch(e)[::-1]], duck.cites)
    assert {f.rule for f in wanted} == {d.rule for d in DETECTORS}
    assert turned == wanted
