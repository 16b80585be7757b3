# shellcheck shell=sh
# The kernel's LUO by itself, with no kexecfs: the harness works, and the kernel does what kexecfs builds on.

stage_1() {
    check "the kernel has a LUO device" test -c /dev/liveupdate
    check "no session is held after boot" equal "" "$(luo_sessions)"
    before=$(kho_preserved_pages)
    note "pages preserved by the kernel itself: $before"

    # 40 pages of contents, and the kernel's own records of them.
    luo-bare create bare 4 40960 7 --position 11 --seals shrink,grow >/state/out
    check "a session is held by its fd" equal bare "$(luo_sessions)"
    held=$(kho_preserved_pages)
    note "with 40 pages in 4 memfds: $((held - before)) more"
    check "preserved files count as preserved pages" test $((held - before)) -ge 40

    dropped=$(luo-bare create dropped 3 1M 1 | tail -n 1)
    check "a second session counts too" test "$(kho_preserved_pages)" -ge $((held + 768))
    kill -9 "$dropped"
    check "of a session whose holder was killed nothing stays preserved" preserved_as_before "$held"

    check "a memfd of huge pages is refused" fails ENOENT luo-bare create huge 1 2M 1 --hugetlb
    check "a refused file leaves nothing behind" preserved_as_before "$held"
    check "two sessions of one name are refused" fails EEXIST luo-bare create bare 1 1 1
    keep before "$before"
    keep memory "$(own_memory)"
}

stage_2() {
    check "the next kernel knows that it was started by KHO" test -d /sys/kernel/debug/kho/in
    check "no session is held after the kexec" equal "" "$(luo_sessions)"
    before=$(kho_preserved_pages)
    note "pages preserved by the next kernel itself: $before, by the first: $(kept before)"
    note "the kernel's own memory in kB: $(kept memory) in the first kernel, $(own_memory) before the retrieve"
    check "preserved memory is not the next kernel's own" test "$(own_memory)" -le $(($(kept memory) - 160))
    check "the session of the killed holder did not come" fails ENOENT luo-bare incoming dropped
    luo-bare retrieve bare 4 --finish >/state/in 2>&1
    grep token /state/out >/run/out
    grep token /state/in >/run/in
    check "contents, size, position and seals are as they were" same /run/out /run/in
    note "$(grep us= /state/out) for 4 files, $(grep us= /state/in)"
    check "a retrieved and finished session preserves nothing for the next kernel" preserved_as_before "$before"
    check "a session is retrieved once" fails ENOENT luo-bare incoming bare
    check "after it the memory is the kernel's own again" own_memory_is_back "$(kept memory)"

    luo-bare create bare 2 5 9 >/state/out
    keep before "$before"
}

stage_3() {
    luo-bare retrieve bare 2 >/state/in 2>&1
    grep token /state/out >/run/out
    grep token /state/in >/run/in
    check "a session of the same name goes round again" same /run/out /run/in
}
