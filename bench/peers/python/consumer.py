"""Purges Redis from Debezium's changes, as somebody would write it who knows confluent-kafka and redis-py well.

Messages are consumed in batches, each batch is one UNLINK, and an offset is stored for the commit only when the keys
behind it are gone. Two of these share the partitions through the consumer group.
"""

import io
import json
import os
import struct
import sys
import time
import urllib.request

import orjson
import redis
from confluent_kafka import Consumer, TopicPartition

BATCH = 1000


def setting(name: str) -> str:
    return os.environ.get("BENCH_" + name, "")


def plain(value: bytes) -> dict:
    return orjson.loads(value)


def wrapped(value: bytes) -> dict:
    return orjson.loads(value)["payload"]


def avro_reader():
    """Reads Confluent framing into the needed fields; fastavro skips the others."""
    import fastavro

    row = {"type": "record", "name": "shop.public.items.Value", "fields": [{"name": "id", "type": "long"}]}
    needed = fastavro.parse_schema({
        "type": "record",
        "name": "shop.public.items.Envelope",
        "fields": [
            {"name": "before", "type": ["null", row]},
            {"name": "after", "type": ["null", "shop.public.items.Value"]},
            {"name": "op", "type": "string"},
        ],
    })
    writers = {}

    def read(value: bytes) -> dict:
        (schema_id,) = struct.unpack_from(">I", value, 1)
        writer = writers.get(schema_id)
        if writer is None:
            with urllib.request.urlopen(f"{setting('REGISTRY')}/schemas/ids/{schema_id}") as answer:
                writer = fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
            writers[schema_id] = writer
        return fastavro.schemaless_reader(io.BytesIO(value[5:]), writer, needed)

    return read


def purge(cache: redis.Redis, keys: list) -> None:
    """Does not give up: what is not purged must not be committed."""
    while True:
        try:
            cache.execute_command("UNLINK", *keys)
            return
        except redis.RedisError as error:
            print(f"redis: {error}", file=sys.stderr)
            time.sleep(0.1)


def main() -> None:
    form = setting("FORM")
    read = avro_reader() if form == "avro" else wrapped if form == "json-schema" else plain
    prefixes = [f"bench:v1:{family}:" for family in setting("FAMILIES").split(",")]
    host, port = setting("REDIS").split(":")
    cache = redis.Redis(host=host, port=int(port))
    consumer = Consumer({
        "bootstrap.servers": setting("BOOTSTRAP"),
        "group.id": setting("GROUP"),
        "auto.offset.reset": "earliest",
        "enable.auto.commit": True,
        "auto.commit.interval.ms": 1000,
        "enable.auto.offset.store": False,
        "session.timeout.ms": 10000,
        "queued.min.messages": 20000,
        "queued.max.messages.kbytes": 65536,
        "fetch.queue.backoff.ms": 5,
        "fetch.wait.max.ms": 100,
    })
    consumer.subscribe([setting("TOPIC")])
    while True:
        # Returns with what there is once there is something, so that light load does not wait for a full batch.
        messages = consumer.consume(BATCH, 0.001) or consumer.consume(1, 0.1)
        keys, behind = [], {}
        for message in messages:
            if message.error():
                print(message.error(), file=sys.stderr)
                continue
            behind[message.partition()] = message.offset() + 1
            value = message.value()
            if value is None:
                continue  # a tombstone follows its delete
            event = read(value)
            before, after = event["before"], event["after"]
            ids = {image["id"] for image in (before, after) if image}
            keys += [f"{prefix}{row}" for row in ids for prefix in prefixes]
        if keys:
            purge(cache, keys)
        if behind:
            topic = setting("TOPIC")
            consumer.store_offsets(offsets=[TopicPartition(topic, at, offset) for at, offset in behind.items()])


main()
