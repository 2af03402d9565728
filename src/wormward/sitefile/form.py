"""The form of `site.toml`, key by key, with what each changes (`docs/site.md` is made from it). Unknown keys are refused."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from wormward.model.text import printable

KINDS = (
    "capture", "suricata-eve", "zeek", "argus", "nfdump-csv", "nfdump", "silk", "bind-querylog", "syslog", "squid",
    "w3c-extended", "windows-firewall", "windows-dns", "windows-dhcp", "isc-dhcp-leases", "kea-leases",
    "shadowserver-sinkhole", "dns-csv",
)  # fmt: skip
"""Kinds of sources, as their readers call them: readers are slow to import, and a test compares."""
MOST_ITEMS = 65_536
"""Entries of one list; nobody writes more by hand."""
MOST_ERROR_S = 100 * 366 * 86_400
"""A clock that is further off was never set: that is a year or a zone, no error."""


def address(text: str) -> str:
    """`text` as an IP address in its usual form. Raises ValueError if it is none."""
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise ValueError(f"{printable(text)!r} is no IP address; write one such as 10.20.0.5") from error


def _range(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise ValueError(f"{printable(str(error))}; write a range such as 10.20.0.0/16") from error


def zone(text: str) -> str:
    """`text` if it is an IANA time zone. Raises ValueError if not."""
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{printable(text)!r} is no time zone; names look like Asia/Tokyo") from error
    return text


def _named(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; write a text or remove the key")
    return printable(text.strip())


Name = Annotated[str, Field(max_length=200), AfterValidator(_named)]
Zone = Annotated[str, AfterValidator(zone)]
Year = Annotated[int, Field(ge=1990, le=2100)]
Address = Annotated[str, AfterValidator(address)]
Addresses = Annotated[list[Address], Field(max_length=MOST_ITEMS)]
Ranges = Annotated[list[Annotated[str, AfterValidator(_range)]], Field(max_length=MOST_ITEMS)]


class Strict(BaseModel):
    """A table of the file: nothing unknown, nothing converted silently."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class ColumnsTable(Strict):
    """What columns of the inventory are called, where the usual words (English or Japanese) do not tell."""

    name: Name | None = Field(None, description="The host's name.", examples=["ホスト名"])
    address: Name | None = Field(
        None, description="Its addresses, several apart by blank, comma or semicolon.", examples=["IPアドレス"]
    )
    mac: Name | None = Field(None, description="The MACs of its cards, likewise.", examples=["MACアドレス"])
    place: Name | None = Field(None, description="Where it stands.", examples=["設置場所"])
    role: Name | None = Field(None, description="What it is for.", examples=["用途"])
    os: Name | None = Field(None, description="Its operating system.", examples=["OS"])
    site: Name | None = Field(None, description="Of which site it is, if there are several.", examples=["拠点"])


class SiteTable(Strict):
    """The site as a whole. Addresses are those of every site in the evidence, if there are several."""

    name: Name = Field("site", description="What the site is called in output.", examples=["Head office"])
    ranges: Ranges = Field(
        [],
        description="Its addresses. Hosts outside are listed only for what they do to it. Without: private addresses.",
        examples=[["10.20.0.0/16", "192.0.2.0/24"]],
    )
    domain_controllers: Addresses = Field(
        [],
        description="Besides those that answers to `_ldap._tcp` name. They ask for others: `names.relayed` of detectors.md.",
        examples=[["10.20.0.5"]],
    )
    resolvers: Addresses = Field(
        [], description="Besides those that were seen to answer questions for names. Likewise.", examples=[["10.20.0.6"]]
    )
    scanners: Addresses = Field(
        [],
        description="Vulnerability scanners and inventory programs: what such do anyway does not count against them.",
        examples=[["10.20.9.1"]],
    )
    proxies: Addresses = Field(
        [], description="What they ask for, they ask for others: that is not held against them.", examples=[["10.20.0.15"]]
    )
    nat: Addresses = Field(
        [],
        description="Addresses behind which many hosts stand (address translation, a terminal server): the answer is of one of "
        "them, and such an address is joined with no other.",
        examples=[["10.20.0.1"]],
    )
    inventory: Name | None = Field(
        None,
        description="A CSV of the site's hosts, beside this file: UTF-8, UTF-16 or cp932; comma, semicolon or tab. It names "
        "hosts, joins addresses and MACs to devices, and hosts that nothing showed are listed as `unknown`.",
        examples=["inventory.csv"],
    )
    columns: ColumnsTable = Field(ColumnsTable.model_validate({}), description="See `[site.columns]`.")
    time_zone: Zone | None = Field(
        None,
        description="IANA name of the zone of stamps that carry none. Without: UTC, and coverage says so.",
        examples=["Asia/Tokyo"],
    )
    year: Year | None = Field(
        None,
        description="Year of the first line of logs whose stamps have none. Without: such logs are not read.",
        examples=[2009],
    )


class SourceTable(Strict):
    """Some of the files: what holds for them and not for the others. Each is from the first entry that fits and says it."""

    files: Name | None = Field(
        None,
        description="Pattern (`*`, `?`, `[...]`) of the name in coverage, or of its last part if it has no `/`. Without: all.",
        examples=["branch/*.log"],
    )
    kind: Literal[KINDS] | None = Field(  # type: ignore[valid-type]  # a tuple of words is what Literal takes at run time
        None, description=f"Kind of source: {', '.join(f'`{k}`' for k in KINDS)}. Without: all.", examples=["syslog"]
    )
    site: Name | None = Field(
        None,
        description="Whose hosts they show. Hosts of different sites are different, also where they have the same address.",
        examples=["Branch"],
    )
    time_zone: Zone | None = Field(None, description="As in `[site]`, for these files.", examples=["Europe/Berlin"])
    year: Year | None = Field(None, description="As in `[site]`, for these files.", examples=[2009])
    clock_error_seconds: Annotated[int, Field(ge=-MOST_ERROR_S, le=MOST_ERROR_S)] | None = Field(
        None,
        description="By how much their clock was fast (negative: slow). It is taken off every time, and coverage says so.",
        examples=[90],
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.files is None and self.kind is None:
            raise ValueError("names no files; write `files` or `kind`")
        if all(said is None for said in (self.site, self.time_zone, self.year, self.clock_error_seconds)):
            raise ValueError("says nothing of its files; write `site`, `time_zone`, `year` or `clock_error_seconds`")
        return self


class SiteForm(Strict):
    """The whole file."""

    site: SiteTable
    source: Annotated[list[SourceTable], Field(max_length=1000)] = []


TABLES: dict[str, type[Strict]] = {"[site]": SiteTable, "[site.columns]": ColumnsTable, "[[source]]": SourceTable}
INTRODUCTION = """
What the software cannot see and a person can say: `wormward assess --site site.toml`. Everything works without it, and the
report says what it would have added. The file is TOML in UTF-8; unknown keys are refused, since a misspelt one would be
silently without effect. `[[source]]` may come many times.

Two sites with the same addresses are kept apart by saying which files are whose (`site` of a source), or by
`--separate`, which makes each file a site of its own.
"""


def examples(table: type[Strict]) -> dict[str, Any]:
    """An example value of each key that has one."""
    return {key: field.examples[0] for key, field in table.model_fields.items() if field.examples}
