# shellcheck shell=sh
# The kernel kills kexecfsd for want of memory in its cgroup, of version 2, by itself and with all that is in the cgroup. Its keeper is
# in another one, starts it again, and what was acknowledged is there, in this kernel and in the next one. Somebody is at work
# in another session.

groups=/sys/fs/cgroup
expected=/state/survive
writers=2
size=600

stage_1() {
    keep memory "$(own_memory)"
    mkdir -p /mnt/tight /mnt/busy
    mount -t cgroup2 cgroup2 $groups
    check "there is the memory controller of version 2" sh -c "echo +memory >$groups/cgroup.subtree_control"
    require "a session is mounted" kexecfs mount tight /mnt/tight
    require "another one, too" kexecfs mount busy /mnt/busy
    require "programs work on it" survive write /mnt/busy $writers "$(random 1000000000)" $expected
    survivors=$(cat /run/check.out)
    killed_for_want_of_memory alone 0
    killed_for_want_of_memory together 1
    kill "$survivors"
    check "the programs found all as they were told" survive end $expected $writers
    note "$(tail -n 1 /run/check.out)"
    check "both are prepared" kexecfs prepare --all
}

stage_2() {
    unmounted=$(kho_preserved_pages)
    mkdir -p /mnt/tight /mnt/busy
    require "kexecfsd starts in the next kernel" start_daemon
    for session in tight busy; do
        require "$session is mounted" ask-daemon mount $session /mnt/$session
        check "$session is updated" state_is /mnt/$session updated
    done
    for how in alone together; do check "all files are there, $how" acknowledged_is_there $how; done
    check "and those of the other session" survive check /mnt/busy $writers $expected
    for session in tight busy; do
        check "$session is finished" write_control /mnt/$session finish 1
        umount /mnt/$session
    done
    check "the kernel has no session" wait_for 20 no_sessions
    check "nothing is preserved" preserved_as_before "$unmounted"
    check "all memory is the kernel's own again" own_memory_is_back "$(kept memory)"
    check "the kernel complains of nothing" kernel_is_content
}

# What it has is charged to the cgroup where it was: so little is enough for the files that are made now.
killed_for_want_of_memory() { # DIRECTORY GROUP
    in=$groups/kexecfsd-$1
    mkdir "$in" "/mnt/tight/$1"
    killed=$(daemon_pid)
    echo "$2" >"$in/memory.oom.group"
    echo "$killed" >"$in/cgroup.procs"
    echo 1M >"$in/memory.max"
    check "kexecfsd is killed while files are made, $1" fails "ENOTCONN\|ECONNABORTED" entry fill "/mnt/tight/$1" 20000 $size 5
    sed -n 's/.*file-\([0-9]*\):.*/\1/p' /run/fails.out >"/state/not-made-$1"
    # With its group the one process is counted twice.
    check "by the kernel, $1" holds '^oom_kill [12]$' "$in/memory.events"
    check "with its group if that is said, $1" holds "^oom_group_kill $2" "$in/memory.events"
    check "its keeper starts another one, $1" timed "restart" ask-daemon heal
    check "in a cgroup that is not full, $1" test "$killed" != "$(daemon_pid)"
    check "the session is what it was, $1" state_is /mnt/tight normal
    check "each file that was made is there, $1" acknowledged_is_there "$1"
    note "the kernel killed it $1 after $(($(cat "/state/not-made-$1") - 1)) files"
}

acknowledged_is_there() { # DIRECTORY
    made=$(($(cat "/state/not-made-$1") - 1))
    [ $made -gt 0 ] && entry check "/mnt/tight/$1" $made $size 5
}
