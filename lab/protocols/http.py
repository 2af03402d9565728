"""HTTP requests and responses (RFC 9112), with the headers that browsers of the time send, in their order."""

from __future__ import annotations

from dataclasses import dataclass, field

REASONS = {200: "OK", 302: "Found", 304: "Not Modified", 404: "Not Found", 502: "Bad Gateway"}

XP_AGENT = "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 5.1; .NET CLR 1.1.4322; .NET CLR 2.0.50727)"
SEVEN_AGENT = "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; SLCC2; .NET CLR 2.0.50727; InfoPath.2)"
LATER_AGENT = "Mozilla/5.0 (Windows NT 6.1; rv:52.0) Gecko/20100101 Firefox/52.0"


@dataclass(frozen=True, slots=True)
class Request:
    """A request: the target as sent, headers in order."""

    method: str
    uri: str
    headers: tuple[tuple[str, str], ...]
    version: str = "1.1"
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The value of a header, None if it is not there."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def encode(self) -> bytes:
        """The bytes."""
        lines = [f"{self.method} {self.uri} HTTP/{self.version}", *(f"{k}: {v}" for k, v in self.headers), "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body


@dataclass(frozen=True, slots=True)
class Response:
    """A response with a body of known length."""

    status: int = 200
    body: bytes = b""
    kind: str = "text/html"
    headers: tuple[tuple[str, str], ...] = field(default=())
    version: str = "1.1"

    def encode(self, method: str = "GET") -> bytes:
        """The bytes; the answer to HEAD tells the body's length but has none."""
        head = [f"HTTP/{self.version} {self.status} {REASONS.get(self.status, 'OK')}"]
        head += [f"{k}: {v}" for k, v in self.headers]
        head += [f"Content-Type: {self.kind}", f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(head).encode("latin-1") + (b"" if method == "HEAD" else self.body)


def browser_get(host: str, uri: str, agent: str, referer: str | None = None) -> Request:
    """What a browser asks for a page or a part of one."""
    headers = [("Accept", "*/*")]
    if referer:
        headers.append(("Referer", referer))
    headers += [
        ("Accept-Language", "en-us"),
        ("User-Agent", agent),
        ("Accept-Encoding", "gzip, deflate"),
        ("Host", host),
        ("Connection", "Keep-Alive"),
    ]
    return Request("GET", uri, tuple(headers))


def download_get(host: str, uri: str, agent: str) -> Request:
    """What Windows' URLDownloadToFile asks: an ordinary Internet Explorer request without a page around it."""
    headers = (
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, deflate"),
        ("User-Agent", agent),
        ("Host", host),
        ("Connection", "Keep-Alive"),
    )
    return Request("GET", uri, headers)
