"""What builds the packages is no part of the product: its modules are found where they lie."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "packaging" / "debian"))
