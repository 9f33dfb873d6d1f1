"""A log takes everything in order and never more than its share of the disk."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from deploy.embedded.logs import BoundedLog


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=40))
def test_the_newest_lines_are_kept_within_twice_the_limit(chunks):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.log"
        log = BoundedLog(path, limit_bytes=100)
        for chunk in chunks:
            log.write(chunk)
        log.close()
        older = path.with_name("p.log.1")
        kept = (older.read_bytes() if older.exists() else b"") + path.read_bytes()
        assert b"".join(chunks).endswith(kept)
        assert path.stat().st_size <= 100
        assert len(kept) <= 200
        assert len(kept) >= min(len(b"".join(chunks)), 70)
        assert path.stat().st_mode & 0o777 == 0o600
