"""Only the files that a release was tested with are ever put on the class path."""

import gc
import hashlib
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath

import pytest

from deploy.embedded import EmbeddedError
from deploy.embedded.artifacts import Artifact, pinned
from deploy.embedded.fetch import fetch

_PATH = PurePosixPath("org/example/thing/1.0/thing-1.0.jar")
_CONTENT = b"the tested file"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    root = tmp_path / "repository"

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(root))

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("SEATKEEPER_MAVEN_REPOSITORY", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield root
        server.shutdown()
        thread.join()


def publish(repository, content: bytes) -> None:
    (repository / _PATH).parent.mkdir(parents=True, exist_ok=True)
    (repository / _PATH).write_bytes(content)


def wanted() -> list[Artifact]:
    return [Artifact(_PATH, hashlib.sha256(_CONTENT).hexdigest())]


def test_a_missing_file_is_fetched_once_and_progress_is_told(repository, tmp_path):
    publish(repository, _CONTENT)
    said: list[str] = []
    class_path = fetch(tmp_path / "cache", said.append, artifacts=wanted())
    assert class_path == str(tmp_path / "cache" / _PATH)
    assert said[-1].endswith("1 of 1 files, 0.0 MB")
    (repository / _PATH).unlink()
    assert fetch(tmp_path / "cache", pytest.fail, artifacts=wanted()) == class_path
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["org"], "no draft is left"


def test_a_file_with_another_sum_is_refused_and_not_kept(repository, tmp_path):
    publish(repository, b"something else")
    with pytest.raises(EmbeddedError, match=r"thing-1\.0\.jar .*SHA-256\s+differs.*Nothing of it was started"):
        fetch(tmp_path / "cache", lambda _: None, artifacts=wanted())
    assert not (tmp_path / "cache" / _PATH).exists()


def test_a_file_that_changed_in_the_cache_is_fetched_again(repository, tmp_path):
    publish(repository, _CONTENT)
    cached = tmp_path / "cache" / _PATH
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"half")
    fetch(tmp_path / "cache", lambda _: None, artifacts=wanted())
    assert cached.read_bytes() == _CONTENT


# jgo leaves the refused answer open until it is collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_missing_download_says_what_to_do(repository, tmp_path):
    repository.mkdir()
    with pytest.raises(EmbeddedError, match=r"could not be downloaded.*SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS"):
        fetch(tmp_path / "cache", lambda _: None, artifacts=wanted())
    gc.collect()


def test_no_connection_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATKEEPER_MAVEN_REPOSITORY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(EmbeddedError, match=r"Check the\s+connection"):
        fetch(tmp_path / "cache", lambda _: None, artifacts=wanted())


def test_a_fetch_that_is_given_up_fetches_nothing_more(repository, tmp_path):
    stop = threading.Event()
    stop.set()
    fetch(tmp_path / "cache", lambda _: None, artifacts=wanted(), stop=stop)
    assert not (tmp_path / "cache" / _PATH).exists()


def test_the_list_names_kafka_its_clients_of_the_same_version_and_a_log_binding():
    names = {artifact.path.name: artifact for artifact in pinned()}
    assert {"kafka_2.13-4.4.0.jar", "kafka-clients-4.4.0.jar", "log4j-slf4j-impl-2.25.5.jar"} <= names.keys()
    assert names["kafka_2.13-4.4.0.jar"].coordinates == ("org.apache.kafka", "kafka_2.13", "4.4.0")
    assert {len(bytes.fromhex(artifact.sha256)) for artifact in names.values()} == {32}
    assert len({artifact.coordinates[:2] for artifact in names.values()}) == len(names), "each library once"
