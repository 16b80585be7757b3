# shellcheck shell=sh
# Sessions as units of systemd: installed and set up as kexecfs/doc/systemd.md says it, through restarts and kills of kexecfsd, a
# soft reboot, and two kexecs with nothing else said.
#
#   kexecfs.restarts=N   how often kexecfsd is restarted in a row, and killed in a row; 4
#
# shellcheck disable=SC2086,SC2154 # lists of words; scenario and stage are run-stage's

volume=/run/kexecfs/volumes/volume
sessions="web ram hand"
restarts=$(option restarts 4)

# volume METHOD JSON: as an engine asks its plugin.
volume() { http-post /run/docker/plugins/kexecfs.sock "/VolumeDriver.$1" "$2"; }

# Not by reboot, which is the same with a kernel loaded: it is logind that knows that, and there is none here.
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
    require "kexecfs is installed" /opt/mount-tool/install
    set_up
    check "the units are well-formed" says_nothing systemd-analyze verify kexecfsd.service kexecfs.target \
        kexecfs-docker-plugin.service run-web.mount web.service
    require "kexecfsd, the sessions and the services that use them start" timed "kexecfs.target and services" \
        systemctl start kexecfs.target $services kexecfs-docker-plugin.service
    check "a mount unit's session is mounted" state_is /run/web normal
    check "a session of fstab is mounted, one that preserves at link" state_is /run/ram normal
    check "the service started after them, and has its files" wait_for 10 holds "started with nothing" /run/web/journal
    mkdir -p /run/hand
    check "a session is mounted by hand" kexecfs mount hand /run/hand
    check "a volume is made" volume Create '{"Name":"volume"}'
    check "and mounted" volume Mount '{"Name":"volume","ID":"1"}'
    is_confined
    check "nobody can clean the fd store under it" fails "not inactive" systemctl clean --what=fdstore kexecfsd.service
    check "what is in use is not uninstalled" fails "has sessions" /opt/mount-tool/install --remove
    restarts_lose_nothing
    while_systemd_is_slow
    check "the journal has what kexecfsd says, as information" wait_for 10 journal_has 6 "session web mounted"
    check "and nothing graver" no_complaint

    ends_with_its_mount_unit

    check "a memfd is linked" link-memfd /run/web memory 256K 0x1234
    for name in $sessions; do
        echo "this is $name" >/run/$name/data
        chmod 0604 /run/$name/data
        chown 12:34 /run/$name/data
    done
    echo "this is a volume" >$volume/data
    note_all
}

# A soft reboot in the middle of it: everything but the kernel begins anew, and so does the stage.
stage_2() {
    if [ "$(systemctl show -P SoftRebootsCount)" = 1 ]; then
        softly_rebooted
        return
    fi
    check "systemd counts one kexec" equal 1 "$(systemctl show -P KExecCount)"
    comes_back updated updated updated
    check "the service stopped before its session was handed over" holds "1: stopped" /run/web/journal
    check "and started after it came back" wait_for 10 holds "2: started with counter" /run/web/journal
    check "services find their files" all_write_on
    check "a memfd came back" pattern check /run/web/memory 256K 0x1234 8
    check "a volume is mounted again by its plugin" wait_for 60 holds '^this is a volume$' $volume/data
    check "and is updated" state_is $volume updated
    check "no unit failed" equal "" "$(systemctl --failed --plain --no-legend)"
    check "kexecfsd has nothing to complain of" no_complaint

    # One stays as it came, one is prepared, and one is changed.
    check "a session is finished while systemd reads its units anew, for long" in_a_slow_reload write_control /run/ram finish 1
    check "and prepared" write_control /run/ram prepare 1
    check "another is finished" write_control /run/hand finish 1
    echo "this is hand, still" >/run/hand/data
    note_all
    sync
    echo "kexecfs-guest: $scenario leaves this userspace at $(uptime_now)"
    systemctl soft-reboot
    sleep 60
}

