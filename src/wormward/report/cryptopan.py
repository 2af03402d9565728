"""Prefix-preserving pseudonyms of addresses: Crypto-PAn over AES-128.

Two addresses that share their first n bits get pseudonyms that share exactly n bits, so that networks stay visible as
networks. Source: J. Xu, J. Fan, M. Ammar, S. Moon, "Prefix-Preserving IP Address Anonymization" (ICNP 2002), with the
reference implementation's use of the key: 16 bytes for the cipher, 16 that are enciphered once to be the padding. IPv6
as in its usual extension: 128 bits in the same way.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

KEY_SIZE = 32
_BLOCK = 128
_WHOLE = (1 << _BLOCK) - 1


class CryptoPan:
    """The mapping under one key of `KEY_SIZE` bytes."""

    def __init__(self, key: bytes) -> None:
        # Single blocks through AES are the construction's keyed function; no text is enciphered in ECB mode.
        self._cipher = Cipher(algorithms.AES(key[:16]), modes.ECB())  # noqa: S305
        self._padding = int.from_bytes(self._enciphered(key[16:KEY_SIZE]), "big")
        self._known: dict[str, str] = {}

    def pseudonym(self, address: str) -> str:
        """The pseudonym of an address of the same family. Raises ValueError if `address` is none."""
        if address not in self._known:
            self._known[address] = str(self._mapped(ip_address(address)))
        return self._known[address]

    def _mapped(self, address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
        bits, value = address.max_prefixlen, int(address)
        high = value << (_BLOCK - bits)
        # Block n is the first n bits of the address, then the padding's; the first bit of its cipher flips bit n.
        masks = ((_WHOLE >> n) for n in range(bits))
        blocks = b"".join(((high & ~mask) | (self._padding & mask)).to_bytes(16, "big") for mask in masks)
        out = self._enciphered(blocks)
        flips = 0
        for n in range(bits):
            flips = flips << 1 | out[16 * n] >> 7
        return type(address)(value ^ flips)

    def _enciphered(self, blocks: bytes) -> bytes:
        encryptor = self._cipher.encryptor()
        return encryptor.update(blocks) + encryptor.finalize()
