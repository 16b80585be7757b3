# shellcheck shell=sh
# A virtual machine in this guest goes on after each of two kexecs, by the scripts of kexecfs/doc/vm.md. It boots with RAM that is
# a memfd of its QEMU's own, which is linked in; after the first kexec its QEMU is handed that memory, after the second
# one it opens it in the mount. Only by its own command: a machine that is emulated within an emulated one takes minutes.

dir=/mnt/vm
run=/run/vm
mib=64
# On disk, so that it is one console through all kernels.
console=/state/console

stage_1() {
    require "a virtual machine starts" start memory-backend-memfd
    require "it runs" await_tick 900 3
    mount_all vm
    check "its RAM is linked in while it runs" /opt/vm/scripts/link-ram $run $dir
    leaves
}

stage_2() {
    comes_back
    require "QEMU starts, and is handed the RAM" timed "kexecfs recv, start-vm" handed
    goes_on
    leaves
}

stage_3() {
    comes_back
    require "QEMU starts with the RAM as a file of the session" timed "start-vm" opened
    goes_on
    check "the machine's QEMU ends" /opt/vm/scripts/end-vm $run
    check "umount ends the session" end_mount vm $dir
    check "the kernel complains of nothing" kernel_is_content
}

start() { # RAM OPTION...
    with_machine /opt/vm/scripts/start-vm $run $mib "$@"
}

opened() { start memory-backend-file,mem-path=$dir/ram -incoming defer; }

handed() {
    with_machine kexecfs recv $dir/ram -- /opt/vm/scripts/start-vm $run $mib memory-backend-file,mem-path={} -incoming defer
}

with_machine() { # COMMAND...: with the machine's own options behind it.
    "$@" -machine pc,accel=tcg -nodefaults -no-user-config -display none \
        -chardev file,id=console,append=on,path=$console -serial chardev:console \
        -kernel /boot/bzImage -initrd /opt/vm/initramfs -append "console=ttyS0 quiet no_timer_check"
}

leaves() {
    stopped=$(uptime_now)
    require "its state is saved" timed "save-vm" /opt/vm/scripts/save-vm $run $dir
    require "its QEMU ends" timed "end-vm" /opt/vm/scripts/end-vm $run
    keep tick "$(last_tick)"
    note "its state: $(stat -c %s $dir/state) bytes; it stands still at tick $(last_tick)"
    check "no RAM is in its state" test "$(stat -c %s $dir/state)" -lt 4194304
    require "prepare is accepted" timed "prepare" write_control $dir prepare 1
    sha256sum $dir/ram >/state/ram.sum
    note "in this kernel it stood still for $(echo "$stopped $(uptime_now)" | awk '{ printf "%.2f s", $2 - $1 }')"
}

comes_back() {
    start_mount vm $dir
    require "the session is mounted after the kexec" timed "mount" await_mount vm $dir
    check "its state is updated" state_is $dir updated
    check "every byte of the RAM is as it was" sha256sum -c /state/ram.sum
}

goes_on() {
    require "it is resumed" timed "resume-vm" /opt/vm/scripts/resume-vm $run $dir
    note "in this kernel it stood still for $(uptime_now) s, its boot included"
    require "it says more" await_tick 300 $(($(kept tick) + 3))
    check "the counter in its memory, and its uptime, go on" ticks_go_on
    check "the update is finished" state_is $dir normal
}

tick_lines() { tr -d '\r' <$console | grep '^counter [0-9]* uptime [0-9]*\.[0-9][0-9]$'; }
last_tick() { tick_lines | tail -n 1 | cut -d ' ' -f 2; }

await_tick() { wait_for "$1" said "$2"; } # SECONDS NUMBER
said() { [ "$(last_tick)" -ge "$1" ]; }

# From the boot on: 1, 2, 3 and so on, each later than the one before.
ticks_go_on() {
    tick_lines | awk '
        $2 != NR || $4 < uptime { print "after " NR - 1 " at " uptime " came " $0; bad = 1; exit }
        { uptime = $4 }
        END { exit bad || NR < 6 }'
}
