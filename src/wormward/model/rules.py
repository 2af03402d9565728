"""Every rule that a finding can come from, with one sentence each; packs weigh rules by these ids, detectors carry them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

RULES: Mapping[str, str] = MappingProxyType(
    {
        "names.day-list": "A host's looked-up names meet one variant's list of one day.",
        "names.relayed": "A name server looked up names of one variant's list of one day for hosts that asked it.",
        "names.unexplained": "A name server looked up names of one variant's list of one day that nobody was seen asking for.",
        "names.date-sites": "A host on a closed network asks for the worm's date sites, hour after hour, and gets no answer.",
        "http.beacon": "A request has the form and the header names of a call home.",
        "http.beacon-loose": "A request has the form of a call home, but the source does not show its header names.",
        "http.download": "A request asks for a file that the worm downloads.",
        "http.support": "A request asks for the date or the host's own address in the worm's header shape.",
        "http.relayed": "A proxy passed on a request that has the form of a call home.",
        "sinkhole.contact": "A host contacts an address where the worm's domains are known to be caught.",
        "reported.sinkhole": "A third party saw an address call at a sinkhole, and names the worm.",
        "p2p.ports": "The ports that a host contacts are those that the contacted addresses would open if they were infected.",
        "p2p.packet": "A payload decodes as a packet of the worm's peer-to-peer protocol, and its sum is right.",
        "scan.smb": "A host tries the file-sharing ports of many hosts within a short time, mostly in vain.",
        "scan.probe": "A host opens SMB sessions with the very names that the worm's own code gives itself.",
        "exploit.path": "A call carries a path that makes the called service write before its buffer.",
        "exploit.call": "A path call over the vulnerable interface whose argument the source does not show.",
        "exploit.fetch": "After a call over the vulnerable interface the called host fetches a file from its caller.",
        "exploit.contact-fetch": "After a connection to the vulnerable service the host fetches an executable from its contact.",
        "logon.unshown": "Bursts of logons whose outcome no source shows, to one target after another.",
        "logon.burst": "Bursts of failed logons from one host to one target after another.",
        "lateral.admin-share": "A file of the worm's form goes to an administrator's share, then a remote job runs it.",
        "share.autorun": "The files that let the worm start by themselves are written to a share.",
        "alert.rule": "A sensor's rule for the worm or its hole fired; its author's opinion.",
        "bots.mail": "A host tries to deliver mail to many exchangers itself.",
    }
)
