# SPDX-License-Identifier: MPL-2.0
"""Writes small databases in MaxMind's format (MaxMind DB File Format Specification 2.0), so that tests need neither a
download nor a licence.

    mmdb.write(path, {"192.0.2.0/24": {"country": {"iso_code": "DE"}}, "2001:db8::/32": {"country_code": "JP"}})
"""

import ipaddress
import os

STRING, MAP, U16, U32, U64, ARRAY = 2, 7, 5, 6, 9, 11


def control(kind, size):
    """The type and size in front of a value. Sizes up to 284 are enough here."""
    head = bytes([kind << 5 | min(size, 29)]) if kind < 8 else bytes([min(size, 29), kind - 7])
    return head + (bytes([size - 29]) if size >= 29 else b"")


def encode(value, kind=U32):
    if isinstance(value, dict):
        return control(MAP, len(value)) + b"".join(encode(name) + encode(item) for name, item in value.items())
    if isinstance(value, str):
        return control(STRING, len(value.encode())) + value.encode()
    if isinstance(value, tuple):  # (kind, number)
        kind, value = value
    size = {U16: 2, U32: 4, U64: 8}[kind]
    return control(kind, size) + value.to_bytes(size, "big")


def bits_of(network):
    """The path to a network in a tree of IPv6; IPv4 stands under ::/96."""
    parsed = ipaddress.ip_network(network)
    skipped = 96 if parsed.version == 4 else 0
    number = int(parsed.network_address)
    return [number >> (127 - bit) & 1 for bit in range(skipped + parsed.prefixlen)]


def write(path, networks, name="Test-Database"):
    """Writes PATH whole or not at all, as whoever updates such a file should."""
    nodes, data = [[None, None]], b""
    for network, value in networks.items():
        at, bits = 0, bits_of(network)
        for bit in bits[:-1]:
            if nodes[at][bit] is None:
                nodes.append([None, None])
                nodes[at][bit] = len(nodes) - 1
            at = nodes[at][bit]
        nodes[at][bits[-1]] = ("data", len(data))
        data += encode(value)
    tree = b""
    for node in nodes:
        for record in node:
            if record is None:
                record = len(nodes)
            elif isinstance(record, tuple):
                record = len(nodes) + 16 + record[1]
            tree += record.to_bytes(3, "big")
    metadata = {"binary_format_major_version": (U16, 2), "binary_format_minor_version": (U16, 0),
                "build_epoch": (U64, 1767225600), "database_type": name, "description": {}, "ip_version": (U16, 6),
                "node_count": len(nodes), "record_size": (U16, 24)}
    text = control(MAP, len(metadata) + 1) + encode("languages") + control(ARRAY, 0)
    text += b"".join(encode(key) + encode(value) for key, value in metadata.items())
    with open(path + ".new", "wb") as file:
        file.write(tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + text)
    os.replace(path + ".new", path)
