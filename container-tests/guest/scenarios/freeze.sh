# shellcheck shell=sh
# A kexec that fails at the freeze of the first file, of one in the middle and of the last one: it comes back with the error, all is
# as it was and goes on, and the kexec after it takes everything. LUO freezes sessions, and the files of each, in the order in which
# they came.

# shellcheck disable=SC2154 # stage is init's
: "$stage"

sessions=5
files=4
size=20000
writers=2
expected=/state/survive

stage_1() {
    keep memory "$(own_memory)"
    require "kexecfsd starts" start_daemon
    require "sessions are mounted" ask-daemon many part $sessions /mnt 1
    mkdir -p /mnt/busy /mnt/late
    require "another one, too" ask-daemon mount busy /mnt/busy
    for part in $(parts); do
        entry fill "/mnt/$part" $files $size "$(seed_of "$part")" >/dev/null
        check "$part has an open file of somebody's" \
            with-memfd $size 9 --position 4711 kexecfs-sock "/mnt/$part/kexecfs.sock" preserve own
    done
    link-memfd /mnt/part3 counting 4K 1 >/run/counting
    luo-bare create foreign 2 $size 7 --position 11 >/state/foreign
    for part in $(parts); do
        require "$part is prepared" write_control "/mnt/$part" prepare 1
        keep "sums-$part" "$(sums "/mnt/$part" counting)"
    done
    # Of each session its manifest; and those of the foreign one.
    frozen=$(($(cat /mnt/part*/kexecfs.files | grep -c "$(printf '\t')preserved$(printf '\t')") + sessions + 2))
    require "LUO has each file" equal $((sessions * (files + 2) + 3)) "$frozen"
}

# A kernel is loaded now.
last_moment() {
    [ "$stage" = 1 ] || return
    watch-state poll /mnt/part1/kexecfs.state >/run/watched &
    watcher=$!
    require "programs work on the session that is not prepared" survive write /mnt/busy $writers "$(random 1000000000)" $expected
    survivors=$(cat /run/check.out)

    fails_at 1 reboot-kexec
    fails_at $((frozen / 2)) kexec -e
    fails_at "$frozen" reboot-kexec
    show cat /run/fails.log
    check "the state never changed" equal prepared "$(cat /run/watched)"
    kill $watcher
    check "the kernel's log says which file it was" holds 'Freeze failed for token' /run/fails.log

    check "another session can be mounted" ask-daemon mount late /mnt/late
    check "it is prepared" write_control /mnt/late prepare 1
    check "and it can end" umount /mnt/late
    check "a prepared one can be cancelled" write_control /mnt/part2 cancel 1
    check "it takes a file then" make_file /mnt/part2/after
    check "and is prepared again" write_control /mnt/part2 prepare 1
    keep sums-part2 "$(sums /mnt/part2)"
    check "a killed kexecfsd comes back" kill_and_restart
    check "with all of them prepared" as_before
    frozen=$((frozen + 1))
    fails_at $frozen kexec -e

    kill "$survivors"
    check "the programs found all as they were told" survive end $expected $writers
    note "$(tail -n 1 /run/check.out)"
    check "the session that they worked on is prepared" write_control /mnt/busy prepare 1
    counter=$(pattern counter /mnt/part3/counting)
    keep counter "$counter"
    sync
}

stage_2() {
    unmounted=$(kho_preserved_pages)
    require "kexecfsd starts in the next kernel" start_daemon
    require "the sessions are mounted" ask-daemon many part $sessions /mnt 4
    mkdir -p /mnt/busy
    require "the other one, too" ask-daemon mount busy /mnt/busy
    for part in $(parts); do
        check "$part is updated" state_is "/mnt/$part" updated
        check "$part has its contents" equal "$(kept "sums-$part")" "$(sums "/mnt/$part" counting)"
        check "$part has the open file as it was" own_file_of "$part"
    done
    check "what was written up to the kexec is there" counter_is_above /mnt/part3/counting "$(($(kept counter) - 1))"
    check "the session that was worked on is what it was" survive check /mnt/busy $writers $expected
    check "of a session that was unmounted nothing came" fails ENOENT luo-bare incoming late
    luo-bare retrieve foreign 2 --finish >/run/foreign 2>&1
    grep token /state/foreign >/run/foreign.was
    grep token /run/foreign >/run/foreign.is
    check "another program's session is what it was" same /run/foreign.was /run/foreign.is
    for session in $(parts) busy; do
        check "$session is finished" write_control "/mnt/$session" finish 1
        umount "/mnt/$session"
    done
    check "the kernel has no session" wait_for 20 no_sessions
    check "nothing is preserved" preserved_as_before "$unmounted"
    check "all memory is the kernel's own again" own_memory_is_back "$(kept memory)"
    check "the kernel complains of nothing" kernel_is_content
}

parts() { seq $sessions | sed s/^/part/; }

make_file() { echo "${1##*/}" >"$1"; }

kill_and_restart() { kill_daemon && timed restart start_daemon; }

fails_at() { # FILE COMMAND...
    fails_at=$1
    shift
    dmesg -c >/dev/null
    require "$* fails if file $fails_at of $frozen does not freeze" fails 'Input/output error' fail-freeze "$fails_at" "$@"
    check "LUO has frozen those before it" holds "^$fails_at were asked to freeze" /run/fails.out
    dmesg >/run/fails.log
    check "all is as it was before $*" as_before
}

# Each is prepared, holds what it held, and goes on.
as_before() {
    for part in $(parts); do
        state_is "/mnt/$part" prepared || return
        equal "" "$(cat "/mnt/$part/kexecfs.error")" || return
        statuses_are "/mnt/$part" preserved || return
        equal "$(kept "sums-$part")" "$(sums "/mnt/$part" counting)" || return
        fails 'Device or resource busy' mkdir "/mnt/$part/dir" || return
        printf X | dd of="/mnt/$part/file-1" bs=1 seek=100 conv=notrunc 2>/dev/null || return
        keep "sums-$part" "$(sums "/mnt/$part" counting)"
    done
    counter_passes /mnt/part3/counting "$(pattern counter /mnt/part3/counting)" || return
    state_is /mnt/busy normal
}

own_file_of() { # SESSION
    kexecfs-sock "/mnt/$1/kexecfs.sock" open r own fd-facts 3 >/run/facts
    holds "^fd=3 size=$size position=4711 " /run/facts
}