softly_rebooted() {
    note "softly rebooted, up in $(uptime_now) s"
    check "after a soft reboot systemd holds the session that nobody has mounted" kept_unmounted hand
    check "it is mounted by hand again" mount_hand
    come_back_as updated prepared normal
    check "the service stopped before the soft reboot, and started after it" wait_for 10 holds_last "2: started" /run/web/journal
    check "services find their files" all_write_on
    check "a volume is mounted again by its plugin" wait_for 60 holds '^this is a volume$' $volume/data
    check "no unit failed" equal "" "$(systemctl --failed --plain --no-legend)"
    check "kexecfsd has nothing to complain of" no_complaint

    # And one cannot be unmounted, for somebody stays in it.
    check "somebody works in a mount, whom no shutdown stops" systemd-run -q -p DefaultDependencies=no \
        -p WorkingDirectory=/run/hand -p KillMode=none sleep 3600
    note_all
}

stage_3() {
    check "systemd counts two kexecs" equal 2 "$(systemctl show -P KExecCount)"
    comes_back updated updated updated
    check "what was never finished has been through two updates" holds "^cycle 2$" /run/web/kexecfs.info
    check "kexecfsd has nothing to complain of" no_complaint
    for session in $sessions; do
        check "session $session is finished" write_control /run/$session finish 1
    done
    check "a volume has been through two updates" wait_for 60 holds "^cycle 2$" $volume/kexecfs.info
    check "it is finished" write_control $volume finish 1
    check "and removed" volume Remove '{"Name":"volume"}'
    check "what was mounted by hand is unmounted" umount /run/hand
    cleaned_while_it_is_stopped
    check "the services are stopped" systemctl stop $services
    check "the sessions are unmounted" systemctl stop run-web.mount run-ram.mount
    check "nobody has a session" wait_for 10 nobody_has_a_session
    check "nothing is in the fd store" wait_for 10 fd_store_is_empty
    check "the kernel complains of nothing" kernel_is_content
    check "what has no sessions is uninstalled" /opt/mount-tool/install --remove
    check "and systemd knows nothing of it" equal not-found "$(systemctl show -P LoadState kexecfsd.service)"
    check "and nothing of it is there" fails "No such file" ls -d /opt/kexecfs
}

# --- as the documentation has it

services="web.service template@web.service apart.service strict.service"

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
exec /usr/share/kexecfs-guest/count /run/web/counter
END
    # Opened anew each time.
    cat >/usr/share/kexecfs-guest/count <<'END'
#!/bin/sh
count=$(cat "$1" 2>/dev/null || echo 0)
while :; do
    count=$((count + 1))
    echo $count 2>/dev/null >"$1"
    sleep 0.3
done
END
    chmod +x /usr/share/kexecfs-guest/web /usr/share/kexecfs-guest/count
    service_that_counts template@ /run/%i/counter.template RequiresMountsFor=/run/%i
    service_that_counts apart /run/web/counter.apart RequiresMountsFor=/run/web PrivateUsers=yes
    mkdir -p /srv/data
    service_that_counts strict /srv/data/counter.strict RequiresMountsFor=/run/web \
        ProtectSystem=strict PrivateTmp=yes BindPaths=/run/web:/srv/data
    systemctl daemon-reload
    check "the units are enabled" systemctl enable kexecfsd.service kexecfs.target kexecfs-docker-plugin.service run-web.mount \
        $services
}

