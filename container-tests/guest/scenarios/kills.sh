# shellcheck shell=sh
# SIGKILL of kexecfsd and of its keeper, each and both, at random moments while programs work on a session: in each state, within prepare, cancel
# and finish, before and after a kexec. What the programs were told was done is there each time, every byte and attribute.

# shellcheck disable=SC2154 # stage is init's
: "$stage"

dir=/mnt/busy
writers=3
expected=/state/survive

stage_1() {
    keep memory "$(own_memory)"
    keep kills 0
    mkdir -p $dir /mnt/quiet
    require "kexecfsd starts" start_daemon
    require "a session is mounted" ask-daemon mount busy $dir
    require "another one, too" ask-daemon mount quiet /mnt/quiet
    check "which has a file" pattern write /mnt/quiet/file 100K 5
    check "and is prepared" write_control /mnt/quiet prepare 1

    start_writers
    check "a kill of kexecfsd, under load" kill_and_restart
    check "one at a step of the load" kill_at_step $((1 + $(random 60)))
    pause_for 300
    check "a kill of the keeper, under load" kills_keeper
    for kill in 1 2; do
        pause_for 300
        check "kill $kill of both at once, under load" kill_both_and_restart
    done
    prepare_steps=$(steps_of prepare luo)
    cancel_steps=$(steps_of cancel)
    note "a prepare has $prepare_steps steps, a cancel $cancel_steps"
    for part in 1 2 3; do
        [ "$(cat $dir/kexecfs.state)" = normal ] || write_control $dir cancel 1
        check "a kill within prepare, $part" kill_within prepare $((1 + (prepare_steps - 1) * part / 6)) luo
        check "the state is before it or after it" one_of normal prepared
        [ "$(cat $dir/kexecfs.state)" = prepared ] || write_control $dir prepare 1
        check "a kill within cancel, $part" kill_within cancel $((1 + (cancel_steps - 1) * part / 3))
        check "the state is before it or after it again" one_of normal prepared
    done
    write_control $dir prepare 1
    check "kexecfsd is killed while it is prepared" kill_and_restart
    check "it is prepared" state_is $dir prepared
    check "so is the keeper" kills_keeper
    end_writers
    check "the state is prepared at the end" state_is $dir prepared
    check "the other session is what it was" quiet_is prepared
}

stage_2() {
    unmounted=$(kho_preserved_pages)
    require "kexecfsd starts" start_daemon
    attach $((1 + $(random 20)))
    check "a restore ends by the kill of it" fails 'no answer' ask-daemon mount busy $dir
    check "a kill within the restore" killed_and_restart
    check "it is mounted, or can be" is_mounted_or_mounts
    mkdir -p /mnt/quiet
    check "the other session is mounted" ask-daemon mount quiet /mnt/quiet
    check "the state is updated" state_is $dir updated
    check "all is as it was told before the kexec" survive check $dir $writers $expected
    check "in the other one, too" quiet_is updated
    mkdir $dir/more

    start_writers
    for kill in 1 2; do
        check "a kill of kexecfsd after the kexec, $kill" kill_at_step $((1 + $(random 60)))
        check "the state is updated still, after kill $kill" state_is $dir updated
    done
    pause_for 300
    check "a kill of the keeper after the kexec" kills_keeper
    check "a kill within finish, before LUO has finished" kill_within finish 1 luo
    check "the state is before finish" state_is $dir updated
    # It is killed as it enters the call that tells the keeper.
    check "a kill within finish, after LUO has finished, before the keeper knows" kill_within finish 3 luo
    check "the state is before finish still" state_is $dir updated
    check "a kill within finish, once the keeper knows" kill_within finish 4 luo
    check "the state is after finish" state_is $dir normal
    check "a kill of kexecfsd after finish" kill_at_step $((1 + $(random 60)))
    end_writers
    check "the other session is still what it was" quiet_is updated
    check "it is finished" write_control /mnt/quiet finish 1
    check "at least 20 were killed" test "$(kept kills)" -ge 20
    note "$(kept kills) kills; LUO has: $(luo_sessions | xargs)"
    check "LUO has both sessions, and no more" equal "busy quiet" "$(luo_sessions | xargs)"

    check "one is prepared again" write_control /mnt/quiet prepare 1
    check "both are killed at once" kill_both_and_restart
    check "it is prepared still" quiet_is prepared
    check "LUO has both sessions still" equal "busy quiet" "$(luo_sessions | xargs)"

    # All three at once: nobody has anything then.
    check "there is one shadow" equal 1 "$(shadow_pid | wc -l)"
    # shellcheck disable=SC2046 # one each
    kill -KILL "$(daemon_pid)" "$(keeper_pid)" $(shadow_pid)
    check "if all three are killed at once LUO has nothing" wait_for 20 no_sessions
    check "a new kexecfsd starts, and says so" fails "session busy is lost" start_daemon
    check "the mounts are dead, and say so" fails 'not connected' ls $dir
    check "they can be mounted anew" ask-daemon mount busy $dir
    check "and are empty" equal "" "$(user_files $dir)"
    check "the new one is unmounted" umount $dir
    umount -l /mnt/quiet
    check "the kernel has no session" wait_for 20 no_sessions
    check "no shadow is left but the keeper's" equal 1 "$(shadow_pid | wc -l)"
    check "nothing is preserved" preserved_as_before "$unmounted"
    check "all memory is the kernel's own again" own_memory_is_back "$(kept memory)"
    check "the kernel complains of nothing" kernel_is_content
}

