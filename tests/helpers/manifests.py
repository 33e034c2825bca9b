"""Published schemas of manifests, made strict, and what manifests say of our settings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

from amanuensis.daemon.config import Config
from amanuensis.daemon.settings import leaf_types

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "tests/data/schemas"


def strict(name: str) -> Any:
    """Return a kept schema of a custom resource, in which an object may hold no field that is not named."""

    def closed(node: Any) -> Any:
        if isinstance(node, list):
            return [closed(item) for item in node]
        if not isinstance(node, dict):
            return node
        inside = {key: closed(value) for key, value in node.items()}
        names_fields = inside.get("type") == "object" and isinstance(inside.get("properties"), dict)
        return inside | {"additionalProperties": False} if names_fields else inside

    return closed(json.loads((SCHEMAS / name).read_text()))


def validator(schema: Any) -> Draft7Validator:
    """Return what holds a document against a schema."""
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def environment_of(text: str) -> set[str]:
    """Return the AMANUENSIS_ variables that a text names."""
    return set(re.findall(r"\bAMANUENSIS_[A-Z0-9_]+", text))


def setting_names() -> set[str]:
    """Return the variables of every setting."""
    return {f"AMANUENSIS_{key.replace('.', '_').upper()}" for key in leaf_types(Config)}
