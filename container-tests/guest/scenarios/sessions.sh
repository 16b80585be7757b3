# shellcheck shell=sh
# Several sessions at once, with files of the same names.

stage_1() {
    keep memory "$(own_memory)"
    mount_all one two three
    for session in one two three; do
        echo "this is $session" >/mnt/$session/data
        check "a memfd is linked into session $session" link-memfd /mnt/$session memory 256K "$(seed_of $session)"
        check "session $session is prepared" write_control /mnt/$session prepare 1
        sums /mnt/$session | grep data >"/state/$session"
    done
    check "three sessions hold other contents under one name" equal 3 "$(cat /state/one /state/two /state/three | sort -u | wc -l)"
}

stage_2() {
    unmounted=$(kho_preserved_pages)
    mount_all one two three
    for session in one two three; do
        check "session $session is updated" state_is /mnt/$session updated
        sums /mnt/$session | grep data >"/run/$session"
        check "session $session has its own contents" same "/state/$session" "/run/$session"
        check "session $session has its own memory" pattern check /mnt/$session/memory 256K "$(seed_of $session)" 8
        check "session $session is finished" write_control /mnt/$session finish 1
    done
    for session in one two three; do
        check "session $session is unmounted" end_mount $session /mnt/$session
    done
    check "the kernel has no session" equal "" "$(luo_sessions)"
    check "nothing is preserved" preserved_as_before "$unmounted"
    check "all memory is the kernel's own again" own_memory_is_back "$(kept memory)"
    check "the kernel complains of nothing" kernel_is_content
}
