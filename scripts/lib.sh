# SPDX-License-Identifier: BSL-1.0
# shellcheck shell=sh
# What run-demo and run-tests share. The one who includes this is in the root of the tree.

# say TEXT: one line for one step.
say() {
    printf '==> %s\n' "$*"
}

# die TEXT: the reason and the remedy, then the end.
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# need PACKAGE...: installs those Debian packages that are missing.
need() {
    command -v dpkg-query >/dev/null || {
        say "this is not Debian: taking it for granted that these or their like are installed: $*"
        return
    }
    # Debian 12 has a Boost that is new enough beside its default; later releases have one as their default.
    # shellcheck disable=SC2046 # the names of packages are words
    grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release ||
        set -- $(printf '%s\n' "$@" | sed 's/1\.81-dev$/-dev/')
    missing=
    for package in "$@"; do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
        [ "$state" = installed ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0

    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null ||
            die "run it as root, or install sudo, or install these packages:$missing"
        as_root=sudo
    fi
    say "installing:$missing"
    log=$(mktemp)
    # shellcheck disable=SC2086 # $as_root is no word or one, $missing is a list
    if ! {
        $as_root apt-get -q update &&
            $as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get -q install -y --no-install-recommends $missing
    } >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        rm -f "$log"
        die "the packages could not be installed; apt-get's own words are above"
    fi
    rm -f "$log"
}

# Compilers run through ccache where there is one, and a place for it.
if command -v ccache >/dev/null && cache=$(ccache --get-config cache_dir 2>/dev/null) &&
    mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ]; then
    export CMAKE_CXX_COMPILER_LAUNCHER=ccache
fi
