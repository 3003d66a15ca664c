"""Reads one partition by aiokafka, until its input ends: prints topic, key, value."""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, TopicPartition


async def read(address, topic, partition):
    """Reads from the start, for no group."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=address,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    consumer.assign([TopicPartition(topic, int(partition))])
    await consumer.start()

    async def forever():
        async for record in consumer:
            print(record.topic, record.key.decode(), record.value.decode(), sep="\t", flush=True)

    reading = asyncio.create_task(forever())
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    reading.cancel()
    await consumer.stop()


asyncio.run(read(*sys.argv[1:]))
