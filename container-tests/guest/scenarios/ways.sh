# shellcheck shell=sh
# The ways in and out that walk no path, kexecfs.sock, kexecfs.preserve and the ioctls, before a kexec and after it;
# who waits for the state; what the device refuses while prepared; and a device that somebody else has.

dir=/mnt/ways
sock=$dir/kexecfs.sock

stage_1() {
    unmounted=$(kho_preserved_pages)
    keep unmounted "$unmounted"
    a_held_device_is_waited_for
    require "the mount has passthrough" holds '^passthrough yes$' $dir/kexecfs.info

    check "a descriptor goes in by the socket" \
        with-memfd 1M 21 --position 4711 --seals shrink kexecfs-sock $sock preserve by-sock
    mkdir -p /mnt/bind
    mount --bind $dir /mnt/bind
    check "another by the socket of a bind mount" \
        with-memfd 64K 22 --position 65537 kexecfs-sock /mnt/bind/kexecfs.sock preserve by-bind
    umount /mnt/bind
    check "one by kexecfs.preserve" \
        with-memfd 300000 23 --position 5 --seals write,grow sh -c "echo '3 by-preserve' >$dir/kexecfs.preserve"
    check "one by an ioctl on the root" with-memfd 100000 24 --position 77 do-ioctl preserve $dir
    check "what is no memory is refused by the socket" fails EOPNOTSUPP kexecfs-sock $sock preserve pipe </etc/passwd
    check "and by kexecfs.preserve" fails 'not supported' sh -c "echo '3 pipe' >$dir/kexecfs.preserve" 3</etc/passwd
    check "and by the ioctl" fails 'not supported' do-ioctl preserve $dir 3</etc/passwd
    check "a file is made" pattern write $dir/plain 64K 25
    check "the ioctl that asks for facts counts five files" equal "1 0 5 $((1048576 + 65536 + 300000 + 100000 + 65536)) ways" \
        "$(do-ioctl info $dir/kexecfs.state)"

    start_watching
    check "who waits reads the state first" both_saw normal
    check "the state is 0 by ioctl" equal 0 "$(do-ioctl state $dir)"
    check "cancel by ioctl is refused in it" fails 'Invalid argument' do-ioctl cancel $dir
    check "finish by ioctl too" fails 'Invalid argument' do-ioctl finish $dir
    # Before it is prepared, for a file that is open must not grow either.
    exec 4<>$dir/plain
    check "prepare by ioctl, on the root" do-ioctl prepare $dir
    check "who waits is told" both_saw normal prepared
    check "the state is 1 by ioctl" equal 1 "$(do-ioctl state $dir/kexecfs.info)"
    check "cancel by ioctl, on its control file" do-ioctl cancel $dir/kexecfs.cancel
    check "who waits is told of that" both_saw normal prepared normal
    require "prepare by ioctl, on another control file" do-ioctl prepare $dir/kexecfs.error
    check "who waits is told again" both_saw normal prepared normal prepared
    check "prepare by ioctl again is nothing" do-ioctl prepare $dir

    sizes_are_frozen
    check "a descriptor that came by the socket is handed out" facts_of by-sock 1048576 4711 2
    check "names are fixed for the socket" fails EBUSY with-memfd 4K 1 kexecfs-sock $sock preserve late
    check "and for ioctls" fails busy with-memfd 4K 1 do-ioctl preserve $dir
    keep facts "$(all_facts)"

    kexec -u 2>/dev/null
    check "a kexec to no kernel comes back" fails EINVAL reboot-kexec
    check "the state is prepared still" state_is $dir prepared
    check "and every entry preserved" statuses_are $dir preserved
}

