"""Kafka and PostgreSQL for one machine without Docker, Java or a database on it, and the supervisor of all its processes."""

from deploy.embedded.data_folder import DataFolder, cache_dir, default_data_dir, open_data_folder
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.kafka import KafkaOptions
from deploy.embedded.process import Process, ProcessUsage, Running
from deploy.embedded.servers import Servers, embedded_servers
from deploy.embedded.supervisor import RestartPolicy, Supervisor

__all__ = [
    "DataFolder",
    "EmbeddedError",
    "KafkaOptions",
    "Process",
    "ProcessUsage",
    "RestartPolicy",
    "Running",
    "Servers",
    "Supervisor",
    "cache_dir",
    "default_data_dir",
    "embedded_servers",
    "open_data_folder",
]
