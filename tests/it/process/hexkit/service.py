"""A hexkit service, with nothing but hexkit's own classes.

It is given one JSON object, and prints what it consumed: one JSON object a line.
"""

import asyncio
import json
import sys

from hexkit.correlation import get_correlation_id
from hexkit.protocols.eventsub import EventSubscriberProtocol
from hexkit.providers.akafka import KafkaEventSubscriber
from hexkit.providers.mongodb.provider import MongoDbDaoFactory
from hexkit.providers.mongokafka import MongoKafkaConfig
from hexkit.providers.mongokafka.provider.persistent_pub import PersistentKafkaPublisher


class Printer(EventSubscriberProtocol):
    """Prints each event."""

    def __init__(self, topics, types):
        self.topics_of_interest = topics
        self.types_of_interest = types

    async def _consume_validated(self, *, payload, type_, topic, key, event_id):
        event = {
            "payload": payload,
            "type": type_,
            "topic": topic,
            "key": key,
            "event_id": str(event_id),
            "correlation_id": str(get_correlation_id()),
        }
        print(json.dumps(event), flush=True)


async def consume(config, asked):
    """Consumes so many events, from the first on."""
    printer = Printer(asked["topics"], asked["types"])
    async with KafkaEventSubscriber.construct(config=config, translator=printer) as subscriber:
        for _ in range(asked["count"]):
            await subscriber.run(forever=False)


async def publish(config, asked):
    """Publishes what the collection has, or an event of the service's own."""
    async with (
        MongoDbDaoFactory.construct(config=config) as dao_factory,
        PersistentKafkaPublisher.construct(
            config=config,
            dao_factory=dao_factory,
            compacted_topics=set(asked["compacted"]),
            topics_not_stored=set(asked["not_stored"]),
        ) as publisher,
    ):
        match asked["verb"]:
            case "republish":
                await publisher.republish()
            case "publish-pending":
                await publisher.publish_pending()
            case "publish":
                await publisher.publish(
                    payload={"own": True}, type_="OWN", key=asked["key"], topic=asked["topic"]
                )


def main():
    """Does what is asked."""
    asked = json.loads(sys.argv[1])
    config = MongoKafkaConfig(
        service_name=asked["service_name"],
        service_instance_id="1",
        kafka_servers=[asked["kafka"]],
        mongo_dsn=asked["mongo_dsn"],
        db_name=asked["db_name"],
    )
    act = consume if asked["verb"] == "consume" else publish
    asyncio.run(asyncio.wait_for(act(config, asked), asked["within_s"]))


main()
