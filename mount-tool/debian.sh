# shellcheck shell=bash
# What the project's scripts need of Debian 12 or 13. To be sourced, with set -euo pipefail.

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# as_root COMMAND...: by sudo, unless we are root.
as_root() {
    if ((EUID == 0)); then
        "$@"
    else
        command -v sudo >/dev/null || die "this needs root: run it as root, or install sudo"
        sudo -- "$@"
    fi
}

installed() { # PACKAGE
    [[ $(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# need_packages PACKAGE[|PACKAGE]...: installs those that are missing; of several names that which this Debian has.
need_packages() {
    command -v dpkg-query >/dev/null || die "this script knows Debian only; install by your own means: $*"
    local wanted name missing=() chosen=()
    for wanted; do
        for name in ${wanted//|/ }; do
            installed "$name" && continue 2
        done
        missing+=("$wanted")
    done
    ((${#missing[@]})) || return 0
    as_root apt-get -qq update
    for wanted in "${missing[@]}"; do
        for name in ${wanted//|/ }; do
            if [[ -n $(apt-cache show --no-all-versions "$name" 2>/dev/null) ]]; then
                chosen+=("$name")
                continue 2
            fi
        done
        die "this Debian has no package ${wanted//|/ or }"
    done
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "${chosen[@]}"
}

# Whether it is a JDK 25 or later that can make run times.
is_jdk() { # DIRECTORY
    [[ -x $1/bin/javac && -x $1/bin/jlink && -r $1/release ]] || return 1
    local version
    version=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release")
    ((version >= 25))
}

# Sets JAVA_HOME: as it is, by the java on PATH, by what lies in /usr/lib/jvm, or by installing Debian's.
use_jdk() {
    local home
    for home in "${JAVA_HOME-}" "$(realpath "$(command -v java || echo /nowhere)" | sed 's,/bin/java$,,')" /usr/lib/jvm/*; do
        if [[ -n $home ]] && is_jdk "$home"; then
            export JAVA_HOME=$home
            return
        fi
    done
    [[ -z ${jdk_installed-} ]] || die "openjdk-25 is installed and yet not found: set JAVA_HOME"
    need_packages openjdk-25-jdk-headless ||
        die "no JDK 25 here, and none in this Debian: install one (Temurin's has a .deb) and set JAVA_HOME"
    jdk_installed=yes
    use_jdk
}