start_writers() {
    worked_on=$dir
    [ "$stage" = 1 ] || worked_on=$dir/more
    require "programs work on it" survive write "$worked_on" $writers "$(random 1000000000)" $expected
    survivors=$(cat /run/check.out)
}

end_writers() {
    kill "$survivors"
    check "the programs found all as they were told, in stage $stage" survive end $expected $writers
    note "$(tail -n 1 /run/check.out)"
    check "and so does another, in stage $stage" survive check "$worked_on" $writers $expected
}

is_mounted_or_mounts() { ask-daemon mount busy $dir || holds 'mounted already' /run/check.out; }

count_kill() { keep kills $(($(kept kills) + 1)); }

kill_and_restart() {
    pause_for 300
    count_kill
    kill_daemon && timed restart start_daemon
}

kill_both_and_restart() {
    count_kill
    count_kill
    killed_daemon=$(daemon_pid)
    kill -KILL "$(keeper_pid)" "$killed_daemon" && wait_for 20 is_dead "$killed_daemon" && timed "restart of both" start_daemon
}

attach() { # STEP [luo]
    : >/run/kill-at
    : >/run/kill-at.attached
    kill-at "$(daemon_pid)" "$@" >/run/kill-at 2>/run/kill-at.attached &
    killer=$!
    wait_for 20 grep -q attached /run/kill-at.attached
}

killed_and_restart() {
    kill "$killer" 2>/dev/null
    wait "$killer"
    note "$(cat /run/kill-at)"
    grep '^killed' /run/kill-at || return
    count_kill
    wait_for 20 is_dead "$(daemon_pid)"
    timed restart start_daemon
}

kill_at_step() { # STEP, of whatever it does
    attach "$1" && wait_for 60 is_dead "$killer" && killed_and_restart
}

# How many steps it has if nobody kills.
steps_of() { # CONTROL [luo]
    attach 1000000 ${2:+"$2"}
    write_control $dir "$1" 1
    kill "$killer"
    wait "$killer"
    sed 's/ steps//' /run/kill-at
}

# That kills while somebody waits for the answer: who gets one was not interrupted, and that does not count.
kill_within() { # CONTROL STEP [luo]
    attach "$2" ${3:+"$3"}
    if echo 1 >"$dir/kexecfs.$1"; then
        echo "$1 was done before the kill: $(cat /run/kill-at)"
        [ ! -s /run/kill-at ] || killed_and_restart
        return 1
    fi
    killed_and_restart
}

kills_keeper() {
    count_kill
    timed "the next keeper" kill_keeper
}

pause_for() { # MILLISECONDS, at most
    pause=$(random "$1")
    sleep "$(echo "$pause" | awk '{ printf "%.3f", $1 / 1000 }')"
}

one_of() { # STATE...
    is=$(cat $dir/kexecfs.state)
    note "the state is $is"
    for state; do [ "$is" != "$state" ] || return 0; done
    return 1
}

quiet_is() { # STATE
    state_is /mnt/quiet "$1" && pattern check /mnt/quiet/file 100K 5
}
