"""topic.py KAFKA create NAME PARTITIONS | delete NAME: makes a topic, or removes it with its data."""
import asyncio
import sys

from aiokafka.admin import AIOKafkaAdminClient, NewTopic


def check(answer):
    for name, code, *_ in getattr(answer, "topic_errors", ()) or answer.topic_error_codes:
        if code:
            sys.exit(f"failed for topic {name}: error {code}")


async def main(kafka, verb, name, partitions=0):
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        if verb == "create":
            check(await admin.create_topics([NewTopic(name, int(partitions), 1)]))
        else:
            check(await admin.delete_topics([name]))
    finally:
        await admin.close()


asyncio.run(main(*sys.argv[1:]))
