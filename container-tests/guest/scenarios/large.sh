# shellcheck shell=sh
# Sizes and numbers, in a guest of 4 GiB: a file of 1 GiB, a sparse one, an empty one, and 500 in one session.

stage_1() {
    keep memory "$(own_memory)"
    start_mount large /mnt/large
    start_mount many /mnt/many
    require "session large is mounted" await_mount large /mnt/large
    require "session many is mounted" await_mount many /mnt/many

    check "a memfd of 1 GiB is linked in" timed "fill and link 1 GiB" link-memfd /mnt/large gigabyte 1G 3
    check "a sparse file is made" make_sparse /mnt/large/sparse
    check "an empty file is made" touch /mnt/large/empty
    check "500 files are made" timed "make 500 files" make_500 /mnt/many

    check "session large is prepared" timed "prepare 1 GiB" write_control /mnt/large prepare 1
    check "session many is prepared" timed "prepare 500 files" write_control /mnt/many prepare 1
    check "the preserved pages are more than the contents" test "$(kho_preserved_pages)" -ge $((262144 + 4096 + 500))
    remember_sums /state
    remember_facts /state
}

stage_2() {
    unmounted=$(kho_preserved_pages)
    start_mount large /mnt/large
    start_mount many /mnt/many
    require "session large is mounted after the kexec" await_mount large /mnt/large
    require "session many is mounted after the kexec" await_mount many /mnt/many
    check "session large is updated" state_is /mnt/large updated
    check "session many is updated" state_is /mnt/many updated
    remember_facts /run
    remember_sums /run
    check "session large has its names, sizes and times" same /state/large.facts /run/large.facts
    check "session many has its 500 names, sizes and times" same /state/many.facts /run/many.facts
    check "500 files have their contents" same /state/many.sums /run/many.sums
    check "the file of 1 GiB has its contents" timed "read 1 GiB" pattern check /mnt/large/gigabyte 1G 3 8
    check "the sparse file has its contents" same /state/sparse.sum /run/sparse.sum
    check "session large is finished" write_control /mnt/large finish 1
    check "session many is finished" write_control /mnt/many finish 1
    check "session large is unmounted" end_mount large /mnt/large
    check "session many is unmounted" end_mount many /mnt/many
    check "nothing is preserved" preserved_as_before "$unmounted"
    check "all memory is the kernel's own again" own_memory_is_back "$(kept memory)"
    check "the memory of the 1 GiB file is free again" wait_for 10 is_free $((3 * 1024 * 1024))
    check "the kernel complains of nothing" kernel_is_content
}

remember_facts() { # DIRECTORY
    # The 1 GiB file is written to up to the kexec.
    lasting_facts /mnt/large | sed '/^gigabyte /s/ mtime=.*//' >"$1/large.facts"
    lasting_facts /mnt/many >"$1/many.facts"
}

remember_sums() { # DIRECTORY
    sums /mnt/many >"$1/many.sums"
    sha256sum </mnt/large/sparse >"$1/sparse.sum"
}

make_sparse() {
    truncate -s 16M "$1" && echo data in the middle | dd of="$1" bs=1 seek=10000000 conv=notrunc
}

make_500() {
    number=0
    while [ $number -lt 500 ]; do
        number=$((number + 1))
        echo "file number $number" >"$1/file-$number" || return
    done
}

is_free() { # KILOBYTES
    [ "$(awk '/MemAvailable/ { print $2 }' /proc/meminfo)" -ge "$1" ]
}
