"""The committed example: an outbreak with the default knobs, and the page that says what each of its files is."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

from lab.knobs import Knobs
from lab.outbreak import Outbreak, write_outbreak
from lab.worm import Play

_FILES = {
    "dns/queries.csv": "the site's lookups with their answers",
    "dns/queries.log": "the same as BIND's query log",
    "outbreak.pcap": "what a sensor in the middle of the site saw",
    "truth.json": "what really happened; `assess` never opens it",
    "zeek/conn.log": "Zeek 6: every connection",
    "zeek/dce_rpc.log": "answered remote calls",
    "zeek/dhcp.log": "leases",
    "zeek/dns.log": "lookups",
    "zeek/http.log": "web requests",
    "zeek/ntlm.log": "logons",
    "zeek/smb_files.log": "opened files",
    "zeek/smb_mapping.log": "opened shares",
}

_PAGE = """# An outbreak in a small hospital

Three hours of a Monday morning in a site of {hosts} hosts. {infected} of them catch the worm:
{usb} by a stick, {unknown} carried in, {exploit} by the exploit, {password} by a guessed password;
{updated} are updated to the latest build. {attacked} others are attacked in vain.

Around them ordinary life goes on: people log on (and mistype), read pages and letters, devices report, mail is
delivered, an administrator installs programs on other machines, and a scanner asks everybody the questions that find
the worm.

Everything is made up and inert: no byte was recorded anywhere, none can do anything. Where the worm's code would stand
there is filler of letters, the file that hosts fetch is `MZ` followed by a sentence that says so, a guess is random
bytes. Addresses are private or those kept for documentation, apart from known sinkholes and the random addresses that
the worm's peers and scans would reach. How it is made stands in [lab/README.md](../../lab/README.md).

Made, and made again byte for byte, this page included, by

```
python -m lab example
```

which is `python -m lab outbreak --hosts 30 --seed 1 --out examples/outbreak` and this page.

| file | what | bytes | sha256 |
|---|---|---|---|
{table}

The three forms tell the same story as far as each can. Zeek shows no call that was never answered (so the exploit that
succeeds is not in `dce_rpc.log`, the victim's fetch is in `http.log`), no share in `smb_files.log` for SMB1, and no
outcome in `ntlm.log` for a logon that Windows refused; it knows no payload. The name server's logs know only lookups.
"""


def write_example(folder: Path, play: Play) -> None:
    """Write the example and its page into `folder`."""
    story = write_outbreak(Knobs(), play, folder)
    (folder / "README.md").write_text(_page(story, folder), encoding="utf-8")


def _page(story: Outbreak, folder: Path) -> str:
    ways = Counter(each.way for each in story.tree)
    rows = []
    for name, what in _FILES.items():
        data = (folder / name).read_bytes()
        rows.append(f"| `{name}` | {what} | {len(data):,} | `{hashlib.sha256(data).hexdigest()}` |")
    return _PAGE.format(
        hosts=len(story.site.hosts),
        infected=len(story.times),
        updated=sum(each.later is not None for each in story.tree),
        attacked=len(story.attacked - set(story.times)),
        table="\n".join(rows),
        **{way: ways[way] for way in ("usb", "unknown", "exploit", "password")},
    )