stage_2() {
    start_mount ways $dir
    require "the session is mounted after the kexec" await_mount ways $dir
    start_watching
    check "the state is 2 by ioctl" equal 2 "$(do-ioctl state $dir)"
    check "the facts by ioctl are those of one update" equal "1 1 5 $((1048576 + 65536 + 300000 + 100000 + 65536)) ways" \
        "$(do-ioctl info $dir)"
    check "cancel by ioctl is refused" fails 'Invalid argument' do-ioctl cancel $dir
    check "prepare by ioctl too" fails busy do-ioctl prepare $dir
    check "an entry is restored" equal restored "$(entry get $dir/by-sock user.kexecfs.status)"
    check "the socket hands out what came by it, position and seals too" facts_of by-sock 1048576 4711 2
    check "which is claimed then" equal claimed "$(entry get $dir/by-sock user.kexecfs.status)"
    check "strict finish by ioctl is refused while others are not" fails busy do-ioctl strict $dir
    check "the socket hands out what came by that of the bind mount" facts_of by-bind 65536 65537 0
    check "what came by kexecfs.preserve" facts_of by-preserve 300000 5 12
    check "what came by the ioctl" facts_of by-ioctl 100000 77 0
    check "the contents of all are as they were" equal "$(kept facts)" "$(all_facts)"
    check "a file that was tried to resize has its contents" pattern check $dir/plain 64K 25
    check "who received a descriptor writes at its position" \
        kexecfs-sock $sock open rw by-sock sh -c 'echo -n after >&3'
    check "which is seen in the mount" equal after "$(dd if=$dir/by-sock bs=1 skip=4711 count=5 2>/dev/null)"
    check "what is to be read only cannot be written" fails 'Bad file' \
        kexecfs-sock $sock open r by-bind sh -c 'echo no >&3'
    check "strict finish by ioctl" do-ioctl strict $dir
    check "who waits is told" both_saw updated normal
    check "sizes change again" holds '^append: OK$' "$(resized_file)"
    check "a descriptor goes in by the socket again" with-memfd 1M 26 kexecfs-sock $sock preserve second
    # shellcheck disable=SC2086 # two of them
    kill $watchers
    check "the session is unmounted" end_mount ways $dir
    check "nothing is preserved" preserved_as_before "$(kept unmounted)"
    check "the kernel complains of nothing" kernel_is_content
}

# Only one process at a time may have LUO's device open: a mount waits for it up to 5 s.
a_held_device_is_waited_for() {
    holder=$(hold-device)
    mkdir -p $dir
    check "a mount fails while another process has the device" timed "mount with the device held" \
        fails 'has been open elsewhere for 5000 ms.*(hold-device).*EBUSY' mount_and_tell_exit_code
    check "its exit code says busy" holds '^exit code 4$' /run/fails.out
    show cat /run/fails.out
    check "and it leaves no mount" not_mounted
    start_mount ways $dir
    # It is taken before the device is asked for.
    wait_for 60 test -e /run/kexecfs/mounted/ways
    sleep 1
    check "a second later it waits" is_running "$(cat /run/mounts/ways.pid)"
    check "and has no session" equal "" "$(luo_sessions)"
    kill "$holder"
    require "it is mounted once the device is free" await_mount ways $dir
}

not_mounted() { ! is_mounted $dir; }

mount_and_tell_exit_code() {
    kexecfs mount -f ways $dir
    mount_exit=$?
    echo "exit code $mount_exit"
    return $mount_exit
}

start_watching() {
    watchers=
    for watcher in poll epoll; do
        watch-state $watcher $dir/kexecfs.state >/run/watched.$watcher &
        watchers="$watchers $!"
    done
}

both_saw() { # STATE...
    for watcher in poll epoll; do
        wait_for 10 saw $watcher "$*" || equal "$*" "$(seen $watcher)" || return
    done
}
saw() { [ "$(seen "$1")" = "$2" ]; }
seen() { tr '\n' ' ' <"/run/watched.$1" | sed 's/ $//'; }

# Read, write and mmap go to the memory in the kernel, so it is LUO that says no, and not kexecfs.
sizes_are_frozen() {
    cat >/run/frozen <<'END'
write within: OK
write past the end: EPERM
append: EPERM
truncate to the same: OK
truncate to more: EPERM
truncate to less: EPERM
allocate past the end: EPERM
allocate within: EPERM
allocate past the end, size kept: EPERM
punch a hole: EPERM
END
    resize <&4 >/run/resized
    check "sizes and pages are frozen for a file opened before prepare" same /run/frozen /run/resized
    resize <>$dir/plain >/run/resized
    check "and for one opened after it" same /run/frozen /run/resized
    check "and for O_TRUNC" fails 'not permitted' dd if=/dev/null of=$dir/plain
    check "and for O_APPEND" fails 'not permitted' dd if=/etc/passwd of=$dir/plain oflag=append conv=notrunc
    kexecfs-sock $sock open rw plain sh -c 'resize <&3' >/run/resized
    check "and for a descriptor from the socket" same /run/frozen /run/resized
}

resized_file() {
    resize <>$dir/plain >/run/resized
    echo /run/resized
}

# facts_of NAME SIZE POSITION SEALS: of the entry's own open file.
facts_of() {
    kexecfs-sock $sock open rw "$1" fd-facts 3 >/run/facts
    holds "^fd=3 size=$2 position=$3 seals=$4 " /run/facts
}

all_facts() {
    for name in by-sock by-bind by-preserve by-ioctl plain; do
        kexecfs-sock $sock open r $name fd-facts 3
    done
}
