# shellcheck shell=sh
# What the scenarios are written with. A scenario tells what is true by `check`; each check is one line on
# the console, "ok - ..." or "not ok - ...", and a test in the report. The root is on disk: /state
# outlives a kexec, everything else does not.

# shellcheck disable=SC2154 # scenario and stage are init's
: "$scenario" "$stage"

mkdir -p /state /run/mounts
[ -e /state/checks ] || echo 0 >/state/checks

uptime_now() { cut -d ' ' -f 1 /proc/uptime; }

# --- reporting

count_check() { echo $(($(cat /state/checks) + 1)) >/state/checks; }

ok() {
    count_check
    echo "ok - $1"
}

not_ok() { # DESCRIPTION REASON
    count_check
    echo "not ok - $1"
    # Indented, so that no word of it is taken for a check; the first lines say enough.
    echo "$2" | head -n 30 | sed 's/^/    /'
}

# check DESCRIPTION COMMAND ARGUMENT...: the command runs in this shell, so it may be a function.
check() {
    check_name=$1
    shift
    if "$@" >/run/check.out 2>&1; then
        ok "$check_name"
    else
        not_ok "$check_name" "$* gave $?
$(cat /run/check.out)"
        return 1
    fi
}

# require DESCRIPTION COMMAND ARGUMENT...: a check without which the rest would only be noise. If it fails, the
# guest goes off before the scenario is done, which is a failure too.
require() {
    check "$@" && return
    echo "kexecfs-guest: $scenario cannot go on"
    power_off
}

# report FILE [PREFIX]: the lines "ok - ..." and "not ok - ..." of a program that checks by itself; below them, as a
# detail, its lines of "# ...". They are counted in one go: there may be hundreds.
report() {
    echo $(($(cat /state/checks) + $(grep -cE '^(not )?ok - ' "$1"))) >/state/checks
    sed -E "s/^((not )?ok - )/\\1${2-}/; s/^#/    #/" "$1"
}

# fails ERROR COMMAND ARGUMENT...: it must, and say ERROR.
fails() {
    fails_with=$1
    shift
    if "$@" >/run/fails.out 2>&1; then
        echo "it succeeded: $*"
        cat /run/fails.out
        return 1
    fi
    cat /run/fails.out
    grep -q -- "$fails_with" /run/fails.out
}

# equal WANTED IS
equal() {
    [ "$1" = "$2" ] && return
    echo "wanted: $1"
    echo "is:     $2"
    return 1
}

# same FILE FILE
same() { diff "$1" "$2"; }

# Past the redirection of a check.
note() { echo "# $*" >/dev/console; }

# show COMMAND ARGUMENT...: what people see, for the report.
show() {
    note "\$ $*"
    "$@" >/run/show.out 2>&1
    while read -r shown; do note "  $shown"; done </run/show.out
}

# timed NAME COMMAND ARGUMENT...: a figure for the report, to the hundredth of a second.
timed() {
    timed_name=$1
    timed_from=$(uptime_now)
    shift
    "$@"
    timed_status=$?
    note "$timed_name: $(echo "$timed_from $(uptime_now)" | awk '{ printf "%.2f s", $2 - $1 }')"
    return $timed_status
}

# wait_for SECONDS COMMAND ARGUMENT...: for what gives no event to a shell.
wait_for() {
    wait_seconds=$1
    wait_end=$(($(uptime_now | cut -d . -f 1) + $1 + 1))
    shift
    until "$@" >/dev/null 2>&1; do
        if [ "$(uptime_now | cut -d . -f 1)" -ge $wait_end ]; then
            echo "not within $wait_seconds s: $*"
            return 1
        fi
        sleep 0.05
    done
}

# option NAME DEFAULT: kexecfs.NAME=... on the kernel's command line.
option() { sed -n "s/.*kexecfs\.$1=\([^ ]*\).*/\1/p" /proc/cmdline | grep . || echo "$2"; }

figure() { note "figure - $1 $2"; }
seconds() { echo "$1" | awk '{ printf "%.3f", $1 / 1000000 }'; }
since() { echo "$1 $(uptime_now)" | awk '{ printf "%.2f", $2 - $1 }'; }
ratio() { echo "$1 $2" | awk '{ printf "%.1f", $1 / ($2 > 0 ? $2 : 0.01) }'; }

