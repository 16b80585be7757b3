# shellcheck shell=sh
# A kexec in the middle of a prepare: what was handed over by then is there, what was not is told, and nobody takes it for whole.

# shellcheck disable=SC2154 # stage is init's
: "$stage"

dir=/mnt/half

stage_1() {
    keep memory "$(own_memory)"
    mkdir -p $dir
    require "kexecfsd starts" start_daemon
    require "a session is mounted" ask-daemon mount half $dir
    check "which has many files" entry fill $dir 400 4096 7
}

# It is stopped on its way.
last_moment() {
    [ "$stage" = 1 ] || return
    kill-at "$(daemon_pid)" 100 STOP >/run/kill-at 2>/run/kill-at.attached &
    killer=$!
    wait_for 20 grep -q attached /run/kill-at.attached
    echo 1 >$dir/kexecfs.prepare &
    check "a prepare is stopped on its way" wait $killer
    note "$(cat /run/kill-at)"
}

stage_2() {
    unmounted=$(kho_preserved_pages)
    require "kexecfsd starts in the next kernel" start_daemon
    check "the session is mounted" ask-daemon mount half $dir
    check "it is failed, and does not pass for whole" state_is $dir failed
    show cat $dir/kexecfs.error
    check "it says which entries are not there" holds 'entry .*file-' $dir/kexecfs.error
    check "what was handed over has its contents" restored_ones_are_good
    check "finish is accepted" write_control $dir finish 1
    check "and drops the others" statuses_are $dir linked
    check "it is unmounted" umount $dir
    check "the kernel has no session" wait_for 20 no_sessions
    check "nothing is preserved" preserved_as_before "$unmounted"
    check "all memory is the kernel's own again" own_memory_is_back "$(kept memory)"
    check "the kernel complains of nothing" kernel_is_content
}

restored_ones_are_good() {
    awk -F '\t' '$4 == "restored" && $5 ~ /^file-/ { sub("file-", "", $5); print $5 }' $dir/kexecfs.files >/run/restored
    note "$(wc -l </run/restored) of 400 files were handed over in time"
    [ -s /run/restored ] || return
    while read -r which; do
        pattern check "$dir/file-$which" 4096 $((7 + which)) || return
    done </run/restored
}
