"""What the texts promise a reader: links that lead somewhere, commands that exist, words in order, nothing of anybody's machine."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from cli.main import COMMANDS
from tests.support.repository import ROOT, files

PAGES = [path for path in files() if path.suffix == ".md"]
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)
NAMED_FILE = re.compile(r"`((?:shared|services|simulators|deploy|cli|tests|benchmarks|docs)/[\w./-]+\.\w+)`")
# Written so that this file does not hold what it looks for.
OF_A_MACHINE = re.compile(
    r"/w[o]rk/|/r[o]ot/|/hom[e]/\w+/|/User[s]/\w+/|/opt/whee[l]s|--?index-u[r]l[ =]|PIP_INDEX_U[R]L|find-lin[k]s"
    r"|https?://[^\s/\"'`)]*(?:artifactor[y]|nexu[s]|jfro[g]|\bmirro[r]|devp[i]|pypi-prox[y])[^\s]*"
)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(path: Path) -> str:
    return FENCE.sub("", path.read_text("utf-8"))


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub makes of headings."""
    found = set()
    for title in HEADING.findall(prose(path)):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", title).strip().lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{relative(page)} links to {link}, which is not there"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{relative(page)} links to {link}, and there is no such heading"


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_file_that_is_named_exists(page: Path) -> None:
    named = (name for name in NAMED_FILE.findall(prose(page)) if "NAME" not in name)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_readme_names_the_two_commands_and_the_makefile_has_them() -> None:
    readme, makefile = (ROOT / "README.md").read_text("utf-8"), (ROOT / "Makefile").read_text("utf-8")
    for target in ("demo", "test"):
        assert re.search(rf"^make {target}\b", readme, re.MULTILINE)
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=relative)
def test_every_command_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"(?:^|[`/ ])seatkeeper ([a-z][a-z-]+)\b", code_of(page), re.MULTILINE))
    assert named <= COMMANDS.keys(), f"{relative(page)} names commands that are not there"


def code_of(page: Path) -> str:
    """What stands in code fences and backticks."""
    text = page.read_text("utf-8")
    shell = [block for block in FENCE.findall(text) if block.startswith(("```sh", "```console", "```bash"))]
    return "\n".join([*shell, *(f"`{code}`" for code in re.findall(r"`([^`\n]+)`", FENCE.sub("", text)))])


def test_ci_calls_what_contributing_promises() -> None:
    run = ROOT / ".ci" / "run"
    assert run.stat().st_mode & 0o111, ".ci/run cannot be executed"
    lines = run.read_text("utf-8").splitlines()
    assert [line for line in lines if line.startswith("make ")] == ["make check", "make test"]
    assert "set -euo pipefail" in lines


def test_decisions_are_numbered_without_a_gap_and_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [name[:4] for name in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    assert LINK.findall((folder / "README.md").read_text("utf-8")) == pages
    for name in pages:
        assert re.match(rf"# (?:{name[:4]}|{int(name[:4])})\b", (folder / name).read_text("utf-8")), name


def test_the_glossary_is_in_order_and_says_each_word_once() -> None:
    rows = re.findall(r"^\| \*\*([^*]+)\*\*", (ROOT / "docs" / "glossary.md").read_text("utf-8"), re.MULTILINE)
    words = [word.casefold() for word in rows]
    assert words == sorted(words)
    assert len(set(words)) == len(words)


def test_nothing_of_a_machine_or_a_private_registry_is_in_any_file() -> None:
    found = {
        f"{relative(path)}:{number}"
        for path in files()
        if path.suffix not in {".png", ".svg", ".gif"}
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1)
        if OF_A_MACHINE.search(line)
    }
    assert found == set()
