# shellcheck shell=sh
# Sessions of one kexecfsd through a kexec, and a kill of it at each step of a restore, and of its keeper at each step until that has told of
# what it has retrieved: what a daemon or keeper that is started then finds is all that there was.

# The last ones are for kills of the keeper.
last=12
# More than a restore has steps, and those. kexecfs.step=N on the kernel's command line begins with that one.
sessions=52
files=2
size=5000

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
    first=$(option step 1)
    step=$first
    while [ "$step" -lt $((sessions - last)) ] && killed_at_step "$step"; do step=$((step + 1)); done
    require "there are fewer steps than sessions" test "$step" -lt $((sessions - last))
    figure "steps of a restore" $((step - 1))
    check "kexecfs mount has it done, whoever is killed meanwhile" killed_under_a_client $((step / 2))
    keeper_killed_at_each_step
    check "no other session of them is there" equal "" "$(luo_sessions)"
    check "the others are restored" restore_others "$first" "$step"
    check "the kernel has no session" wait_for 20 no_sessions
    check "nothing is preserved" preserved_as_before "$unmounted"
    check "all memory is the kernel's own again" own_memory_is_back "$(kept memory)"
    check "the kernel complains of nothing" kernel_is_content
}

each_kept() { seq $sessions | sed s/^/kept/; }

make_files() { # SESSION
    entry fill "/mnt/$1" $files $size "$(seed_of "$1")" >/dev/null
    mkdir "/mnt/$1/dir"
    echo "$1" >"/mnt/$1/dir/of $1"
    chmod 4751 "/mnt/$1/file-1"
    chown 7:8 "/mnt/$1/file-2"
    entry set "/mnt/$1/file-1" user.comment "of $1"
    file-facts --touch 1234567890.123456789 "/mnt/$1/file-2"
}

# All that there is to see of a session's files, but their bytes.
seen() { # SESSION
    lasting_facts "/mnt/$1"
    lasting_facts "/mnt/$1/dir"
    entry get "/mnt/$1/file-1" user.comment
    sums "/mnt/$1"
}

prepare_all() {
    timed "prepare --all of $((sessions + 1)) sessions" kexecfs prepare --all >/run/prepared
    equal $((sessions + 1)) "$(grep -c ': prepared$' /run/prepared)"
}

attach() { # STEP [PID]
    kill-at "${2-$(daemon_pid)}" "$1" >/run/kill-at 2>/run/kill-at.attached &
    killer=$!
    wait_for 20 grep -q attached /run/kill-at.attached
}

# Restores a session under a kill; fails if there is no such step.
killed_at_step() { # STEP
    killed=kept$1
    mkdir -p "/mnt/$killed"
    [ "$1" != "$first" ] || start_daemon
    attach "$1"
    if ask-daemon mount "$killed" "/mnt/$killed" >/run/answer; then
        kill $killer
        wait $killer
        check "a restore that nobody kills is one" is_as_it_was "$killed"
        return 1
    fi
    wait $killer
    check "after a kill at step $1, $(sed 's/.*step [0-9]*, //; s/(.*//' /run/kill-at), everything is there" comes_back "$killed" || true
}

comes_back() { # SESSION
    timed "restart" start_daemon || return
    ask-daemon mount "$1" "/mnt/$1" || holds "mounted already" /run/check.out || return
    is_as_it_was "$1"
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
        check "after a kill of the keeper at step $step, everything is there" keeper_killed_at_step $step kept$((sessions - step + 1))
        note "$(cat /run/kill-at)"
        if [ $retrieved -gt 0 ] || holds ', ioctl(' /run/kill-at; then retrieved=$((retrieved + 1)); fi
        # With this step the ioctl is behind it.
        [ $retrieved != 2 ] || check "and after a kill of both at that step" both_killed_at_step $step kept$((sessions - last + 1))
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
    kill_daemon && comes_back "$2"
}

restore_others() { # FROM TO: but those
    for session in $(each_kept); do
        which=${session#kept}
        if [ "$which" -ge "$1" ] && [ "$which" -le "$2" ] || [ "$which" -gt $((sessions - last)) ]; then continue; fi
        mkdir -p "/mnt/$session"
        ask-daemon mount "$session" "/mnt/$session" && is_as_it_was "$session" || return
    done
}

is_as_it_was() { # SESSION
    state_is "/mnt/$1" updated || return
    seen "$1" >/run/seen
    same "/state/seen-$1" /run/seen || return
    luo_sessions >/run/luo
    holds "^$1\$" /run/luo || return
    write_control "/mnt/$1" finish 1 || return
    state_is "/mnt/$1" normal || return
    umount "/mnt/$1"
    wait_for 5 no_session "$1"
}

no_session() { ! luo_sessions | grep -qx "$1"; }
