"""A member of a group by confluent-kafka, until its input ends: prints topic, key, value."""

import sys
import threading

from confluent_kafka import Consumer

address, group, pattern = sys.argv[1:]
consumer = Consumer(
    {
        "bootstrap.servers": address,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "auto.commit.interval.ms": 200,
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 500,
        "topic.metadata.refresh.interval.ms": 1000,
        "reconnect.backoff.max.ms": 500,
    }
)
consumer.subscribe([pattern])
stopped = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
while not stopped.is_set():
    record = consumer.poll(0.1)
    if record is not None and record.error() is None:
        key, value = record.key().decode(), record.value().decode()
        print(record.topic(), key, value, sep="\t", flush=True)
consumer.close()
