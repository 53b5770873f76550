#!/usr/bin/env bash
# Page tests drive Debian's chromium; where it is missing and may be installed, install it.
# Where it may not, say so and go on: those tests then skip with their reason.
set -euo pipefail
for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "browser: installing chromium"
    export DEBIAN_FRONTEND=noninteractive
    if apt-get -qq update && apt-get -qq install --yes --no-install-recommends chromium >/dev/null; then exit 0; fi
fi
echo "browser: no chromium here and no way to install it: tests of the page will be skipped" >&2
