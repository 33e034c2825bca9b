"""axe-core, the usual audit of accessibility, fetched by npm into `build/`, which git ignores."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.helpers.browser import Tab

VERSION: Final = "4.14.1"
FOLDER: Final = Path(__file__).resolve().parents[2] / "build" / "axe"
SCRIPT: Final = FOLDER / "node_modules" / "axe-core" / "axe.min.js"
LIMIT_S: Final = 60
RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
AUDIT: Final = """axe.run(document, { runOnly: { type: "tag", values: %s } }).then(({ violations }) =>
  violations.map((rule) => [rule.id, ...rule.nodes.map((node) => node.html + " " + node.failureSummary)]))"""


@cache
def axe_script() -> str | None:
    """Return the script of axe-core; None where it cannot be fetched."""
    wanted = FOLDER / "version"
    if not (SCRIPT.is_file() and wanted.is_file() and wanted.read_text() == VERSION):
        npm = shutil.which("npm")
        if npm is None:
            return None
        FOLDER.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--prefix", str(FOLDER), "--no-save", "--ignore-scripts", f"axe-core@{VERSION}"]
        try:
            done = subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            return None
        if done.returncode:
            return None
        wanted.write_text(VERSION)
    return SCRIPT.read_text(encoding="utf-8")


async def violations(tab: Tab) -> list[Any]:
    """Audit what the tab shows: WCAG 2.2 A and AA, and good practice."""
    script = axe_script()
    assert script is not None
    await tab.value(f"{script}; void 0")
    return list(await tab.value(AUDIT % list(RULES)))
