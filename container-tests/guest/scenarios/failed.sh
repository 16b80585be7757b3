# shellcheck shell=sh
# A next kernel that does not understand what it is handed, the one after it, and one without LUO: what people are
# told, and what they can do. /boot/bzImage-without-memfd is a kernel without CONFIG_LIVEUPDATE_MEMFD.

dir=/mnt/failed

stage_1() {
    prepare_a_session
    # shellcheck disable=SC2034 # for next_stage
    next_kernel=/boot/bzImage-without-memfd
}

# The first kernel's files cannot be had in this one.
stage_2() {
    check "the next kernel has a LUO device" test -c /dev/liveupdate
    check "which cannot be opened" fails EIO luo-bare incoming failed
    start_mount failed $dir
    require "there is a mount all the same" await_mount failed $dir
    check "its state is failed" state_is $dir failed
    show cat $dir/kexecfs.error
    show kexecfs status
    check "kexecfs.error says what happened" holds 'could not understand what the .* handed over' $dir/kexecfs.error
    check "and what to do" holds 'next reboot' $dir/kexecfs.error
    check "the log has one error, with what happened and what to do" equal 1 \
        "$(grep ' ERROR ' /run/mounts/failed.log | grep -c 'next reboot.*kexecfs finish failed')"
    kexecfs status >/run/status
    check "kexecfs status says so too" holds '^failed  *failed ' /run/status
    check "it is empty" equal '' "$(user_files $dir)"

    check "no file can be made" fails 'I/O error\|Input/output error' cp /etc/passwd $dir/new
    check "no directory can be made" fails 'I/O error\|Input/output error' mkdir $dir/new
    check "nothing can be linked in" fails EIO link-memfd $dir new 4096 1
    check "the root's mode stays" fails 'I/O error\|Input/output error' chmod 700 $dir
    check "the root's attributes stay" fails EIO entry set $dir user.x 1
    check "nothing can be renamed" fails 'No such file' mv $dir/one $dir/two
    check "nothing is there to be removed" fails 'No such file' rm $dir/one
    check "prepare is refused" fails 'I/O error\|Input/output error' write_control $dir prepare 1
    check "cancel is refused" fails 'nvalid argument' write_control $dir cancel 1
    check "finish is accepted" write_control $dir finish 1
    check "after it the state is normal" state_is $dir normal
    check "a file can be made then" cp /etc/passwd $dir/new
    check "but LUO takes nothing in this kernel" fails 'I/O error\|Input/output error' write_control $dir prepare 1
    show cat $dir/kexecfs.error
    check "and kexecfs.error says until when" holds 'next reboot' $dir/kexecfs.error
    check "the session is unmounted" end_mount failed $dir
}

stage_3() {
    check "in the kernel after it, nothing is incoming" fails ENOENT luo-bare incoming failed
    prepare_a_session
    # shellcheck disable=SC2034 # for next_stage
    next_options=liveupdate=off
}

stage_4() {
    check "this kernel has no LUO device" test ! -e /dev/liveupdate
    kexecfs mount -f failed $dir >/run/mount.out 2>&1
    check "the mount fails" equal 1 $?
    show cat /run/mount.out
    check "it says that there is no device" holds 'there is no LUO device' /run/mount.out
    check "and what it takes" holds 'liveupdate=on' /run/mount.out
    check "it says that what was preserved is gone" holds 'is gone' /run/mount.out
    check "nothing is mounted" equal "" "$(grep " $dir " /proc/mounts)"
    check "the kernel complains of nothing" kernel_is_content
}

prepare_a_session() {
    start_mount failed $dir
    require "a session is mounted" await_mount failed $dir
    check "it is a new one" state_is $dir normal
    check "a file is in it" cp /etc/passwd $dir/one
    require "it is prepared" write_control $dir prepare 1
}
