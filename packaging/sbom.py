"""The bill of materials of what is shipped, in CycloneDX's JSON: distributions, libraries, Debian packages, licences.

`python packaging/sbom.py --python VENV/bin/python [--debian] > FILE` needs cyclonedx-bom beside itself, which lists the
distributions; added are the licences that their metadata does not tell, the libraries of others inside them, and with
`--debian` the packages of this system. With SOURCE_DATE_EPOCH set, the same environment gives the same text.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from licences import Carried, carried, normal

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
COPYRIGHTS = Path("/usr/share/doc")
FIELDS = "${db:Status-Abbrev}\t${Package}\t${Version}\t${Architecture}\n"
Json = dict[str, Any]


def bill(python: Path, *, debian: bool) -> Json:
    """The bill of an environment.

    Args:
        python: the interpreter of the environment.
        debian: whether the Debian packages of this system belong to it.

    Raises:
        subprocess.CalledProcessError: the tools that list cannot.
    """
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--no-validate"]
    command += ["--of", "JSON", "--sv", "1.6", "--pyproject", str(PYPROJECT), str(python)]
    listed: Json = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    known = {normal(row.name): row for row in carried(python)}
    listed["components"] = [_told(part, known.get(normal(part["name"]))) for part in listed["components"]]
    if debian:
        listed["components"] += _debian_packages()
    return listed


def _told(part: Json, row: Carried | None) -> Json:
    """A distribution with the licence that was read, and with what it carries."""
    if row is None:
        return part
    inside = [
        {
            "type": "library",
            "bom-ref": f"{part['bom-ref']}/{library.name}",
            "name": library.name,
            "licenses": _expression(library.licence),
        }
        for library in row.libraries
    ]
    return (
        part
        | ({"licenses": _expression(row.licence)} if row.licence else {})
        | ({"components": inside} if inside else {})
    )


def _expression(licence: str) -> list[Json]:
    return [{"expression": licence}] if licence else []


def _debian_packages() -> list[Json]:
    listing = subprocess.run(["dpkg-query", "-W", "-f", FIELDS], check=True, stdout=subprocess.PIPE, text=True).stdout
    rows = [line.split("\t") for line in listing.splitlines()]
    return [
        {
            "type": "library",
            "bom-ref": f"debian/{name}:{architecture}",
            "name": name,
            "version": version,
            "purl": f"pkg:deb/debian/{name}@{quote(version, safe='~')}?arch={architecture}",
            "licenses": [{"license": {"name": licence}} for licence in _debian_licences(name)],
        }
        for status, name, version, architecture in rows
        if status.startswith("ii")
    ]


def _debian_licences(package: str) -> list[str]:
    """The short names in the copyright file of a package; the file itself where it is not written for machines."""
    path = COPYRIGHTS / package / "copyright"
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return [f"see the source of {package}"]
    names = re.findall(r"^License:[ \t]*(\S.*?)[ \t]*$", text, re.MULTILINE) if text.startswith("Format:") else []
    return sorted(set(names)) or [f"see {path}"]


def main() -> int:
    """Write the bill to standard output; 1 when it is not of the form that it claims."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", type=Path, required=True, help="the interpreter of the environment")
    parser.add_argument("--debian", action="store_true", help="list the Debian packages of this system as well")
    args = parser.parse_args()
    text = json.dumps(bill(args.python, debian=args.debian), indent=2, sort_keys=True)
    if wrong := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        print(f"sbom: not of the form of CycloneDX 1.6: {wrong}", file=sys.stderr)
        return 1
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
