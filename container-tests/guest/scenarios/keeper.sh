# shellcheck shell=sh
# Sessions of one kexecfsd through a kexec, and a kill of it at each step of a restore, and of its keeper at each step until that has told of
# what it has retrieved: what a daemon or keeper that is started then finds is all that there was. One kill of kexecfsd is of several
# restores at once, each held at a step of its own, as far as they do not wait for each other.

# The last ones are for kills of the keeper.
last=12
# More than a restore has steps, and those. kexecfs.step=N on the kernel's command line begins with that one.
sessions=44
together=5
files=2
size=5000
model=/run/model

stage_1() {
    keep memory "$(own_memory)"
    mkdir -p /mnt/asked
    check "the first mount starts kexecfsd" kexecfs mount asked /mnt/asked
    check "and that a keeper" is_running "$(keeper_pid)"
    check "$sessions more sessions are mounted" timed "$sessions mounts" ask-daemon many kept $sessions /mnt 8
    for session in asked $(each_kept); do make_files "$session"; done
    check "LUO has a session of each" equal $((sessions + 1)) "$(luo_sessions | wc -l)"
    check "all are prepared" prepare_all
    kill_daemon
    check "if kexecfsd is killed its keeper starts it again" ask-daemon heal
    check "and all are prepared still" equal $((sessions + 1)) "$(cat /mnt/*/kexecfs.state | grep -c prepared)"
    for session in asked $(each_kept); do seen "$session" >"/state/seen-$session"; done
}

stage_2() {
    unmounted=$(kho_preserved_pages)
    require "kexecfsd starts" start_daemon
    step=$(option step 1)
    used=0
    kills=0
    while [ $((used + together)) -le $((sessions - last)) ] && killed_from_step; do :; done
    require "there are fewer steps than sessions" test "$used" -lt $((sessions - last))
    figure "steps of a restore" $((step - 1))
    figure "kills" "$kills"
    check "kexecfs mount has it done, whoever is killed meanwhile" killed_under_a_client $((step / 2))
    keeper_killed_at_each_step
    check "no other session of them is there" equal "" "$(luo_sessions)"
    check "the others are restored" restore_others
    check "the kernel has no session" wait_for 20 no_sessions
    check "nothing is preserved" preserved_as_before "$unmounted"
    check "all memory is the kernel's own again" own_memory_is_back "$(kept memory)"
    check "the kernel complains of nothing" kernel_is_content
}

each_kept() { seq $sessions | sed s/^/kept/; }

# It begins no process that it can do without: there are many sessions.
make_files() { # SESSION
    [ -e $model ] || make_model
    cp -a $model/. "/mnt/$1/"
    echo "$1" >"/mnt/$1/dir/of $1"
    entry set "/mnt/$1/file-1" user.comment "of $1"
    # busybox's cp leaves out the nanoseconds.
    file-facts --touch 1234567890.123456789 "/mnt/$1/file-2"
}

make_model() {
    mkdir -p $model/dir
    entry fill $model $files $size 7 >/dev/null
    chmod 4751 $model/file-1
    chown 7:8 $model/file-2
}

# All that there is to see of a session's files.
seen() { # SESSION
    seen_in=/mnt/$1
    set --
    for file in "$seen_in"/* "$seen_in"/dir/*; do
        case ${file##*/} in kexecfs.*) ;; *) set -- "$@" "$file" ;; esac
    done
    file-facts --lasting "$@"
    entry get "$seen_in/file-1" user.comment
    sha256sum "$seen_in/file-1" "$seen_in/file-2" "$seen_in/dir/of"*
}

prepare_all() {
    timed "prepare --all of $((sessions + 1)) sessions" kexecfs prepare --all >/run/prepared
    equal $((sessions + 1)) "$(grep -c ': prepared$' /run/prepared)"
}