service_that_counts() { # NAME FILE UNIT-SETTING [SERVICE-SETTING]...
    counts_name=$1
    counts_file=$2
    counts_unit=$3
    shift 3
    {
        printf '[Unit]\nAfter=kexecfs.target\n%s\n\n' "$counts_unit"
        printf '[Service]\nExecStart=/usr/share/kexecfs-guest/count %s\n' "$counts_file"
        [ $# = 0 ] || printf '%s\n' "$@"
        printf '\n[Install]\nWantedBy=multi-user.target\n'
    } >"/etc/systemd/system/$counts_name.service"
}

# --- checks

main_pid() { systemctl show -P MainPID "$1"; }

says_nothing() {
    "$@" >/run/said 2>&1 && equal "" "$(cat /run/said)" && return
    cat /run/said
    return 1
}

is_confined() {
    daemon=$(main_pid kexecfsd.service)
    check "kexecfsd has told systemd that it is ready" equal "active 4 mounts" \
        "$(systemctl show -P ActiveState kexecfsd.service) $(systemctl show -P StatusText kexecfsd.service)"
    check "it runs under its system call filter" holds "^Seccomp:.2$" "/proc/$daemon/status"
    check "without new privileges" holds "^NoNewPrivs:.1$" "/proc/$daemon/status"
    check "with its capabilities and no others" equal \
        "cap_chown cap_dac_override cap_dac_read_search cap_fowner cap_kill cap_sys_chroot cap_sys_ptrace cap_sys_admin cap_sys_resource" \
        "$(systemctl show -P CapabilityBoundingSet kexecfsd.service)"
    check "with the devices that are everybody's" in_its_cgroup head -c 1 /dev/zero
    check "and no disk" fails "not permitted" in_its_cgroup head -c 1 /dev/vda
    check "in the mount namespace of all" equal "$(readlink /proc/1/ns/mnt)" "$(readlink "/proc/$daemon/ns/mnt")"
    systemd-analyze security --no-pager kexecfsd.service >/run/security
    note "$(tail -n 1 /run/security)"
}

in_its_cgroup() { # COMMAND ARGUMENT...
    sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' \
        "/sys/fs/cgroup$(systemctl show -P ControlGroup kexecfsd.service)" "$@"
}

journal_has() { # PRIORITY WORDS
    journalctl -b -q -u kexecfsd.service -o json | grep "\"PRIORITY\":\"$1\"" | grep -q "\"MESSAGE\":\"[^\"]*$2"
}
# Of kexecfsd's own, and not systemd's of it: that it was killed.
kexecfsd_says() { journalctl -b -q -u kexecfsd.service _COMM=java -p "$1" -o cat; } # LEAST-PRIORITY
no_complaint() { kexecfsd_says info | grep -q session && equal "" "$(kexecfsd_says warning)"; }

# Files with their number in them, each with a second name, and acknowledged once it has been written, closed and linked, and read
# by that name.
write_on() { # SESSION
    file=0
    while [ ! -e /run/enough ]; do
        if { echo "content of $file" >"/run/$1/load.$file" && ln -f "/run/$1/load.$file" "/run/$1/link.$file" &&
            [ "$(cat "/run/$1/link.$file")" = "content of $file" ]; } 2>/dev/null; then
            echo $file >>"/run/acknowledged.$1"
            file=$((file + 1))
        fi
        sleep 0.1
    done
}

acknowledged_is_there() {
    for session in $sessions; do
        while read -r number; do
            for name in load link; do
                [ "$(cat "/run/$session/$name.$number")" = "content of $number" ] || { echo "$session $name.$number"; return 1; }
            done
        done <"/run/acknowledged.$session"
    done
}

note_load() {
    for session in $sessions; do wc -l <"/run/acknowledged.$session" >"/run/before.$session"; done
}
load_goes_on() {
    for session in $sessions; do
        [ "$(wc -l <"/run/acknowledged.$session")" -gt "$(cat "/run/before.$session")" ] || return 1
    done
}

is_another_daemon() { # PID
    set -- "$1" "$(main_pid kexecfsd.service)"
    [ "$2" != 0 ] && [ "$1" != "$2" ]
}

# Some are up when they are restarted, or killed, and some are not.
daemons_pass() { # COMMAND ARGUMENT...
    passed=0
    while [ $passed -lt "$restarts" ]; do
        passed=$((passed + 1))
        before=$(main_pid kexecfsd.service)
        "$@" || return 1
        wait_for 60 is_another_daemon "$before" || return 1
        case $passed in
            3) systemctl daemon-reload && sleep 3 ;;
            6) sleep 5 ;;
            *) sleep 0.$passed ;;
        esac
    done
    # Nothing, if it is up.
    systemctl start kexecfsd.service
}

