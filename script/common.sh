# Shared by the scripts of this folder; sourced from the root of the checkout.

say() { printf 'amanuensis: %s\n' "$*" >&2; }

die() {
  say "$*"
  exit 1
}

# Print the first usable Python, or the one that PYTHON=... names.
find_python() {
  local candidates=(python3 python3.11 python3.12 python3.13 python3.14) candidate
  [ -z "${PYTHON:-}" ] || candidates=("$PYTHON")
  for candidate in "${candidates[@]}"; do
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v "$candidate"; return; }
  done
  die "no Python 3.11 or newer found as: ${candidates[*]}; install one or name it: make setup PYTHON=/path/to/python3"
}

# make_venv FOLDER: a virtual environment with pip, unless a working one is there already.
make_venv() {
  "$1/bin/python" -m pip --version >/dev/null 2>&1 && return
  local python
  python=$(find_python)
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    script/system-packages python3-venv || true
    "$python" -c 'import ensurepip, venv' 2>/dev/null || die "$python cannot make virtual environments; install its venv module (on Debian: apt-get install python3-venv)"
  fi
  rm -rf "$1"
  "$python" -m venv "$1"
}

# pip_install VENV ARGUMENT...: quietly; addresses of package indexes are left out of its complaints.
pip_install() {
  local venv=$1
  shift
  PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/python" -m pip install -qq --progress-bar off "$@" 2>&1 |
    sed -E 's#(https?|file)://[^ ,)]+#(package index)#g' >&2
}
