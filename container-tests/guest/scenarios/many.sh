# shellcheck shell=sh
# 10,000 files in one session, and beside it the same by LUO's bare ioctls. The figures are for the report.

files=10000
size=4096
dir=/mnt/many

stage_1() {
    # As a service manager would: the usual limit of open files is lower.
    # shellcheck disable=SC3045 # busybox has it
    ulimit -n 65536
    start_mount many $dir
    luo-bare create bare $files $size 100 >/run/bare
    require "the bare ioctls preserve $files files" holds '^preserve-us=' /run/bare
    require "the session is mounted" await_mount many $dir
    check "$files files are made" entry fill $dir $files $size 1000000
    entry_us=$(sed -n 's/^make-us=//p' /run/check.out)
    figure "making of $files files, s" "$(seconds "$entry_us")"
    check "all of them are entries" holds "^entries $files\$" $dir/kexecfs.info
    bare=$(sed -n 's/^preserve-us=//p' /run/bare)
    begin=$(uptime_now)
    require "$files files are prepared" write_control $dir prepare 1
    prepare=$(since "$begin")
    figure "prepare of $files files, s" "$prepare"
    figure "the same by bare ioctls, s" "$(seconds "$bare")"
    figure "prepare, times the bare ioctls" "$(ratio "$prepare" "$(seconds "$bare")")"
    check "the preserved pages are more than the contents" test "$(kho_preserved_pages)" -ge $((2 * files))
}

stage_2() {
    # shellcheck disable=SC3045 # as above
    ulimit -n 65536
    unmounted=$(kho_preserved_pages)
    luo-bare retrieve bare $files --finish >/run/bare
    check "the bare ioctls retrieve $files files" holds '^retrieve-us=' /run/bare
    bare=$(sed -n 's/^retrieve-us=//p' /run/bare)
    begin=$(uptime_now)
    start_mount none /mnt/none
    require "a session with nothing in it is mounted" await_mount none /mnt/none
    none=$(since "$begin")
    begin=$(uptime_now)
    start_mount many $dir
    require "the session is mounted after the kexec" await_mount many $dir
    many=$(since "$begin")
    figure "mount of nothing, s" "$none"
    figure "mount with $files files to restore, s" "$many"
    figure "the restore by bare ioctls, s" "$(seconds "$bare")"
    figure "restore, times the bare ioctls" "$(ratio "$(echo "$many $none" | awk '{ print $1 - $2 }')" "$(seconds "$bare")")"
    check "it is updated" state_is $dir updated
    check "all of them are entries again" holds "^entries $files\$" $dir/kexecfs.info
    check "and all are restored" statuses_are $dir restored
    check "they have their contents" timed "read $files files" entry check $dir $files $size 1000000
    check "finish is accepted" timed "finish of $files files" write_control $dir finish 1
    check "the session is unmounted" end_mount many $dir
    check "the empty session is unmounted" end_mount none /mnt/none
    check "nothing is preserved" preserved_as_before "$unmounted"
    check "the kernel complains of nothing" kernel_is_content
}
