# shellcheck shell=sh
# Many sessions of one file each, mounted by one kexecfsd, through `kexecfs prepare --all`, a kexec and a restore; beside it the
# same by LUO's bare ioctls in C. How many: kexecfs.sessions=N on the kernel's command line.

sessions=$(option sessions 200)
size=4096
at_once=8

stage_1() {
    # shellcheck disable=SC3045 # busybox has it
    ulimit -n 65536
    keep memory "$(own_memory)"
    luo-bare create-many bare "$sessions" $size 100 >/run/bare
    require "the bare ioctls preserve a file in each of $sessions sessions" holds '^preserve-us=' /run/bare
    require "kexecfsd starts" start_daemon
    check "$sessions sessions are mounted" timed "$sessions mounts" ask-daemon many s "$sessions" /mnt $at_once
    memory_of_daemon
    check "each has a file" entry fill-each /mnt/s "$sessions" $size 1000000
    begin=$(uptime_now)
    check "prepare --all prepares them" prepare_all
    prepare=$(since "$begin")
    bare=$(seconds "$(sed -n 's/^preserve-us=//p' /run/bare)")
    figure "prepare --all of $sessions sessions, s" "$prepare"
    figure "the same by bare ioctls, s" "$bare"
    figure "prepare, times the bare ioctls" "$(ratio "$prepare" "$bare")"
    check "LUO has twice as many sessions" equal $((2 * sessions)) "$(luo_sessions | wc -l)"
}

stage_2() {
    # shellcheck disable=SC3045 # as above
    ulimit -n 65536
    luo-bare retrieve-many bare "$sessions" >/run/bare
    check "the bare ioctls retrieve them" holds '^retrieve-us=' /run/bare
    bare=$(seconds "$(sed -n 's/^retrieve-us=//p' /run/bare)")
    require "kexecfsd starts" start_daemon
    begin=$(uptime_now)
    check "$sessions sessions are mounted again" ask-daemon many s "$sessions" /mnt $at_once
    restore=$(since "$begin")
    figure "restore of $sessions sessions, with their mounts, s" "$restore"
    figure "the same by bare ioctls, s" "$bare"
    figure "restore, times the bare ioctls" "$(ratio "$restore" "$bare")"
    memory_of_daemon
    check "all have their contents" entry check-each /mnt/s "$sessions" $size 1000000
    check "all are updated" equal "$sessions" "$(cat /mnt/s*/kexecfs.state | grep -c updated)"
    check "finish --all finishes them" timed "finish --all of $sessions sessions" finish_all
    check "they are unmounted" timed "umount of $sessions sessions" umount_all
    check "the kernel has no session" wait_for 60 no_sessions
    check "all memory is the kernel's own again" own_memory_is_back "$(kept memory)"
    check "the kernel complains of nothing" kernel_is_content
}

prepare_all() {
    kexecfs prepare --all >/run/prepared
    equal "$sessions" "$(grep -c ': prepared$' /run/prepared)"
}

finish_all() {
    kexecfs finish --all >/run/finished
    equal "$sessions" "$(grep -c ': normal$' /run/finished)"
}

umount_all() {
    for mounted in /mnt/s*; do umount "$mounted" || return; done
}


memory_of_daemon() {
    figure "RSS of kexecfsd with $sessions mounts, MB" "$(awk '/VmRSS/ { printf "%d", $2 / 1024 }' "/proc/$(daemon_pid)/status")"
    figure "RSS of its keeper, MB" "$(awk '/VmRSS/ { printf "%d", $2 / 1024 }' "/proc/$(keeper_pid)/status")"
}
