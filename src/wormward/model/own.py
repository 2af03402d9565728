"""How the files that this program writes begin: by that they are known, never read as evidence, and overwritten freely."""

from __future__ import annotations

STIX_AUTHOR = "identity--b6301266-340b-5b0c-8ef0-9f0437ab258c"
"""The STIX identity of this program: the first object of every bundle that it writes."""

OWN_MARKS = (
    b'"schema": "wormward.',  # JSON
    b'<meta name="generator" content="wormward',  # HTML
    STIX_AUTHOR.encode(),  # STIX
    b'"product": {"name": "Wormward"',  # OCSF, one event a line
    b'\xef\xbb\xbf"tlp","',  # CSV: the byte order mark, then the first column's name
    b"wormward block list",  # in the first line of block lists, after the comment sign of their format
    b"d29ybXdhcmQgYmxvY2sgbGlzdA==",  # the same in base64: lists of names that Suricata loads
)
"""One of these stands in the first 4,096 bytes of every such file."""
