"""Ports are chosen free, kept, and named when somebody else took one."""

import os
import socket

import pytest

from deploy.embedded import EmbeddedError, open_data_folder
from deploy.embedded.ports import ports


@pytest.fixture
def folder(tmp_path):
    with open_data_folder(tmp_path / "data") as folder:
        yield folder


def test_ports_are_kept_and_differ(folder):
    first = ports(folder, "kafka", "postgres")
    assert ports(folder, "postgres", "kafka", "more").items() >= first.items()
    assert len(set(ports(folder, "kafka", "postgres", "more").values())) == 3


def test_a_taken_port_is_named_with_its_holder_and_the_way_out(folder):
    port = ports(folder, "kafka")["kafka"]
    said = rf"Port {port}.*kafka.*process {os.getpid()}.*delete .*ports\.json"
    with socket.create_server(("127.0.0.1", port)), pytest.raises(EmbeddedError, match=said):
        ports(folder, "kafka")
    (folder.path / "ports.json").unlink()
    assert ports(folder, "kafka")
