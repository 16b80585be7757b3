# shellcheck shell=sh
# The contract of kexecfs's binding to LUO, which the emulation passes in every build, on the kernel itself:
# the same cases, with a real kexec in the middle of those that have one. Their classes are in /opt/contract.

stage_1() {
    contract before --then sh -c 'echo $$ >/run/contract.pid && exec sleep 1000' >/run/contract.log 2>&1 &
    check "the first half of the contract runs" wait_for 100 has_ended_or_waits $!
    report /run/contract.log
    check "its sessions stay open up to the kexec" test -e /run/contract.pid
}

stage_2() {
    contract after >/run/contract.log 2>&1
    report /run/contract.log "after a kexec: "
    check "the second half of the contract holds" grep -q '^1\.\.' /run/contract.log
    check "the kernel has no session" equal "" "$(luo_sessions)"
    check "the kernel complains of nothing" kernel_is_content
}

contract() {
    /opt/kexecfs/runtime/bin/java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
        --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow \
        -Djffi.boot.library.path=/opt/kexecfs/lib \
        -cp '/opt/contract:/opt/kexecfs/lib/*' org.kexecfs.luo.DeviceContract "$@"
}

has_ended_or_waits() { [ -e /run/contract.pid ] || ! is_running "$1"; }
