#!/usr/bin/env bash
# Makes .venv with the pinned packages: environment.sh product | developer.
# What was installed is remembered by the content of the lists, so a second call takes no time.
set -euo pipefail
cd "$(dirname "$0")/.."
wanted=${1:?say product or developer}

fail() {
    printf '\n' >&2
    printf '%s\n' "$@" >&2
    exit 1
}

find_python() {
    local candidate
    # 3.11 first: it is the version that everything was measured with.
    for candidate in ${PYTHON_FOR_VENV:-} python3.11 python3.12 python3.13 python3.14 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is needed and was not found." \
        "  Debian, Ubuntu: sudo apt-get install python3 python3-venv" \
        "  macOS:          brew install python@3.13"
}

has_pip() {
    .venv/bin/python -m pip --version >/dev/null 2>&1
}

make_venv() {
    local python=$1 version
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "Making .venv with $("$python" --version)"
    if "$python" -m venv --clear .venv >/dev/null 2>&1 && has_pip; then return; fi

    # Debian and Ubuntu keep ensurepip in a package of its own: look for another way to a pip first.
    if command -v uv >/dev/null && uv venv --quiet --clear --seed --python "$python" .venv && has_pip; then return; fi
    if "$python" -m virtualenv --quiet --clear .venv >/dev/null 2>&1 && has_pip; then return; fi
    if "$python" -m pip --version >/dev/null 2>&1 &&
        "$python" -m venv --clear --without-pip .venv &&
        "$python" -m pip --quiet --python .venv/bin/python install pip 2>/dev/null && has_pip; then return; fi

    local as_root=""
    if [ "$(id -u)" -ne 0 ]; then as_root="sudo -n"; fi
    if command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || { [ -n "${CI:-}" ] && sudo -n true 2>/dev/null; }; }; then
        echo "Installing python$version-venv, which .venv needs"
        $as_root apt-get update -qq
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "python$version-venv" >/dev/null
        if "$python" -m venv --clear .venv && has_pip; then return; fi
    fi
    rm -rf .venv
    fail "This Python cannot make virtual environments (ensurepip is missing). Install it and try again:" \
        "  Debian, Ubuntu: sudo apt-get install python$version-venv" \
        "  macOS:          brew install python@3.13"
}

install_list() {
    local name=$1 stamp content
    stamp=.venv/installed-$name
    content=$(cat)
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$content" ]; then return; fi
    echo "Installing the $name packages (about a minute, and about 1 GB the first time)"
    # From a file, because pip reads a list from nowhere else on every version that Debian ships.
    printf '%s\n' "$content" >.venv/list-$name.txt
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r ".venv/list-$name.txt" ||
        fail "The packages could not be installed; the reason is above. Nothing else was changed; it is safe to try again."
    mv ".venv/list-$name.txt" "$stamp"
}

if ! has_pip; then
    if [ -L .venv ]; then fail ".venv is a link to an environment that does not work; remove the link and try again."; fi
    make_venv "$(find_python)"
fi
install_list product <requirements.txt
if [ "$wanted" = developer ]; then
    .venv/bin/python tools/developer_list.py | install_list developer
fi
