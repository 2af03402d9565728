"""First bytes that no decoder knows, told in the compiled loop, so that most enciphered connections cost nothing more.

`is_strange` says less than `conversation.start` knows: where it says true, `start` declines (a test compares the two);
where it says false, `start` is asked.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from wormward.wire.conversation import HTTP_PORTS, RPC_PORTS, SMB_PORTS

BYTES_DECIDE, PORT_DECIDES, ALWAYS_ASK = 0, 1, 2
"""What a server's port says of strange first bytes: nothing; who is guessed, unless they are TLS; nothing is declined."""
_LONGEST_METHOD: Final = 13
"""More bytes without a space than any HTTP method has."""


def port_rules() -> npt.NDArray[np.uint8]:
    """One of the rules above for each of the 65,536 ports, as `conversation.start` treats them."""
    rules = np.full(65536, BYTES_DECIDE, np.uint8)
    rules[sorted(SMB_PORTS | RPC_PORTS | HTTP_PORTS)] = PORT_DECIDES
    return rules


@njit(cache=True, nogil=True)
def is_strange(data, at, size, rule):  # type: ignore[no-untyped-def]
    """True if nobody wants a connection whose client begins with the `size` bytes at `at`; false: ask.

    `rule` is that of the server's port.
    """
    if rule == ALWAYS_ASK or size < _LONGEST_METHOD:
        return False
    first = data[at]
    if first == 0x16 and data[at + 1] == 3:
        return True  # a TLS record, which speaks on anybody's port
    if rule == PORT_DECIDES or first in (0x00, 0x05, 0x81):  # NetBIOS sessions and DCE/RPC begin so
        return False
    if 0x21 <= first <= 0x7E:  # perhaps a request's method or an answer's version
        if first in (0x48, 0x68):
            return False
        for i in range(at, at + min(size, 33)):
            if data[i] == 0x20:
                return False
    for i in range(at + 5, at + size - 2):  # noqa: SIM110 - compiled; "SMB"
        if data[i + 1] == 0x4D and data[i] == 0x53 and data[i + 2] == 0x42:
            return False
    return True
