# shellcheck shell=sh
# Sessions that come through a kexec and are not as kexecfs left them: one that something else preserved, and two whose
# manifests were damaged on the way.

stage_1() {
    keep memory "$(own_memory)"
    luo-bare create foreign 3 1M 5 >/state/foreign
    for session in start end; do start_mount $session /mnt/$session; done
    for session in start end; do
        require "session $session is mounted" await_mount $session /mnt/$session
        pattern write /mnt/$session/first 1M 1
        pattern write /mnt/$session/second 1M 2
        require "session $session is prepared" write_control /mnt/$session prepare 1
    done
    # In the end of the log are the times that are recorded at prepare; the last of them are another's.
    check "the start of a manifest is damaged" damage "$(mount_pid start)" start
    check "the end of a manifest is damaged" damage "$(mount_pid end)" end
}

stage_2() {
    unmounted=$(kho_preserved_pages)
    for session in foreign start end; do start_mount $session /mnt/$session; done
    for session in foreign start end; do
        require "session $session is mounted" await_mount $session /mnt/$session
        check "session $session is failed" state_is /mnt/$session failed
        show cat /mnt/$session/kexecfs.error
    done

    check "of session foreign it says that something else preserved it" holds 'something else than kexecfs' /mnt/foreign/kexecfs.error
    check "its files are no entries" equal '' "$(user_files /mnt/foreign)"
    check "nothing of it is freed" test "$(own_memory)" -le $(($(kept memory) - 2 * 1024))

    check "of session start it says that nothing is understood" holds 'manifest' /mnt/start/kexecfs.error
    check "no name of it is left" equal '' "$(user_files /mnt/start)"
    check "of session end it says what is damaged" holds 'manifest\|damaged\|checksum' /mnt/end/kexecfs.error
    show kexecfs ls /mnt/end
    check "its files are readable" pattern check /mnt/end/first 1M 1
    check "both of them" pattern check /mnt/end/second 1M 2
    check "they do not grow" fails 'I/O error\|Input/output error' append /mnt/end/first
    check "a file can be removed" rm /mnt/end/second

    for session in foreign start end; do
        check "prepare of session $session is refused" fails 'I/O error\|Input/output error' write_control /mnt/$session prepare 1
        check "finish of session $session is accepted" write_control /mnt/$session finish 1
        check "session $session is normal then" state_is /mnt/$session normal
    done
    check "what could be restored stays" pattern check /mnt/end/first 1M 1
    check "it can grow" append /mnt/end/first
    for session in foreign start end; do
        check "session $session is unmounted" end_mount $session /mnt/$session
    done
    check "nothing is preserved" preserved_as_before "$unmounted"
    check "all memory is the kernel's own again" own_memory_is_back "$(kept memory)"
    check "the kernel complains of nothing" kernel_is_content
}

append() { dd if=/etc/passwd of="$1" oflag=append conv=notrunc; }
