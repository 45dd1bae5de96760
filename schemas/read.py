#!/usr/bin/env python3
"""Reads Freshet's own records with a standard Avro reader.

Needs fastavro (pip install fastavro). The records come framed as kcat frames them:

    kcat -b localhost:9092 -C -e -q -t freshet.dead-letters -f '%R%s' | python3 schemas/read.py

and go out as one JSON object a line.
"""

import datetime
import io
import json
import pathlib
import struct
import sys

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

MARKER = b"\xc3\x01"


def schemas():
    """The published schemas by the fingerprint that records begin with."""
    folder = pathlib.Path(__file__).resolve().parent
    known = {}
    for path in [*sorted(folder.glob("*.avsc")), *sorted(folder.glob("earlier/*.avsc"))]:
        schema = json.loads(path.read_text())
        canonical = to_parsing_canonical_form(schema)
        known[bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))] = fastavro.parse_schema(schema)
    return known


def payloads(stream):
    """What kcat writes for `%R%s`: a length of four bytes and the value; a length of -1 is a null value."""
    while header := stream.read(4):
        (length,) = struct.unpack(">i", header)
        if length >= 0:
            yield stream.read(length)


def plain(value):
    """What JSON has no form for: bytes and times."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def read(payload, known):
    """The record as fields, with its schema's name."""
    if payload[:2] != MARKER:
        raise SystemExit("not Avro in single-object encoding")
    schema = known.get(payload[2:10])
    if schema is None:
        raise SystemExit(f"no published schema has the fingerprint {payload[2:10].hex()}")
    datum = io.BytesIO(payload[10:])
    fields = fastavro.schemaless_reader(datum, schema, None)
    if datum.read():
        raise SystemExit("bytes are left over")
    return {"schema": schema["name"], **fields}


def main():
    known = schemas()
    for payload in payloads(sys.stdin.buffer):
        print(json.dumps(read(payload, known), default=plain))


if __name__ == "__main__":
    main()
