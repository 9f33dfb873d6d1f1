"""The shape of the repository: the dependency rule, the same file names in every service, and what no file may be."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shared.contracts.topics import SERVICES
from tests.support.repository import ROOT, files

PACKAGES = [name.replace("-", "_") for name in SERVICES]
EVERY_SERVICE_HAS = (
    "__init__.py",
    "app.py",
    "settings.py",
    "core.py",
    "handlers.py",
    "store.py",
    "queries.sql",
    "README.md",
)
LONGEST_FILE_LINES = 400
SAY_NOTHING = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}


def python_files() -> list[Path]:
    return [path for path in files() if path.suffix == ".py"]


def test_the_dependency_rule_holds() -> None:
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert program is not None, "import-linter is not installed; run: make setup"
    run = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_dependency_rule_knows_every_service() -> None:
    rules = configparser.ConfigParser()
    rules.read(ROOT / ".importlinter")
    independent = rules["importlinter:contract:services"]["modules"].split()
    cores = rules["importlinter:contract:cores"]["source_modules"].split()
    assert sorted(independent) == sorted(f"services.{name}" for name in PACKAGES)
    assert {f"services.{name}.core" for name in PACKAGES} <= set(cores)


def test_every_folder_of_services_is_a_service_of_the_registry() -> None:
    folders = {path.parts[1] for path in map(relative, files()) if path.parts[0] == "services" and len(path.parts) > 2}
    assert folders == set(PACKAGES)


@pytest.mark.parametrize("service", PACKAGES)
def test_every_service_has_the_same_file_names(service: str) -> None:
    folder = ROOT / "services" / service
    assert [name for name in EVERY_SERVICE_HAS if not (folder / name).is_file()] == []
    migrations = sorted(path.name for path in (folder / "migrations").glob("*.sql"))
    assert migrations, "a service owns its tables"
    assert all(re.fullmatch(r"\d{4}_(pre|post)_[a-z_]+\.sql", name) for name in migrations), migrations
    assert len({name[:4] for name in migrations}) == len(migrations), "a number was given twice"


@pytest.mark.parametrize("service", PACKAGES)
def test_every_contract_card_says_what_its_service_promises(service: str) -> None:
    text = (ROOT / "services" / service / "README.md").read_text("utf-8").casefold()
    for word in ("consumes", "produces", "owns", "promises", "does not", "settings", "fails"):
        assert word in text, f"the card of {service} does not say what it {word}"


def test_no_file_is_too_long_to_read() -> None:
    long = {str(relative(path)): lines for path in python_files() if (lines := count_lines(path)) > LONGEST_FILE_LINES}
    assert long == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [
        str(relative(path)) for path in files() if SAY_NOTHING & {part.partition(".")[0] for part in path.parts}
    ] == []


def test_every_package_says_what_it_is_for() -> None:
    silent = [
        str(relative(path))
        for path in python_files()
        if path.name == "__init__.py"
        and "tests" not in relative(path).parts
        and not path.read_text("utf-8").startswith('"""')
    ]
    assert silent == []


def relative(path: Path) -> Path:
    return path.relative_to(ROOT)


def count_lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())
