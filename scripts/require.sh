#!/usr/bin/env bash
# Says what is missing to build (`rust`) or to test (`tests`, `firefox`), and how to get it. As root on Debian it
# installs the packages that the tests need; it installs nothing else.
set -euo pipefail

readonly RUST_LEAST=1.95
readonly NODE_LEAST=20

fail() {
    printf '\n%s\n\n' "$@" >&2
    exit 1
}

# Whether version $1 is at least version $2.
at_least() {
    [ "$(printf '%s\n' "$2" "$1" | sort --version-sort | head --lines=1)" = "$2" ]
}

require_rust() {
    command -v cargo >/dev/null && command -v rustc >/dev/null ||
        fail "Rust is missing: install version $RUST_LEAST or later as https://rustup.rs says, then open a new shell."
    local version
    version=$(rustc --version | cut --delimiter=' ' --fields=2)
    at_least "$version" "$RUST_LEAST" ||
        fail "Rust $version is too old: Rillcast needs $RUST_LEAST or later. With rustup: rustup update stable"
    command -v cc >/dev/null ||
        fail "A C compiler is missing (for the cryptography). On Debian: apt-get install build-essential"
}

require_tests() {
    local packages=(
        chromium coturn ffmpeg
        gir1.2-gst-plugins-bad-1.0 gir1.2-gst-plugins-base-1.0 gstreamer1.0-libav gstreamer1.0-nice
        gstreamer1.0-plugins-bad gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly
        iproute2 nftables openssl pebble procps prometheus python3-gi python3-venv
        valgrind
    )
    # Node from elsewhere brings npm along, and conflicts with Debian's.
    command -v node >/dev/null || packages+=(nodejs)
    command -v npm >/dev/null || packages+=(npm)
    require_packages "${packages[@]}"

    local version
    version=$(node --version)
    at_least "${version#v}" "$NODE_LEAST" ||
        fail "Node $version is too old: the browser tests need $NODE_LEAST or later (Debian 13 has it)."
}

require_firefox() {
    require_packages firefox-esr
}

require_packages() {
    local missing=() package
    command -v dpkg-query >/dev/null ||
        fail "These tests are made for Debian. They need: $*"
    for package in "$@"; do
        dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep --quiet 'ok installed' ||
            missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        local command="apt-get install --yes --no-install-recommends ${missing[*]}"
        [ "$(id --user)" = 0 ] || fail "Packages are missing. As root: $command"
        apt-get update
        DEBIAN_FRONTEND=noninteractive $command
    fi
}

for what in "$@"; do
    "require_$what"
done
