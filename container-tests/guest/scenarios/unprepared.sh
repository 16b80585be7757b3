# shellcheck shell=sh
# The sessions that must not come back: one that was cancelled, and one whose mount was killed before it was prepared.

stage_1() {
    keep memory "$(own_memory)"
    mount_all cancelled killed
    for session in cancelled killed; do
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
}

stage_2() {
    unmounted=$(kho_preserved_pages)
    check "of session killed LUO has nothing" fails ENOENT luo-bare incoming killed
    mount_all cancelled
    check "session cancelled is a new one" state_is /mnt/cancelled normal
    check "session cancelled is empty" equal "" "$(user_files /mnt/cancelled)"
    check "session cancelled is unmounted" end_mount cancelled /mnt/cancelled
    check "the kernel has no session" equal "" "$(luo_sessions)"
    check "nothing is preserved" preserved_as_before "$unmounted"
    check "all memory is the kernel's own again" own_memory_is_back "$(kept memory)"
    check "the kernel complains of nothing" kernel_is_content
}

session_is_gone() { ! luo_sessions | grep -qx "$1"; }

write_again() {
    echo "and more of it, past the old size" >>"$1" && grep -q 'more of it' "$1"
}
