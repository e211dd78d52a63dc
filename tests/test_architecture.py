"""Who may import whom. pyproject.toml states the rules for the packages; pages/ and app.py are scripts, read here."""

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXPLORER = ROOT / "vae_explorer"
KIT = EXPLORER / "kit"
WEB = sorted(path for folder in (KIT, *EXPLORER.glob("*/web")) for path in folder.rglob("*.js"))
WEB = [path for path in WEB if not path.name.endswith(".test.js")]
ROOMS = {path.parent.name for path in EXPLORER.glob("*/web")}
# What rooms take from one another in the browser: a room of its own is on show in another one.
ARROWS = {("continuity", "posterior"), ("equations", "compare")}
PAGES = sorted((ROOT / "pages").glob("*.py"))
PAGE_NAMES = {page.stem for page in PAGES}
SCREEN = {"streamlit", "starlette", "plotly", "umap"}
HEAVY = {"torch", "streamlit", "umap", "sklearn"}

IMPORT_EVERY_CORE_MODULE = """
import importlib, pkgutil, vae_core
for module in pkgutil.walk_packages(vae_core.__path__, "vae_core."):
    importlib.import_module(module.name)
"""


def test_packages_keep_their_contracts() -> None:
    command = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert command, "import-linter is missing; install requirements-dev.txt"
    report = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert report.returncode == 0, report.stdout + report.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_imports_no_other_page(page: Path) -> None:
    assert not imports_of(page) & {"pages", "app", "tests", "benchmarks", *PAGE_NAMES}


def test_the_door_knows_the_screen_only() -> None:
    assert not imports_of(ROOT / "app.py") & {"vae_core", "pages", "tests", "benchmarks", *PAGE_NAMES}


@pytest.mark.parametrize("module", ["vae_core", "vae_core.config"])
def test_importing_the_core_is_light(module: str) -> None:
    assert not packages_after(f"import {module}") & HEAVY


def test_the_core_never_hears_of_the_screen() -> None:
    assert not packages_after(IMPORT_EVERY_CORE_MODULE) & SCREEN


def test_the_socket_route_waits_with_torch_until_it_decodes() -> None:
    assert "torch" not in packages_after("import vae_explorer.live.socket")


@pytest.mark.parametrize("module", WEB, ids=lambda path: path.relative_to(EXPLORER).as_posix())
def test_javascript_keeps_to_its_room_and_the_kit(module: Path) -> None:
    for other in modules_of(module):
        assert other.is_file(), f"{module.name} imports {other}, which is not there"
        here, there = room_of(module), room_of(other)
        assert there in (here, "kit") or (here, there) in ARROWS, f"{module.name} of {here} imports {there}"


def test_javascript_imports_run_in_no_circle() -> None:
    graph = {module: modules_of(module) for module in WEB}
    while graph:
        ready = {module for module, others in graph.items() if not others & graph.keys()}
        assert ready, f"these modules import one another: {sorted(path.name for path in graph)}"
        graph = {module: others for module, others in graph.items() if module not in ready}


def test_the_page_on_architecture_names_every_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {path.parent.name for path in EXPLORER.glob("*/__init__.py")} | {"kit"}
    assert set(re.findall(r"^\| `(\w+)/` ", page, re.MULTILINE)) == rooms
    assert ROOMS | {"live", "kit"} == rooms
    assert set(re.findall(r"^- `(\w+)` → `(\w+)`", page, re.MULTILINE)) == arrows()


def modules_of(module: Path) -> set[Path]:
    """Return the files that a JavaScript module imports, at once or later."""
    text = module.read_text(encoding="utf-8")
    found = re.findall(r"""(?:from|import|import\()\s*["'](\.[^"']+)["']""", text)
    return {(module.parent / name).resolve() for name in found}


def room_of(module: Path) -> str:
    return module.relative_to(EXPLORER).parts[0]


def arrows() -> set[tuple[str, str]]:
    """Return the arrows from room to room that the contracts allow."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (rooms,) = (
        each for each in config["tool"]["importlinter"]["contracts"] if each["type"] == "independence"
    )
    named = re.findall(
        r"vae_explorer\.(\w+)\.\* -> vae_explorer\.(\w+)\.\*", "\n".join(rooms["ignore_imports"])
    )
    return {*named, *ARROWS}


def imports_of(script: Path) -> set[str]:
    """Return the top-level names that a script imports anywhere in it; a relative import counts as a page."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0] if node.level == 0 else "pages")
    return names


def packages_after(code: str) -> set[str]:
    """Run code in a Python of its own and return the top-level packages that it brought in."""
    listing = "\nimport json, sys; print(json.dumps([*sys.modules]))"
    answer = subprocess.run([sys.executable, "-c", code + listing], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return {name.partition(".")[0] for name in json.loads(answer.stdout)}
