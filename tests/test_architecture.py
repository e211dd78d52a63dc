"""Who may import whom. pyproject.toml states the rules for the packages; pages/ and app.py are scripts, read here."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
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
    assert "torch" not in packages_after("import ui.live.socket")


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
