"""worker.py KAFKA TOPIC EVENTS: reads so many events of a topic with kafkaesk's worker, whose handler does nothing, and
prints how many it was given a second, from the first one to the last."""

import asyncio
import sys
import time

from aiokafka import ConsumerRecord
from kafkaesk import Application


async def work(address, topic, events):
    app, done, times = Application(kafka_servers=[address]), asyncio.Event(), []

    # One event at a time, and commits as kafkaesk makes them by itself.
    @app.subscribe_to_topics([topic], group="cg.bench", concurrency=1)
    async def on_record(record: ConsumerRecord):
        times.append(time.monotonic())
        if len(times) == events:
            done.set()

    async with app:
        working = asyncio.ensure_future(app.consume_forever())
        ended = asyncio.ensure_future(done.wait())
        await asyncio.wait({working, ended}, return_when=asyncio.FIRST_COMPLETED)
    if not done.is_set():
        sys.exit(f"it ended after {len(times)} of {events} events")
    print((events - 1) / (times[-1] - times[0]))


asyncio.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3])))
