"""From the checked file to the values that the rest of the program reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

from wormward.model import pack as model
from wormward.packs import registry, schema

_DAY_0 = date(1970, 1, 1)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _DAY_0).days


def threat_pack(file: schema.PackFile, sinkholes: frozenset[str], digest: str, where: str) -> model.ThreatPack:
    """The pack as values. `where` names the file. Raises PackError where an algorithm refuses its parameters."""
    head = file.pack
    return model.ThreatPack(
        name=head.name,
        title=head.title,
        version=head.version,
        digest=digest,
        since_day=day_number(head.since),
        tolerance_days=head.tolerance_days,
        names_convict_milli=head.names_convict_milli,
        least_names=head.least_names,
        variants=tuple(_variant(v, f"{where}: variants[{i}]") for i, v in enumerate(file.variants, 1)),
        http_forms=tuple(_http_form(form) for form in file.http_forms),
        file_forms=tuple(model.FileForm(f.id, tuple(s.upper() for s in f.shares), f.path) for f in file.file_forms),
        peer_to_peer=_peer_to_peer(file.peer_to_peer, f"{where}: peer_to_peer") if file.peer_to_peer else None,
        sinkholes=sinkholes,
        spreading=_spreading(file.spreading),
        closed_network=_closed_network(file.closed_network),
        wants=tuple(_want(want) for want in file.wants),
        wanted_calls=tuple(model.WantedCall(c.interface, frozenset(c.opnums)) for c in file.wanted_calls),
        judge=_judge(file.judge),
        reported_names=frozenset(head.reported_names),
        alerts=model.Alerts(frozenset(file.alerts.rules), tuple(file.alerts.words)),
        texts=MappingProxyType({language: MappingProxyType(dict(texts)) for language, texts in file.texts.items()}),
    )


def _variant(table: schema.VariantTable, where: str) -> model.Variant:
    domains = table.domains
    return model.Variant(
        letter=table.letter,
        names=MappingProxyType(dict(table.names)),
        first_day=day_number(table.first_day),
        detail=table.detail,
        spreads=tuple(table.spreads),
        order=table.order,
        domains=registry.domains(f"{where}.domains", domains.algorithm, domains.parameters) if domains else None,
    )


def _http_form(form: schema.HttpFormTable) -> model.HttpForm:
    return model.HttpForm(
        id=form.id,
        rule=form.rule,
        variants=tuple(form.variants),
        method=form.method,
        uri=form.uri,
        host=form.host,
        hosts=tuple(form.hosts),
        header_sets=tuple(tuple(names) for names in form.header_sets),
        proxy_headers=tuple(form.proxy_headers),
    )


def _peer_to_peer(table: schema.PeerToPeerTable, where: str) -> model.PeerToPeer:
    return model.PeerToPeer(
        variants=tuple(table.variants),
        ports=registry.ports(f"{where}.ports", table.ports.algorithm, table.ports.parameters),
        packets=registry.packets(f"{where}.packets", table.packets.algorithm, table.packets.parameters),
        week_tolerance=table.week_tolerance,
        least_port=table.least_port,
        left_out=frozenset((str(protocol), int(port)) for protocol, port in table.left_out),
    )


def _want(table: schema.WantTable) -> model.Want:
    return model.Want(
        protocol=table.protocol,
        least_size=table.least_size,
        most_size=table.most_size,
        ports=frozenset(table.ports),
        not_ports=frozenset(table.not_ports),
        least_port=table.least_port,
        first_bytes=bytes.fromhex(table.first_bytes),
        per_flow=table.per_flow,
    )


def _tuples(table: schema.Strict) -> Mapping[str, object]:
    """The table's values by key, lists as tuples: for tables whose keys are the value's own fields."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table}


def _spreading(table: schema.SpreadingTable) -> model.Spreading:
    marks = tuple(model.ExploitMark(mark.xor, mark.pattern) for mark in table.exploit_marks)
    return model.Spreading(**{**_tuples(table), "exploit_marks": marks})  # type: ignore[arg-type]  # same keys and types: a test compares them


def _closed_network(table: schema.ClosedNetworkTable) -> model.ClosedNetwork:
    return model.ClosedNetwork(**_tuples(table))  # type: ignore[arg-type]  # as above


def _judge(table: schema.JudgeTable) -> model.JudgeRules:
    return model.JudgeRules(
        prior=table.prior,
        infected=table.infected,
        suspected=table.suspected,
        weights=tuple(_weight(weight) for weight in table.weights),
        ways=tuple(model.WayWeight(way.rule, way.way, way.milli, way.again) for way in table.ways),
        unseen_way=table.unseen_way,
        later_way=table.later_way,
        again_permille=table.again_permille,
    )


def _weight(table: schema.WeightTable) -> model.Weight:
    return model.Weight(
        rule=table.rule,
        role=table.role,
        milli=table.milli,
        most=table.most,
        characteristic=table.characteristic,
        sentence=table.sentence,
        attacked=table.attacked,
        needs_infected_actor=table.needs_infected_actor,
        needs_doubted_actor=table.needs_doubted_actor,
        when=next(iter(table.when.items())) if table.when else None,
    )