runs_what_is_gone() { readlink "/proc/$1/exe" | grep "deleted"; } # PID
runs_what_is_there() { ! runs_what_is_gone "$1"; }

restarts_lose_nothing() {
    server=$(main_pid web.service)
    for session in $sessions; do
        : >"/run/acknowledged.$session"
        write_on "$session" &
    done

    old=$(main_pid kexecfsd.service)
    echo "of today" >/opt/mount-tool/target/kexecfs/edition
    check "another edition is installed while kexecfsd runs" /opt/mount-tool/install
    check "that goes on with the old one" runs_what_is_gone "$old"
    note_load
    check "kexecfsd is restarted under load" timed "restart" systemctl restart kexecfsd.service
    check "and is another" is_another_daemon "$old"
    check "of the edition of today" holds "of today" "/proc/$(main_pid kexecfsd.service)/root/opt/kexecfs/edition"
    check "which is there" runs_what_is_there "$(main_pid kexecfsd.service)"
    check "its mounts are there again" state_is /run/web normal
    check "the load goes on" wait_for 20 load_goes_on
    check "services find their files" all_write_on

    check "kexecfsd is restarted time and again" timed "$restarts restarts" daemons_pass systemctl restart --no-block kexecfsd.service
    note_load
    check "the load goes on" wait_for 20 load_goes_on
    check "kexecfsd is killed time and again, and started by systemd" timed "$restarts kills" \
        daemons_pass systemctl kill -s KILL kexecfsd.service
    check "by nobody else" equal "$restarts" "$(systemctl show -P NRestarts kexecfsd.service)"
    note_load
    check "the load goes on" wait_for 20 load_goes_on
    check "services find their files" all_write_on
    touch /run/enough
    wait
    note "$(cat /run/acknowledged.* | wc -l) files were acknowledged"
    check "every file that was acknowledged is there" acknowledged_is_there

    check "kexecfsd is stopped" systemctl stop kexecfsd.service
    check "its mounts do not answer" fails "not connected" cat /run/web/kexecfs.state
    check "it is started again" systemctl start kexecfsd.service
    check "and every file is there" acknowledged_is_there
    for session in $sessions; do rm -f /run/$session/load.* /run/$session/link.*; done
    check "the mount unit has been there all the time" equal active "$(systemctl is-active run-web.mount)"
    check "and so has the service" equal "$server" "$(main_pid web.service)"
}

# systemd does nothing else while it waits for a generator, which at the end looks at the mounts, as those of systemd's own do.
slow_generator() { # SECONDS
    mkdir -p /run/systemd/system-generators
    cat >/run/systemd/system-generators/slow <<END
#!/bin/sh
sleep $1
stat /run/*/kexecfs.state /run/*/data
stat -f /run/web
END
    chmod +x /run/systemd/system-generators/slow
}
slow_generator_runs() { grep -qs system-generators/slow /proc/[0-9]*/cmdline; }

# What succeeds while it waits must have waited for it, or needs nothing of it.
in_a_slow_reload() { # COMMAND ARGUMENT...
    slow_generator 10
    systemctl daemon-reload &
    reload=$!
    wait_for 20 slow_generator_runs || return 1
    "$@"
    slow_status=$?
    wait $reload || { echo "the reload failed"; return 1; }
    rm /run/systemd/system-generators/slow
    return $slow_status
}

