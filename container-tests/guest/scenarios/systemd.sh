# shellcheck shell=sh
# Sessions as units of systemd: set up as kexecfs/doc/systemd.md says it, through restarts and kills of kexecfsd, and through
# two `systemctl kexec` with nothing else said.

volume=/run/kexecfs/volumes/volume

# volume METHOD JSON: as an engine asks its plugin.
volume() { http-post /run/docker/plugins/kexecfs.sock "/VolumeDriver.$1" "$2"; }

leave_kernel() {
    systemctl kexec
    sleep 60
}

power_off() {
    sync
    systemctl poweroff
    sleep 60
}

stage_1() {
    note "$(systemctl --version | head -n 1)"
    set_up
    check "the units are well-formed" systemd-analyze verify kexecfsd.service kexecfs.target kexecfs-docker-plugin.service run-web.mount web.service
    require "kexecfsd, the sessions and the service that uses them start" timed "kexecfs.target and web.service" \
        systemctl start kexecfs.target web.service
    check "a mount unit's session is mounted" state_is /run/web normal
    check "a session of fstab is mounted, one that preserves at link" state_is /run/ram normal
    check "the service started after them, and has its files" wait_for 10 holds "started with nothing" /run/web/journal
    mkdir -p /run/hand
    check "a session is mounted by hand" kexecfs mount hand /run/hand
    check "the engine's volume plugin starts" timed "kexecfs-docker-plugin.service" systemctl start kexecfs-docker-plugin.service
    check "a volume is made" volume Create '{"Name":"volume"}'
    check "and mounted" volume Mount '{"Name":"volume","ID":"1"}'
    is_confined
    restarts_lose_nothing
    check "the journal has what kexecfsd says, as information" wait_for 10 journal_has 6 "session web mounted"
    check "and its warnings as warnings" wait_for 10 journal_has 4 "has lost its server"
    ends_with_its_mount_unit

    check "a memfd is linked" link-memfd /run/web memory 256K 0x1234
    for name in web ram hand; do
        echo "this is $name" >/run/$name/data
        chmod 0604 /run/$name/data
        chown 12:34 /run/$name/data
    done
    echo "this is a volume" >$volume/data
    note_all
}

stage_2() {
    check "systemd counts one kexec" equal 1 "$(systemctl show -P KExecCount)"
    comes_back
    check "the service stopped before its session was handed over" holds "1: stopped" /run/web/journal
    check "and started after it came back" wait_for 10 holds "2: started with counter" /run/web/journal
    check "a memfd came back" pattern check /run/web/memory 256K 0x1234 8
    check "a volume is mounted again by its plugin" wait_for 60 holds '^this is a volume$' $volume/data
    check "and is updated" state_is $volume updated
    check "no unit failed" equal "" "$(systemctl --failed --plain --no-legend)"
    check "kexecfsd has nothing to complain of" equal "" "$(journalctl -b -q -u kexecfsd.service -p warning -o cat)"

    # One stays as it came, one is prepared by hand, and one cannot be unmounted, for somebody stays in it.
    check "a session is finished" write_control /run/ram finish 1
    check "and prepared" write_control /run/ram prepare 1
    check "another is finished" write_control /run/hand finish 1
    check "kexecfsd is restarted with restored sessions" systemctl restart kexecfsd.service
    check "they are what they were" state_is /run/web updated
    check "and prepared ones are, too" state_is /run/ram prepared
    check "somebody works in a mount, whom no shutdown stops" systemd-run -q -p DefaultDependencies=no \
        -p WorkingDirectory=/run/hand -p KillMode=none sleep 3600
    note_all
}

stage_3() {
    check "systemd counts two kexecs" equal 2 "$(systemctl show -P KExecCount)"
    comes_back
    check "what was never finished has been through two updates" holds "^cycle 2$" /run/web/kexecfs.info
    for session in web ram hand; do
        check "session $session is finished" write_control /run/$session finish 1
    done
    check "a volume has been through two updates" wait_for 60 holds "^cycle 2$" $volume/kexecfs.info
    check "it is finished" write_control $volume finish 1
    check "and removed" volume Remove '{"Name":"volume"}'
    check "the service is stopped" systemctl stop web.service
    check "the sessions are unmounted" systemctl stop run-web.mount run-ram.mount
    check "and what was mounted by hand" umount /run/hand
    check "nobody has a session" wait_for 10 nobody_has_a_session
    check "nothing is in the fd store" wait_for 10 fd_store_is_empty
    check "the kernel complains of nothing" kernel_is_content
    check "they can be had anew" systemctl start run-web.mount
    echo "this ends with the machine" >/run/web/data
}

# --- as the documentation has it

set_up() {
    cp /opt/kexecfs/systemd/run-web.mount /etc/systemd/system/
    cat >>/etc/fstab <<END
ram  /run/ram  kexecfs  preserve=link,x-systemd.wants=kexecfsd.service,x-systemd.before=kexecfs.target,x-systemd.wanted-by=kexecfs.target  0  0
END
    cat >/etc/systemd/system/web.service <<END
[Unit]
After=kexecfs.target
RequiresMountsFor=/run/web

[Service]
ExecStart=/usr/share/kexecfs-guest/web run
ExecStop=/usr/share/kexecfs-guest/web stop

[Install]
WantedBy=multi-user.target
END
    # In the guest's root, which is on disk.
    cat >/usr/share/kexecfs-guest/web <<'END'
#!/bin/sh
stage=$(sed 's/.*kexecfs.stage=//; t; s/.*/1/' /proc/cmdline)
tell() { echo "$stage: $*" >>/run/web/journal; }
if [ "$1" = stop ]; then
    tell "stopped"
    exit
fi
if [ -e /run/web/counter ]; then
    tell "started with counter $(cat /run/web/counter)"
else
    tell "started with nothing"
fi
count=0
while :; do
    count=$((count + 1))
    echo $count 2>/dev/null >/run/web/counter
    sleep 0.2
done
END
    chmod +x /usr/share/kexecfs-guest/web
    systemctl daemon-reload
    check "the units are enabled" systemctl enable kexecfsd.service kexecfs.target kexecfs-docker-plugin.service run-web.mount web.service
}

