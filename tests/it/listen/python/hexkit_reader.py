"""A member of a group by hexkit's subscriber, until its input ends: prints topic, key, payload."""

import asyncio
import json
import sys

from aiokafka.errors import KafkaError
from hexkit.protocols.eventsub import EventSubscriberProtocol
from hexkit.providers.akafka import KafkaConfig, KafkaEventSubscriber


class Printer(EventSubscriberProtocol):
    """Prints each event of the topics."""

    types_of_interest = ["CREATE", "UPDATE", "DELETE", "DELETE_ALL"]

    def __init__(self, topics):
        self.topics_of_interest = topics

    async def _consume_validated(self, *, payload, type_, topic, key, event_id):
        print(topic, key, json.dumps(payload), sep="\t", flush=True)


async def read(address, group, topics):
    """Reads with hexkit's own settings, which commit after each event. hexkit's subscriber ends
    when a commit fails, and whoever runs it starts it again."""
    config = KafkaConfig(service_name=group, service_instance_id="1", kafka_servers=[address])
    printer = Printer(topics.split(","))
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    while not ended.done():
        try:
            async with KafkaEventSubscriber.construct(config=config, translator=printer) as it:
                reading = asyncio.create_task(it.run())
                await asyncio.wait({reading, ended}, return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    reading.result()
                reading.cancel()
        except KafkaError as error:
            print(error, file=sys.stderr)
            await asyncio.sleep(0.2)


asyncio.run(read(*sys.argv[1:]))
