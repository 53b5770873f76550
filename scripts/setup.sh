#!/usr/bin/env bash
# Bring .venv in step with the lock: needs Python >= 3.11 and the network, nothing else.
# PYTHON=/path/to/python chooses another interpreter than the first fitting one on PATH.
set -euo pipefail
cd "$(dirname "$0")/.."
# An interpreter is never downloaded: what runs here is what the machine's owner installed.
export UV_PYTHON_DOWNLOADS=never UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}"
uv=.cache/uv-venv/bin/uv

fits() { # interpreter, least minor, first minor too new
    "$1" -c "import sys; sys.exit(not (3, $2) <= sys.version_info[:2] < (3, $3))" 2>/dev/null
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if fits "$candidate" 11 14; then command -v "$candidate" && return; fi
    done
    # Newer than what the lock was tried with is better than nothing.
    for candidate in ${PYTHON:-python3}; do
        if fits "$candidate" 14 99; then command -v "$candidate" && return; fi
    done
    echo "driftline: needs Python 3.11 or newer: found none as ${PYTHON:-python3, python3.13, python3.12, python3.11}" >&2
    return 1
}

make_bootstrap() { # Debian splits venv's own pip into a package of its own
    "$1" -m venv --clear .cache/uv-venv >.cache/venv.log 2>&1 && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && grep -q ensurepip .cache/venv.log; then
        local package
        package="$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
        apt-get -qq update && apt-get -qq install --yes --no-install-recommends "$package" >/dev/null &&
            "$1" -m venv --clear .cache/uv-venv && return
    fi
    cat .cache/venv.log >&2
    echo "driftline: $1 -m venv failed; on Debian and Ubuntu install the package python3-venv" >&2
    return 1
}

mkdir -p .cache
if ! { [ -x "$uv" ] && [ .cache/uv-venv/installed -nt requirements/uv.lock ]; }; then
    python="$(find_python)"
    echo "setup: uv for $("$python" --version)"
    make_bootstrap "$python"
    .cache/uv-venv/bin/python -m pip --quiet --disable-pip-version-check install \
        --require-hashes --requirement requirements/uv.lock
    touch .cache/uv-venv/installed
fi
if ! fits .venv/bin/python 11 99; then
    "$uv" --quiet venv --clear --python "$(find_python)" .venv
fi
echo "setup: .venv from requirements/all.lock"
# Compiled now, not at each start: a service's start takes a third of the time.
"$uv" --quiet pip sync --python .venv --require-hashes --compile-bytecode requirements/all.lock
"$uv" --quiet pip install --python .venv --no-deps --no-build-isolation --editable .
kernel=shared/reference/kernel/build.py
if ! .venv/bin/python "$kernel" --is-there; then
    echo "setup: the kernel of the sketches, compiled"
    "$uv" --quiet pip install --python .venv --target .cache/compiler --require-hashes --requirement requirements/compiler.lock
    PYTHONPATH=.cache/compiler .venv/bin/python "$kernel"
    rm -rf .cache/compiler # 400 MB
fi
touch .venv/.in-step