attach() { # STEP [PID [held COUNT]]
    attach_step=$1
    attach_pid=${2-$(daemon_pid)}
    [ $# -lt 2 ] || shift
    shift
    : >/run/kill-at
    : >/run/kill-at.attached
    kill-at "$attach_pid" "$attach_step" "$@" >/run/kill-at 2>/run/kill-at.attached &
    killer=$!
    wait_for 20 grep -q attached /run/kill-at.attached
}

# A kill of restores of the next sessions, at this step, the next one, and so on: $step and $used go on. Fails if there are no more
# steps.
killed_from_step() {
    first_used=$((used + 1))
    attach "$step" "$(daemon_pid)" held $together
    stopped=0
    while [ $stopped -lt $together ]; do
        used=$((used + 1))
        mkdir -p "/mnt/kept$used"
        ask-daemon mount "kept$used" "/mnt/kept$used" >/run/answer &
        client=$!
        # If it is not, it waits for one that is stopped: its step is for the next kill.
        wait_for 20 stopped_or_answered || break
        has_stopped || break
        stopped=$((stopped + 1))
        step=$((step + 1))
        ! grep -q '^killed' /run/kill-at || break
    done
    if [ $stopped = 0 ] && is_dead "$client"; then
        kill $killer
        wait $killer
        check "a restore that nobody kills is one" is_as_it_was "kept$used"
        return 1
    fi
    kill_daemon
    wait $killer "$client"
    kills=$((kills + 1))
    timed "restart" start_daemon
    mount_again "$first_used" "$used"
    while read -r said; do
        check "after a kill at ${said#* at }, everything is there" is_as_it_was "kept$first_used" || true
        first_used=$((first_used + 1))
    done </run/killed-at
    [ $first_used -gt "$used" ] || check "and so it is of one that waited, or had been restored" is_as_it_was "kept$used"
}

has_stopped() { [ "$(grep -c ' at step ' /run/kill-at)" -gt "$stopped" ]; }
stopped_or_answered() { has_stopped || is_dead "$client"; }

mount_again() { # FIRST LAST, which may be mounted already
    grep ' at step ' /run/kill-at | sed 's/(.*//' >/run/killed-at
    for again in $(seq "$1" "$2"); do ask-daemon mount "kept$again" "/mnt/kept$again" >/dev/null; done
}

# The client starts the next kexecfsd, and asks again.
killed_under_a_client() { # STEP
    mkdir -p /mnt/asked
    attach "$1"
    kexecfs mount asked /mnt/asked || return
    holds "^killed at" /run/kill-at && is_as_it_was asked
}

# From the first step until the third after the ioctl of RETRIEVE_SESSION: at the first of those nobody but a shadow has the session.
keeper_killed_at_each_step() {
    step=1
    retrieved=0
    while [ $retrieved -le 3 ] && [ $step -lt $last ]; do
        used=$((used + 1))
        check "after a kill of the keeper at step $step, everything is there" keeper_killed_at_step $step "kept$used"
        note "$(cat /run/kill-at)"
        if [ $retrieved -gt 0 ] || holds ', ioctl(' /run/kill-at; then retrieved=$((retrieved + 1)); fi
        # With this step the ioctl is behind it.
        if [ $retrieved = 2 ]; then
            used=$((used + 1))
            check "and after a kill of both at that step" both_killed_at_step $step "kept$used"
        fi
        step=$((step + 1))
    done
    check "the keeper was killed between LUO's answer and its own" test $retrieved -gt 3
}

keeper_killed_at_step() { # STEP SESSION
    mkdir -p "/mnt/$2"
    attach "$1" "$(keeper_pid)"
    ask-daemon mount "$2" "/mnt/$2" || return
    wait $killer
    holds "^killed at" /run/kill-at && is_as_it_was "$2"
}

both_killed_at_step() { # STEP SESSION
    mkdir -p "/mnt/$2"
    attach "$1" "$(keeper_pid)"
    ask-daemon mount "$2" "/mnt/$2" >/run/answer &
    wait $killer
    kill_daemon && timed "restart of both" start_daemon || return
    ask-daemon mount "$2" "/mnt/$2" || holds "mounted already" /run/check.out || return
    is_as_it_was "$2"
}

restore_others() {
    while [ "$used" -lt $sessions ]; do
        used=$((used + 1))
        mkdir -p "/mnt/kept$used"
        ask-daemon mount "kept$used" "/mnt/kept$used" && is_as_it_was "kept$used" || return
    done
}

is_as_it_was() { # SESSION
    state_is "/mnt/$1" updated || return
    seen "$1" >/run/seen
    same "/state/seen-$1" /run/seen || return
    is_held "$1" || return
    write_control "/mnt/$1" finish 1 || return
    state_is "/mnt/$1" normal || return
    umount "/mnt/$1"
    wait_for 5 is_not_held "$1"
}

# By the keeper, of all.
is_held() { # SESSION
    ls -l "/proc/$(keeper_pid)/fd" >/run/held
    holds " -> anon_inode:\[luo_session\] $1\$" /run/held
}
is_not_held() { ! is_held "$1"; }
