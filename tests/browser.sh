#!/bin/sh
# Finds the browser that the tests of the pages drive, or installs Debian's Chromium.
set -eu
for name in "${VOG_BROWSER:-}" chromium chromium-browser google-chrome; do
    if [ -n "$name" ] && command -v "$name" > /dev/null; then
        echo "browser: $(command -v "$name")"
        exit 0
    fi
done
if command -v apt-get > /dev/null && [ "$(id -u)" = 0 ]; then
    echo "browser: installing Debian's chromium"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        chromium fonts-dejavu-core > /dev/null
    exit 0
fi
echo "browser: none found, so the tests of the pages are skipped (in CI they fail)." >&2
echo "Install Chromium or Chrome, or set VOG_BROWSER to its executable." >&2
