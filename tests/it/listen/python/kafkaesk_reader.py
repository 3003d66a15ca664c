"""A member of a group by kafkaesk's subscriber, until its input ends: prints topic, key, value."""

import asyncio
import sys

from aiokafka import ConsumerRecord
from kafkaesk import Application


async def read(address, group, pattern):
    """Reads as kafkaesk's applications do, which commit by themselves. kafkaesk's worker ends when
    a consumer of its fails, and whoever runs it starts it again."""
    settings = {
        "auto_commit_interval_ms": 200,
        "session_timeout_ms": 6000,
        "heartbeat_interval_ms": 500,
        "metadata_max_age_ms": 1000,
    }
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    while not ended.done():
        app = Application(kafka_servers=[address], kafka_settings=settings)

        @app.subscribe_to_pattern(pattern, group=group)
        async def on_record(record: ConsumerRecord):
            print(record.topic, record.key.decode(), record.value.decode(), sep="\t", flush=True)

        async with app:
            reading = asyncio.ensure_future(app.consume_forever())
            await asyncio.wait({reading, ended}, return_when=asyncio.FIRST_COMPLETED)


asyncio.run(read(*sys.argv[1:]))
