"""Publishes records with hexkit, several tasks at once, each as fast as it is answered.

Prints how many events were acknowledged in all, how many of them in the measured time, and its seconds.
"""
import argparse
import asyncio
import functools
import itertools
import json
import time
import uuid
from contextlib import AsyncExitStack
from pathlib import Path

from aiokafka import AIOKafkaProducer
from hexkit.providers.akafka import KafkaEventPublisher
from hexkit.providers.mongodb import MongoDbDaoFactory
from hexkit.providers.mongodb.provider import ConfiguredMongoClient
from hexkit.providers.mongokafka import MongoKafkaConfig, PersistentKafkaPublisher

# hexkit itself leaves both to aiokafka, whose default is acks=1.
Producer = functools.partial(AIOKafkaProducer, acks="all", linger_ms=0)


def options():
    parser = argparse.ArgumentParser()
    for name in "workload", "topic", "kafka", "mongodb", "records":
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--tasks", type=int, required=True)
    for name in "warm-up", "seconds":
        parser.add_argument(f"--{name}", type=float, required=True)
    return parser.parse_args()


async def publisher(stack, config, workload):
    if workload == "plain":
        publishes = KafkaEventPublisher.construct(config=config, kafka_producer_cls=Producer)
    else:
        dao_factory = await stack.enter_async_context(MongoDbDaoFactory.construct(config=config))
        publishes = PersistentKafkaPublisher.construct(
            config=config, dao_factory=dao_factory, kafka_producer_cls=Producer
        )
    return await stack.enter_async_context(publishes)


async def load(publisher, options):
    """The acknowledged events in all, and those within the measured time."""
    text = Path(options.records).read_text().replace("{seq}", "1")
    records = itertools.cycle([json.loads(line) for line in text.splitlines()])
    begin = time.monotonic() + options.warm_up
    end = begin + options.seconds
    acknowledged = measured = 0

    async def task():
        nonlocal acknowledged, measured
        while time.monotonic() < end:
            key = str(uuid.uuid4())
            payload = {**next(records), "id": key}
            await publisher.publish(payload=payload, type_="UPDATE", key=key, topic=options.topic)
            acknowledged += 1
            measured += begin <= time.monotonic() < end

    await asyncio.gather(*(task() for _ in range(options.tasks)))
    return acknowledged, measured


async def main():
    given = options()
    config = MongoKafkaConfig(
        service_name="peers",
        service_instance_id="1",
        kafka_servers=[given.kafka],
        mongo_dsn=given.mongodb,
        # A database of this run alone.
        db_name=f"peers-{uuid.uuid4()}",
    )
    try:
        async with AsyncExitStack() as stack:
            acknowledged, measured = await load(await publisher(stack, config, given.workload), given)
    finally:
        async with ConfiguredMongoClient(config=config) as client:
            await client.drop_database(config.db_name)
    print(acknowledged, measured, given.seconds)


asyncio.run(main())