# --- checks

main_pid() { systemctl show -P MainPID "$1"; }

is_confined() {
    daemon=$(main_pid kexecfsd.service)
    check "kexecfsd has told systemd that it is ready" equal "active 4 mounts" \
        "$(systemctl show -P ActiveState kexecfsd.service) $(systemctl show -P StatusText kexecfsd.service)"
    check "it runs under its system call filter" holds "^Seccomp:.2$" "/proc/$daemon/status"
    check "without new privileges" holds "^NoNewPrivs:.1$" "/proc/$daemon/status"
    check "with its capabilities and no others" equal \
        "cap_chown cap_dac_override cap_dac_read_search cap_fowner cap_kill cap_sys_ptrace cap_sys_admin cap_sys_resource" \
        "$(systemctl show -P CapabilityBoundingSet kexecfsd.service)"
    check "with the devices that are everybody's" in_its_cgroup head -c 1 /dev/zero
    check "and no disk" fails "not permitted" in_its_cgroup head -c 1 /dev/vda
    check "in the mount namespace of all" equal "$(readlink /proc/1/ns/mnt)" "$(readlink "/proc/$daemon/ns/mnt")"
    note "$(systemd-analyze security --no-pager kexecfsd.service | tail -n 1)"
}

in_its_cgroup() { # COMMAND ARGUMENT...
    sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' \
        "/sys/fs/cgroup$(systemctl show -P ControlGroup kexecfsd.service)" "$@"
}

journal_has() { # PRIORITY WORDS
    journalctl -b -q -u kexecfsd.service -o json | grep "\"PRIORITY\":\"$1\"" | grep -q "\"MESSAGE\":\"[^\"]*$2"
}

# Files with their number in them, each acknowledged once it is written and closed.
write_on() {
    file=0
    while [ ! -e /run/enough ]; do
        if echo "content of $file" 2>/dev/null >"/run/web/load.$file"; then
            echo $file >>/run/acknowledged
            file=$((file + 1))
        fi
    done
}

acknowledged_is_there() {
    while read -r number; do
        [ "$(cat "/run/web/load.$number")" = "content of $number" ] || { echo "load.$number: $(cat "/run/web/load.$number")"; return 1; }
    done </run/acknowledged
}

kills_were() { [ "$(systemctl show -P NRestarts kexecfsd.service)" = "$1" ]; }

restarts_lose_nothing() {
    server=$(main_pid web.service)
    : >/run/acknowledged
    write_on &
    writer=$!
    check "kexecfsd is restarted under load" timed "restart" systemctl restart kexecfsd.service
    check "its mounts are there again" state_is /run/web normal
    before=$(wc -l </run/acknowledged)
    check "the load goes on" wait_for 20 more_than "$before"
    check "kexecfsd is killed" systemctl kill -s KILL kexecfsd.service
    check "and started again by systemd" wait_for 20 kills_were 1
    check "the mounts heal" wait_for 60 state_is /run/web normal
    before=$(wc -l </run/acknowledged)
    check "the load goes on" wait_for 20 more_than "$before"
    touch /run/enough
    wait $writer
    note "$(wc -l </run/acknowledged) files were acknowledged"
    check "every file that was acknowledged is there" acknowledged_is_there
    check "kexecfsd is stopped" systemctl stop kexecfsd.service
    check "its mounts do not answer" fails "not connected" cat /run/web/kexecfs.state
    check "it is started again" systemctl start kexecfsd.service
    check "and every file is there" acknowledged_is_there
    rm -f /run/web/load.*
    check "the mount unit has been there all the time" equal active "$(systemctl is-active run-web.mount)"
    check "and so has the service" equal "$server" "$(main_pid web.service)"
}
more_than() { [ "$(wc -l </run/acknowledged)" -gt "$1" ]; }

ends_with_its_mount_unit() {
    check "a mount unit is stopped" systemctl stop run-ram.mount
    check "its session has ended" wait_for 10 no_session ram
    check "and comes back empty" systemctl start run-ram.mount
    check "with a state of its own" state_is /run/ram normal
}
nobody_has_a_session() { [ -z "$(luo_sessions)" ]; }
no_session() { ! luo_sessions | grep -qx "$1"; }

fd_store_is_empty() { equal 0 "$(systemctl show -P NFileDescriptorStore kexecfsd.service)"; }

# The service goes on writing its journal and its counter, and who has linked the memory writes to that.
all_facts() { # SESSION
    lasting_facts "/run/$1" | grep -v -e journal -e counter -e memory
    sums "/run/$1" memory | grep -v -e journal -e counter
}

note_all() {
    for session in web ram hand; do
        all_facts $session >"/state/$session"
    done
    check "there is something to come back" holds data /state/web
}

comes_back() {
    note "up in $(uptime_now) s"
    systemd-analyze fdstore kexecfsd.service >/run/store
    check "systemd brought the session that nobody has mounted" holds "^hand/luo" /run/store
    check "it is mounted by hand again" mount_hand
    for session in web ram hand; do
        check "session $session is updated" state_is /run/$session updated
        all_facts $session >"/run/facts.$session"
        check "and what is in it is what was" same "/state/$session" "/run/facts.$session"
    done
}
mount_hand() {
    mkdir -p /run/hand
    kexecfs mount hand /run/hand
}