# random LESS_THAN
random() { echo $(($(od -An -N4 -tu4 /dev/urandom) % $1)); }

# --- from kernel to kernel

# keep NAME VALUE, kept NAME: for a later stage.
keep() { echo "$2" >"/state/$1"; }
kept() { cat "/state/$1"; }

# A stage may say what comes next: next_kernel is another bzImage, next_options are further words for its command line.
# Both are for the next kernel only. A function last_moment of the scenario's is called when that is loaded.
next_stage() {
    next_line=$(sed 's/ *kexecfs\.stage=.*//' /proc/cmdline)
    sync
    # Only kexec_file_load(2), -s, hands over what KHO preserved.
    kexec -s -l "${next_kernel:-/boot/bzImage}" \
        --command-line="$next_line kexecfs.stage=$((stage + 1))${next_options:+ $next_options}" || return
    if type last_moment >/dev/null 2>&1; then last_moment; fi
    echo "kexecfs-guest: $scenario leaves this kernel at $(uptime_now)"
    dmesg -n 7
    leave_kernel
}

# At once, with nothing shut down. A scenario may leave in another way.
leave_kernel() { kexec -e; }

power_off() {
    sync
    poweroff -f
    # It does not return before the machine is off.
    sleep 60
}

# --- LUO from outside: what the kernel holds

# The sessions that some process holds, by the names of their fds: the kernel has no list of them.
# An outgoing session lives exactly as long as such an fd; an incoming one has none until it is retrieved.
luo_sessions() {
    # shellcheck disable=SC2012 # busybox's find cannot look at where a link leads
    ls -l /proc/[0-9]*/fd 2>/dev/null | sed -n 's/.* -> anon_inode:\[luo_session\] //p' | sort -u
}

no_sessions() { [ -z "$(luo_sessions)" ]; }

# The pages that would be handed to the next kernel: see programs/kho-pages.c for what is counted.
kho_preserved_pages() { kho-pages; }

# preserved_as_before PAGES: nothing more is held than there was. The closing of a session fd by a
# process that ends takes effect a moment after the process is gone.
preserved_as_before() {
    wait_for 5 pages_are "$1" || equal "$1" "$(kho_preserved_pages)"
}
pages_are() { [ "$(kho_preserved_pages)" = "$1" ]; }

# The memory that this kernel has for itself, in kB. What came preserved from the last kernel is not in it
# until it is retrieved, or dropped by a finish: what is then still missing has leaked.
own_memory() { awk '/MemTotal/ { print $2 }' /proc/meminfo; }

# own_memory_is_back KILOBYTES: as in the first kernel, but for a few pages that are KHO's own. The two
# kernels are one image with one amount of memory, so all else is equal.
own_memory_is_back() { wait_for 5 own_memory_is_about "$1" || equal "$1" "$(own_memory)"; }
own_memory_is_about() { [ "$(own_memory)" -ge $(($1 - 64)) ]; }

# --- kexecfs

# start_mount SESSION DIR [OPTION]...: in the background; await_mount waits for it. Several are
# best started together: most of the time is Java's start.
start_mount() {
    start_session=$1
    start_dir=$2
    shift 2
    mkdir -p "$start_dir"
    kexecfs mount -f "$@" "$start_session" "$start_dir" >"/run/mounts/$start_session.log" 2>&1 &
    echo $! >"/run/mounts/$start_session.pid"
}

is_mounted() { grep -q " $1 fuse" /proc/mounts && [ -e "$1/kexecfs.state" ]; }

is_mounted_or_given_up() { # DIR PID
    is_mounted "$1" || ! is_running "$2"
}

await_mount() { # SESSION DIR
    wait_for 120 is_mounted_or_given_up "$2" "$(cat "/run/mounts/$1.pid")" && is_mounted "$2" && return
    cat "/run/mounts/$1.log"
    return 1
}