while_systemd_is_slow() {
    mkdir -p /run/one /run/two
    check "one more session is mounted" kexecfs mount one /run/one
    check "and another" kexecfs mount two /run/two
    echo "this is two" >/run/two/data
    check "one is prepared" write_control /run/one prepare 1
    check "while systemd reads its units anew, for long, one is cancelled, and another unmounted and mounted" \
        timed "slow reload" in_a_slow_reload cancelled_and_mounted_anew
    check "what was cancelled has its name" has_session one
    check "and is normal" state_is /run/one normal
    check "what was mounted anew has its name" has_session two
    check "and is empty" fails "No such file" cat /run/two/data
    umount /run/one /run/two
    # systemd has the end of its reload to do, and is asked what is coming.
    check "one has ended" wait_for 30 no_session one
    check "and so has the other" wait_for 30 no_session two
}
cancelled_and_mounted_anew() {
    write_control /run/one cancel 1 &
    cancelled=$!
    umount /run/two && kexecfs mount two /run/two || return 1
    wait $cancelled
}
has_session() { luo_sessions | grep -qx "$1"; }

# Each service counts in its own file, which it opens by its own path.
all_write_on() {
    for counter in counter counter.template counter.apart counter.strict; do
        before=$(cat "/run/web/$counter")
        wait_for 20 differs "$before" "/run/web/$counter" || { echo "$counter stays $before"; return 1; }
    done
}
differs() { [ -s "$2" ] && [ "$(cat "$2")" != "$1" ]; }

ends_with_its_mount_unit() {
    check "a mount unit is stopped" systemctl stop run-ram.mount
    check "its session has ended" wait_for 10 no_session ram
    check "and comes back empty" systemctl start run-ram.mount
    check "with a state of its own" state_is /run/ram normal
}
nobody_has_a_session() { [ -z "$(luo_sessions)" ]; }
no_session() { ! luo_sessions | grep -qx "$1"; }

fd_store_is_empty() { equal 0 "$(systemctl show -P NFileDescriptorStore kexecfsd.service)"; }

cleaned_while_it_is_stopped() {
    check "kexecfsd is stopped with its sessions" systemctl stop kexecfsd.service
    check "and its fd store is cleaned" systemctl clean --what=fdstore kexecfsd.service
    check "sessions are gone" wait_for 10 nobody_has_a_session
    check "it is started again" systemctl start kexecfsd.service
    check "and says what was lost, as an error" wait_for 10 journal_has 3 "session web is lost.*/run/web"
    check "of each" wait_for 10 journal_has 3 "session ram is lost.*/run/ram"
    check "a mount unit is restarted" systemctl restart run-web.mount
    check "and its session is a new one" state_is /run/web normal
    check "with nothing in it" fails "No such file" cat /run/web/data
}

# The services go on writing their journal and counters, and who has linked the memory writes to that.
lasting() { grep -v -e journal -e counter -e memory; }
all_facts() { # SESSION
    lasting_facts "/run/$1" | lasting
    user_files "/run/$1" | lasting | xargs -r sha256sum
}

note_all() {
    for session in $sessions; do
        all_facts $session >"/state/$session"
    done
    check "there is something to come back" holds data /state/web
}

comes_back() { # STATE-OF-WEB OF-RAM OF-HAND
    note "up in $(uptime_now) s"
    check "systemd brought the session that nobody has mounted" kept_unmounted hand
    check "it is mounted by hand again" mount_hand
    come_back_as "$@"
}
kept_unmounted() { # SESSION
    systemd-analyze fdstore kexecfsd.service >/run/store
    holds "^$1/luo" /run/store && ! grep -q " /run/$1 " /proc/mounts
}
mount_hand() {
    mkdir -p /run/hand
    kexecfs mount hand /run/hand
}
come_back_as() {
    for session in $sessions; do
        check "session $session is $1" state_is /run/$session "$1"
        shift
        all_facts $session >"/run/facts.$session"
        check "and what is in it is what was" same "/state/$session" "/run/facts.$session"
    done
}
holds_last() { tail -n 1 "$2" | grep -q -- "$1"; }
