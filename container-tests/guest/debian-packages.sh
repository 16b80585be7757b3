# shellcheck shell=bash
# To be sourced, by who has say and die: Debian's packages by an apt of our own, which leaves the host's sources, lists and
# state untouched, and counts nothing as installed.
#
#   debian_suite DIRECTORY SUITE PACKAGE   DIRECTORY, made if need be, is that apt's for SUITE from now on; its lists are asked
#                                          for again if they are old, of the first mirror that has PACKAGE
#   apt_private COMMAND ARGUMENT...        an apt command, on it
#   debian_version PACKAGE                 the version it has, or nothing

# The package lists are asked for again when they are older than this.
readonly lists_max_age_minutes=1440

apt_private() { # COMMAND ARGUMENT...
    local command=$1
    shift
    "$command" -qq -c "$apt/apt.conf" "$@"
}

# The host's own Debian mirrors, best first: their archives carry all suites.
debian_mirrors() {
    local codename
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
    # shellcheck disable=SC2016 # the dollars are apt's
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk -v c="$codename" '$3 == "main" && ($2 == c || $2 == "stable" || $2 == "testing" || $2 == "sid") && !seen[$1]++ { print $1 }'
}

debian_keyring() {
    local file
    for file in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
        if [[ -r $file ]]; then
            echo "$file"
            return
        fi
    done
    die "no Debian archive keyring: apt-get install debian-archive-keyring"
}

debian_version() { # PACKAGE
    apt_private apt-cache show --no-all-versions "$1" 2>/dev/null | awk '$1 == "Version:" && !seen++ { print $2 }'
}

debian_suite() { # DIRECTORY SUITE PACKAGE
    apt=$1
    mkdir -p "$apt"/state/lists/partial "$apt"/cache/archives/partial
    cat >"$apt/apt.conf" <<CONF
Dir::State "$apt/state";
Dir::State::status "/dev/null";
Dir::Cache "$apt/cache";
Dir::Etc::SourceList "$apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
APT::Sandbox::User "$(id -un)";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
CONF
    if [[ -z $(find "$apt/refreshed" -mmin "-$lists_max_age_minutes" 2>/dev/null) ]] || [[ -z $(debian_version "$3") ]]; then
        # Without network, lists of yesterday still name the version that was built from.
        debian_refresh "$2" "$3" || say "no fresh package lists"
    fi
}

debian_refresh() { # SUITE PACKAGE
    local mirror signed_by
    signed_by=$(debian_keyring)
    for mirror in $(debian_mirrors); do
        say "asking $mirror for $2 in $1"
        echo "deb [signed-by=$signed_by] $mirror $1 main" >"$apt/sources.list"
        if apt_private apt-get -o APT::Update::Error-Mode=any update >&2 && [[ -n $(debian_version "$2") ]]; then
            touch "$apt/refreshed"
            return
        fi
    done
    return 1
}
