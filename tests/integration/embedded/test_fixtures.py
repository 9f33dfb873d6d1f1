"""The shared fixtures give what tests build on."""

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def test_a_record_goes_through_the_kafka_fixture(kafka, topic_prefix, unique):
    topic = f"{topic_prefix}round-trip"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=2, replication_factor=1)])
    finally:
        await admin.close()
    async with (
        AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True, compression_type="zstd") as producer,
        AIOKafkaConsumer(
            topic, bootstrap_servers=kafka, group_id=unique("group"), auto_offset_reset="earliest"
        ) as consumer,
    ):
        await producer.send_and_wait(topic, b"value", key=b"key")
        record = await consumer.getone()
        await consumer.commit()
    assert (record.key, record.value) == (b"key", b"value")
