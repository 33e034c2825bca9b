"""What bash completes, asked of bash itself."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import completion
import pytest

from amanuensis.daemon.commands.common import DEVICES
from amanuensis.daemon.main import COMMANDS


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed: nobody completes")
    path = tmp_path_factory.mktemp("completion") / "amanuensis"
    path.write_text(completion.script())
    return path


def completed(script: Path, line: str) -> set[str]:
    """What may stand in place of the last word of a line."""
    words = line.split(" ")
    order = f"source {shlex.quote(str(script))}; COMP_WORDS=({' '.join(map(shlex.quote, words))}); "
    order += f"COMP_CWORD={len(words) - 1}; _amanuensis; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "--norc", "-euc", order], check=True, capture_output=True, text=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_commands_and_subcommands(script: Path) -> None:
    """The first word is a command, the next one of its subcommands; a file's name is left to bash."""
    assert completed(script, "amanuensis ") == set(COMMANDS)
    assert completed(script, "amanuensis se") == {"serve", "service"}
    assert completed(script, "amanuensis tokens re") == {"revoke"}
    assert completed(script, "amanuensis transcribe talk") == set()


def test_flags_are_those_of_the_command(script: Path) -> None:
    """Flags of a subcommand are its own, those of `amanuensis-listen` those of the command."""
    assert completed(script, "amanuensis tokens add --e") == {"--expires"}
    assert completed(script, "amanuensis tokens list --e") == set()
    assert (
        completed(script, "amanuensis-listen --li") == completed(script, "amanuensis listen --li") == {"--list-inputs"}
    )


def test_values_that_a_flag_allows(script: Path) -> None:
    """After a flag with choices come these alone."""
    assert completed(script, "amanuensis serve --device ") == set(DEVICES)
    assert completed(script, "amanuensis serve --quiet --device s") == {"sim"}
