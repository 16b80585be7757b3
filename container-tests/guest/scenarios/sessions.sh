# shellcheck shell=sh
# Several sessions at once, and the ones that must not come back: only what is prepared goes through.

stage_1() {
    keep memory "$(own_memory)"
    mount_all one two three cancelled killed
    for session in one two three cancelled killed; do
        echo "this is $session" >/mnt/$session/data
        check "a memfd is linked into session $session" link-memfd /mnt/$session memory 256K "$(seed_of $session)"
    done

    linked=$(kho_preserved_pages)
    check "session cancelled is prepared" write_control /mnt/cancelled prepare 1
    check "which preserves its pages" test $(($(kho_preserved_pages) - linked)) -ge 64
    check "it is cancelled" write_control /mnt/cancelled cancel 1
    check "its state is normal" state_is /mnt/cancelled normal
    check "nothing of it stays preserved" preserved_as_before "$linked"
    check "its files can be written" write_again /mnt/cancelled/data

    killed=$(mount_pid killed)
    check "the mount of session killed is killed with -9" kill -9 "$killed"
    check "LUO has no such session any more" wait_for 5 session_is_gone killed
    check "nothing of it stays preserved" preserved_as_before "$linked"
    umount -l /mnt/killed

    for session in one two three; do
        check "session $session is prepared" write_control /mnt/$session prepare 1
        sums /mnt/$session | grep data >"/state/$session"
    done
    check "three sessions hold other contents under one name" equal 3 "$(cat /state/one /state/two /state/three | sort -u | wc -l)"
}

stage_2() {
    unmounted=$(kho_preserved_pages)
    check "of session killed LUO has nothing" fails ENOENT luo-bare incoming killed
    mount_all one two three cancelled
    for session in one two three; do
        check "session $session is updated" state_is /mnt/$session updated
        sums /mnt/$session | grep data >"/run/$session"
        check "session $session has its own contents" same "/state/$session" "/run/$session"
        check "session $session has its own memory" pattern check /mnt/$session/memory 256K "$(seed_of $session)" 8
        check "session $session is finished" write_control /mnt/$session finish 1
    done
    check "session cancelled is a new one" state_is /mnt/cancelled normal
    check "session cancelled is empty" equal "" "$(user_files /mnt/cancelled)"
    for session in one two three cancelled; do
        check "session $session is unmounted" end_mount $session /mnt/$session
    done
    check "the kernel has no session" equal "" "$(luo_sessions)"
    check "nothing is preserved" preserved_as_before "$unmounted"
    check "all memory is the kernel's own again" own_memory_is_back "$(kept memory)"
    check "the kernel complains of nothing" kernel_is_content
}

# All of them together: most of the time is Java's start.
mount_all() { # SESSION...
    for session; do start_mount "$session" "/mnt/$session"; done
    for session; do
        require "session $session is mounted" await_mount "$session" "/mnt/$session"
    done
}

# Each its own contents.
seed_of() { echo "0x$(echo "$1" | sha256sum | cut -c 1-8)"; }

session_is_gone() { ! luo_sessions | grep -qx "$1"; }

write_again() {
    echo "and more of it, past the old size" >>"$1" && grep -q 'more of it' "$1"
}
