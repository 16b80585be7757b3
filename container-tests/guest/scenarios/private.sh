# shellcheck shell=sh
# Sessions on private mounts: one that is prepared and that a process has up to the kexec comes back, by its name. One that
# is not prepared does not, nor one whose last descriptor was closed.
# shellcheck disable=SC2016 # $1 is the scripts' own: the mount

# start_private SESSION SCRIPT: runs the script with the mount as $1, in the background.
start_private() {
    kexecfs mount --private "$1" -- sh -c "$2" sh '{}' "$1" >"/run/$1.log" 2>&1 &
}

# await_private SESSION: until its script says that it has come so far.
await_private() {
    wait_for 120 test -e "/run/$1.done" && return
    cat "/run/$1.log"
    return 1
}

stage_1() {
    keep memory "$(own_memory)"
    before=$(kho_preserved_pages)
    # Their processes have them up to the kexec.
    start_private held "echo kept >\$1/file && link-memfd \$1 memory 256K $(seed_of held) &&
        echo 1 >\$1/kexecfs.prepare && cat \$1/kexecfs.state >/run/held.state && touch /run/held.done && sleep 1000"
    start_private unprepared 'echo lost >$1/file && touch /run/unprepared.done && sleep 1000'
    start_private closed 'echo lost >$1/file && echo 1 >$1/kexecfs.prepare && cat $1/kexecfs.state >/run/closed.state &&
        touch /run/closed.done && until [ -e /run/close ]; do sleep 0.05; done'
    for session in held unprepared closed; do
        require "session $session has a private mount" await_private $session
    done
    check "a prepared one is prepared" equal prepared "$(cat /run/held.state)"
    check "no mount table of any process shows them" equal "" "$(cat /proc/[0-9]*/mountinfo | grep fuse)"
    check "kexecfs status shows none" equal "" "$(kexecfs status | grep -E "held|unprepared|closed")"
    check "LUO has three sessions" equal "closed held unprepared" "$(luo_sessions | xargs)"
    preserved=$(kho_preserved_pages)
    check "and preserves what is prepared" test $((preserved - before)) -ge 64

    touch /run/close
    check "a prepared session ends with the last descriptor of its mount" wait_for 10 session_is_gone closed
    check "and its server with it" wait_for 10 test ! -e /run/kexecfs/mounted/closed
    check "LUO has the others" equal "held unprepared" "$(luo_sessions | xargs)"
    check "and preserves less than before" wait_for 5 test_pages_below "$preserved"
}

stage_2() {
    unmounted=$(kho_preserved_pages)
    check "of the session that was closed LUO has nothing" fails ENOENT luo-bare incoming closed
    start_private held "cat \$1/kexecfs.state >/run/held.state && cat \$1/file >/run/held.file &&
        pattern check \$1/memory 256K $(seed_of held) 8 >/run/held.pattern && cp \$1/kexecfs.files /run/held.files &&
        echo 1 >\$1/kexecfs.finish && cat \$1/kexecfs.state >/run/held.end && touch /run/held.done"
    start_private unprepared 'cat $1/kexecfs.state >/run/unprepared.state && ls $1/ >/run/unprepared.names &&
        touch /run/unprepared.done'
    for session in held unprepared; do
        require "session $session has a private mount again" await_private $session
    done
    check "the prepared one is updated" equal updated "$(cat /run/held.state)"
    check "its file is there" equal kept "$(cat /run/held.file)"
    check "its memory is there" test -e /run/held.pattern
    check "it is finished" equal normal "$(cat /run/held.end)"
    check "the one that was not prepared is a new one" equal normal "$(cat /run/unprepared.state)"
    check "and empty" equal 0 "$(grep -vc '^kexecfs\.' /run/unprepared.names)"
    check "both have ended with their commands" wait_for 10 no_sessions
    check "nothing is preserved" preserved_as_before "$unmounted"
    check "all memory is the kernel's own again" own_memory_is_back "$(kept memory)"
    check "the kernel complains of nothing" kernel_is_content
}

session_is_gone() { ! luo_sessions | grep -qx "$1"; }
test_pages_below() { [ "$(kho_preserved_pages)" -lt "$1" ]; }
