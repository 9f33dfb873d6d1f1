"""The shared fixtures give what tests build on."""

import asyncpg
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


async def test_each_test_has_an_empty_database_of_its_own(database_url):
    connection = await asyncpg.connect(database_url)
    try:
        tables = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert tables == 0
        await connection.execute("CREATE TABLE leftover (id int)")
    finally:
        await connection.close()


test_each_test_has_an_empty_database_of_its_own_again = test_each_test_has_an_empty_database_of_its_own
