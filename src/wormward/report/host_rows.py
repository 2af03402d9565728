"""The rows of the HTML report's table of hosts.

There may be ten thousand: a row is put together here, not in the template, which would take most of a report's time
and, by its blanks, much of its size. Everything that is not ours is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from markupsafe import Markup, escape

from wormward.model.states import Host, Reason
from wormward.model.text import N_
from wormward.report import labels
from wormward.report.care import described
from wormward.report.i18n import Language
from wormward.report.words import harmless, minute

MOST = (12, 8)
"""So many reasons of a host, and findings of a reason, are named; the JSON form has all."""
MANY_ROWS = 1500
MOST_OF_MANY = (3, 2)
"""The same where there are more hosts than that: a page must stay one that a browser opens and a mail carries. Then all
but the main reason are named by their rules, which lead to the sentences, and only findings that the page has are named."""


@dataclass(frozen=True, slots=True)
class HostRows:
    """Makes a row of a host.

    `anchors` are the ids of the rows, `findings` those of the findings that the page has, `wanted` those of the sentences
    that say what would tell more, `rules` those of the weights' sentences.
    """

    language: Language
    anchors: Mapping[tuple[str, str], str]
    findings: Set[str]
    wanted: Mapping[str, str]
    rules: Mapping[str, str]
    several_sites: bool
    site: str

    def __call__(self, host: Host, index: int) -> Markup:
        """The whole row; `index` is its place in the order in which the page begins, worst first."""
        cells = (
            self._device(host),
            f'<td class="tight" data-sort="{index}">{self._verdict(host)}</td>',
            f"<td>{self._variant(host)}</td>",
            f'<td class="time" translate="no">{minute(host.first_seen)}<small>{minute(host.last_seen)}</small></td>',
            f'<td class="tight">{self._infector(host)}</td>',
            f'<td class="wide">{self._why(host)}</td>',
        )
        row = f'<tr id="{self.anchors[host.site, host.address]}" data-state="{host.verdict.value}">{"".join(cells)}</tr>'
        return Markup(row)  # noqa: S704 - each part was escaped when it was put in

    def _device(self, host: Host) -> str:
        data = [host.device] if host.device != host.address else []
        data += [", ".join(host.addresses[1:])] if len(host.addresses) > 1 else []
        data += [text] if (text := described(host)) else []
        data += [host.site] if self.several_sites or host.site != self.site else []
        below = "".join(f'<small translate="no">{_text(text)}</small>' for text in data)
        below += "".join(f"<small>{_text(self.language(labels.ROLES.get(role, role)))}</small>" for role in host.roles)
        return f'<th scope="row"><b translate="no">{_text(host.address)}</b>{below}</th>'

    def _verdict(self, host: Host) -> str:
        said = f'<span class="pill {host.verdict.value}">{_text(self.language(labels.VERDICTS[host.verdict]))}</span>'
        if host.confidence:
            said += _small(self.language.say(N_("confidence {number}"), number=f"{host.confidence:.3f}"))
        if host.unknown_because:
            said += _small(self.language(labels.WHYS[host.unknown_because]))
        return said

    def _variant(self, host: Host) -> str:
        letters = f'<b translate="no">{_text(" / ".join(host.variant))}</b>' if host.variant else ""
        return letters + "".join(_small(self.language.say(N_("before: {variant}"), variant=p.variant)) for p in host.history)

    def _infector(self, host: Host) -> str:
        if not host.infected_by:
            return _small(labels.infector(host, self.language)) if host.way else ""
        edge = host.infected_by[0]
        anchor = self.anchors.get((host.site, edge.start))
        name = _text(edge.start)
        link = f'<a href="#{anchor}" translate="no">{name}</a>' if anchor else f'<span translate="no">{name}</span>'
        way, share = self.language(labels.WAYS[edge.way]), f"{edge.likelihood:.3f}"
        return link + _small(self.language.say(N_("{way}, likelihood {likelihood}"), way=way, likelihood=share))

    def _why(self, host: Host) -> str:
        most, _ = self._most()
        # The first reason stands above, so its line has only what it weighs and rests on.
        items = [self._reason(reason, first=i == 0) for i, reason in enumerate(host.reasons[:most])]
        if len(host.reasons) > most:
            items.append(f"<li>{self._more(len(host.reasons) - most)}</li>")
        inside = f"<ul>{''.join(items)}</ul>" if items else ""
        places = [f'<a href="#{self.wanted[s]}">{i}</a>' for i, s in enumerate(host.would_decide, 1) if s in self.wanted]
        if places:
            more = _text(self.language(N_("What would tell more:")))
            inside += f'<small>{more} <span translate="no">{" ".join(places)}</span></small>'
        main = _text(labels.main_reason(host, self.language))
        return f"<details><summary>{main}</summary>{inside}</details>" if inside and main else main + inside

    def _many(self) -> bool:
        return len(self.anchors) > MANY_ROWS

    def _most(self) -> tuple[int, int]:
        return MOST_OF_MANY if self._many() else MOST

    def _reason(self, reason: Reason, *, first: bool) -> str:
        sentence = "" if first else f"{self._sentence(reason)} "
        weight = _text(self.language.say(N_("weight {weight}"), weight=f"{reason.milli / 1000:+.1f}"))
        _, most = self._most()
        named = [i for i in reason.findings if i in self.findings or not self._many()][:most]
        ids = " ".join(f'<a href="#{i}">{i}</a>' if i in self.findings else i for i in named)
        below = f' <span class="mono" translate="no">{ids}</span>' if ids else ""
        more = f" {self._more(len(reason.findings) - most)}" if len(reason.findings) > most else ""
        return f"<li>{sentence}{weight}{below}{more}</li>"

    def _sentence(self, reason: Reason) -> str:
        if self._many() and reason.sentence in self.rules:
            return f'<a href="#{self.rules[reason.sentence]}" translate="no">{_text(reason.rule)}</a>'
        return _text(self.language.say(reason.sentence, reason.fields))

    def _more(self, number: int) -> str:
        return _text(self.language.say(N_("and {number} more"), number=number))


def _text(text: str) -> str:
    return str(escape(harmless(text)))


def _small(text: str) -> str:
    return f"<small>{_text(text)}</small>"
