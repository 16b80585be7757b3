# shellcheck shell=sh
# Others at /dev/liveupdate: one who keeps it open, a device that is gone, another one in its place. Sessions that are up go on,
# and who needs the device is told what is wrong. A clock that jumps, under all of it. And a kexec that fails.

device=/dev/liveupdate

stage_1() {
    keep memory "$(own_memory)"
    mkdir -p /mnt/up
    require "a session is up" kexecfs mount up /mnt/up
    check "a second kexecfsd is refused, and told of the first" fails "process $(daemon_pid)" kexecfsd
    check "sixteen are mounted at once" timed "16 mounts at once" ask-daemon many par 16 /mnt 16

    # Somebody has the device open.
    hold-device >/run/holder
    holder=$(cat /run/holder)
    mkdir -p /mnt/late
    ask-daemon many wait 8 /mnt 8 >/run/waiting 2>&1 &
    waiting=$!
    check "a session that is up takes a file meanwhile" timed "a file while the device is busy" make_file /mnt/up/meanwhile
    check "and is prepared" write_control /mnt/up prepare 1
    sleep 1
    kill "$holder"
    check "who waits for the device gets it" wait $waiting
    check "a prepared session is cancelled" write_control /mnt/up cancel 1

    hold-device >/run/holder
    holder=$(cat /run/holder)
    check "if it stays busy a mount is refused, and told by whom" fails "process $holder (hold-device)" ask-daemon mount late /mnt/late
    show cat /run/fails.out
    check "kexecfs says so too, and is busy" exits 4 kexecfs mount late /mnt/late
    check "sessions that are up are" state_is /mnt/up normal
    kill "$holder"
    check "then it can be mounted" ask-daemon mount late /mnt/late

    # The device is gone.
    mv $device /dev/elsewhere
    check "without the device a session that is up takes a file" make_file /mnt/up/without
    mkdir -p /mnt/none
    check "without it a mount is refused, and told why" fails 'there is no LUO device' ask-daemon mount none /mnt/none
    check "a session that is up is prepared" write_control /mnt/up prepare 1
    check "and cancelled" write_control /mnt/up cancel 1
    check "its state is normal" state_is /mnt/up normal
    check "to prepare it again needs the device" fails 'there is no LUO device' write_control /mnt/up prepare 1
    check "which leaves it normal" state_is /mnt/up normal
    check "its files are there" holds meanwhile /mnt/up/meanwhile
    mv /dev/elsewhere $device
    check "with the device it is prepared" write_control /mnt/up prepare 1
    check "and cancelled again" write_control /mnt/up cancel 1

    # Another device in its place.
    mount --bind /dev/null $device
    check "another device in its place is told" fails 'ENOTTY' ask-daemon mount none /mnt/none
    umount $device

    # The clock jumps.
    now=$(date +%s)
    ahead=$((now + 10 * 365 * 86400))
    date -s "@$ahead" >/dev/null
    check "with a clock ten years ahead a session that is up takes a file" make_file /mnt/up/ahead
    check "of the clock's time" test "$(modified /mnt/up/ahead)" -ge $ahead
    check "another session is mounted" ask-daemon mount clock /mnt/none
    check "and prepared" write_control /mnt/none prepare 1
    date -s @1000000 >/dev/null
    check "with a clock of 1970 it is cancelled" write_control /mnt/none cancel 1
    check "and takes a file" make_file /mnt/none/behind
    check "of the clock's time, too" test "$(modified /mnt/none/behind)" -lt 1100000
    check "kexecfsd, killed, is started again by its keeper" killed_is_back
    check "with the session's file" holds behind /mnt/none/behind
    check "which was made when it was" test "$(modified /mnt/none/behind)" -lt 1100000
    umount /mnt/none
    date -s "@$now" >/dev/null
    modified /mnt/up/ahead >/state/ahead

    # A kexec that fails.
    check "it is prepared once more" write_control /mnt/up prepare 1
    check "a kexec to no kernel comes back" fails EINVAL reboot-kexec
    check "the session is prepared still" state_is /mnt/up prepared
    check "it can be cancelled" write_control /mnt/up cancel 1
    check "it takes files again" make_file /mnt/up/after
    check "and is prepared" write_control /mnt/up prepare 1
    sums /mnt/up >/state/sums
}

stage_2() {
    unmounted=$(kho_preserved_pages)
    require "kexecfsd starts" start_daemon
    check "the prepared session is mounted" ask-daemon mount up /mnt/up
    check "it is updated" state_is /mnt/up updated
    sums /mnt/up >/run/sums
    check "and has its contents" same /state/sums /run/sums
    check "and the time that a clock gave that was ahead" equal "$(cat /state/ahead)" "$(modified /mnt/up/ahead)"
    check "it is finished" write_control /mnt/up finish 1
    umount /mnt/up
    check "the kernel has no session" wait_for 20 no_sessions
    check "nothing is preserved" preserved_as_before "$unmounted"
    check "all memory is the kernel's own again" own_memory_is_back "$(kept memory)"
    check "the kernel complains of nothing" kernel_is_content
}

make_file() { echo "${1##*/}" >"$1"; }

modified() { stat -c %Y "$1"; }

killed_is_back() { kill_daemon && timed restart ask-daemon heal; }

exits() { # CODE COMMAND...
    exits_with=$1
    shift
    "$@"
    equal "$exits_with" $?
}