# The process that serves a session: the launcher may have started it as a child.
mount_pid() { # SESSION
    for mount_fd in /proc/[0-9]*/fd/*; do
        if [ "$(readlink "$mount_fd")" = "anon_inode:[luo_session] $1" ]; then
            mount_fd=${mount_fd#/proc/}
            echo "${mount_fd%%/*}"
            return
        fi
    done
    cat "/run/mounts/$1.pid"
}

state_is() { # DIR STATE
    equal "$2" "$(cat "$1/kexecfs.state")"
}

# write_control DIR CONTROL WORD
write_control() {
    echo "$3" >"$1/kexecfs.$2" && return
    cat "$1/kexecfs.error"
    return 1
}

user_files() { find "$1" -maxdepth 1 -type f ! -name 'kexecfs.*' | sort; }

umounted() { ! grep -q " $1 fuse" /proc/mounts && ! is_running "$2"; }

is_running() { [ -e "/proc/$1" ]; }

# end_mount SESSION DIR: and the process that served it is gone too.
end_mount() {
    end_pid=$(mount_pid "$1")
    umount "$2" && wait_for 20 umounted "$2" "$end_pid"
}

# There are entries, and all have this status; the ones that have another are shown.
statuses_are() { # DIR STATUS
    awk -F '\t' -v status="$2" 'NR > 1 && $4 != status { print; other = 1 } END { exit other || NR < 2 }' "$1/kexecfs.files"
}

counter_passes() { # FILE COUNT
    wait_for 5 counter_is_above "$1" "$2"
}
counter_is_above() { [ "$(pattern counter "$1")" -gt "$2" ]; }

# holds PATTERN FILE
holds() {
    grep -q -- "$1" "$2" && return
    echo "nothing like '$1' in:"
    cat "$2"
    return 1
}

# What must be the same in the next kernel: names, kinds, modes, owners, sizes and times to the
# nanosecond. But not the time of the last access: a read changes it up to the kexec.
lasting_facts() { facts "$1" --lasting; }

facts() { # DIR [--lasting]
    user_files "$1" >/run/facts.files
    tr '\n' '\0' </run/facts.files | xargs -0 -r file-facts ${2:+"$2"}
}

# The kernel writes of its own accord where something went wrong in it.
kernel_is_content() {
    equal "" "$(dmesg | grep -E 'WARNING:|BUG:|(KHO|kho|luo)[a-z_]*: .*([Ff]ail|[Uu]nable)')"
}

# SHA-256 sums of the contents, of all files but NAME, which then nobody has read.
sums() { # DIR [NAME]
    user_files "$1" | grep -v "/${2-/}\$" >/run/facts.files
    (cd "$1" && sed 's,.*/,,' /run/facts.files | tr '\n' '\0' | xargs -0 -r sha256sum)
}

# start_daemon: kexecfsd, as a service manager starts it; what one before it has left is mounted again when this returns.
start_daemon() {
    kexecfsd --idle 0 >>/run/kexecfsd.log 2>&1 </dev/null &
    ask-daemon heal
}

daemon_pid() { cat /run/kexecfs/kexecfsd.pid; }
keeper_pid() { cat /run/kexecfs/keeper.lock; }
shadow_pid() { grep -lx shadow /proc/[0-9]*/comm | cut -d / -f 3; }

# kill_daemon: and it is gone when this returns.
kill_daemon() {
    killed_daemon=$(daemon_pid)
    kill -KILL "$killed_daemon" && wait_for 20 is_dead "$killed_daemon"
}

# kill_keeper: and another has everything when this returns.
kill_keeper() {
    keepers=$(next_keepers)
    kill -KILL "$(keeper_pid)" && wait_for 120 is_another_keeper
}
is_another_keeper() { [ "$(next_keepers)" -gt "$keepers" ]; }
next_keepers() { cat /run/kexecfsd.log /run/kexecfs/*.log | grep -c 'the next keeper holds all'; }
is_dead() { ! grep -q '^State:[[:space:]]*[^Z]' "/proc/$1/status"; }

# Mounts sessions, each at /mnt/SESSION; together, for most of the time is Java's start.
mount_all() { # SESSION...
    for session; do start_mount "$session" "/mnt/$session"; done
    for session; do
        require "session $session is mounted" await_mount "$session" "/mnt/$session"
    done
}

# The seed of a session's own contents.
seed_of() { echo "0x$(echo "$1" | sha256sum | cut -c 1-8)"; }
