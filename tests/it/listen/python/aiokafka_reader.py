"""A member of a group by aiokafka, until its input ends: prints topic, key, value."""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer


async def read(address, group, pattern):
    """Reads and commits by itself."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=address,
        group_id=group,
        auto_offset_reset="earliest",
        auto_commit_interval_ms=200,
        session_timeout_ms=6000,
        heartbeat_interval_ms=500,
        metadata_max_age_ms=1000,
    )
    consumer.subscribe(pattern=pattern)
    await consumer.start()

    async def forever():
        async for record in consumer:
            print(record.topic, record.key.decode(), record.value.decode(), sep="\t", flush=True)

    reading = asyncio.create_task(forever())
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    reading.cancel()
    await consumer.stop()


asyncio.run(read(*sys.argv[1:]))
