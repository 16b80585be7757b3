# shellcheck shell=sh
# A service in a container of an OCI runtime keeps its state in a session that is bind-mounted into it: a container without any
# privilege, which is gone before the kexec. After it, a container of another bundle has the files. On the host the session is a
# volume of the engine's plugin, asked as an engine asks it.

dir=/run/kexecfs/volumes/web
plugin=/run/docker/plugins/kexecfs.sock

stage_1() {
    start_plugin
    require "a volume is made" volume Create '{"Name":"web","Opts":{"uid":"1000","size":"64m"}}'
    require "it is mounted for a container" timed "mount of a volume" volume Mount '{"Name":"web","ID":"first"}'
    check "a new session is normal" state_is $dir normal

    make_bundle first sh busybox link-memfd watch-state
    require "a container runs with the session bind-mounted" timed "start of a container" start_container first
    check "its process has no capability" equal 0000000000000000 "$(in_container first sed -n 's/^CapEff:\t//p' /proc/self/status)"
    check "it links its own memfd, by its own pid" in_container first link-memfd /session ram0 1M 7 --position 4242
    count=$(pattern counter $dir/ram0)
    check "what it writes after the link is seen on the host" counter_passes $dir/ram0 "$count"
    check "it copies a file" in_container first cp /bin/busybox /session/plain
    check "the host sees what was copied" cmp /usr/bin/busybox $dir/plain
    check "the files are the container's user's" equal "1000:1000 1000:1000" "$(stat -c %u:%g $dir/ram0 $dir/plain | xargs)"
    check "it cannot drive the session" fails 'Permission denied' in_container first sh -c 'echo 1 >/session/kexecfs.prepare'
    check "the volume cannot be removed while it runs" fails 'in use' volume Remove '{"Name":"web"}'

    require "the container ends" end_container first
    check "none of its processes is left" test -z "$(pidof link-memfd)"
    check "the plugin is told" volume Unmount '{"Name":"web","ID":"first"}'
    check "its files are there still" equal "plain ram0" "$(user_files $dir | sed 's,.*/,,' | xargs)"
    sums $dir >/state/sums
    lasting_facts $dir >/state/facts
    require "the host prepares" write_control $dir prepare 1
    check "a container may run up to the kexec" start_container first
    check "and finds the names fixed" fails busy in_container first touch /session/late
}

stage_2() {
    before=$(kho_preserved_pages)
    start_plugin
    require "the volume is mounted again without being asked for" timed "volume after a kexec" wait_for 120 is_mounted $dir
    check "its state is updated" state_is $dir updated
    check "it is listed" holds '"Name":"web"' "$(answer_of List '{}')"
    check "it cannot be removed with files that nobody has claimed" fails 'nobody has claimed' volume Remove '{"Name":"web"}'
    require "a container is to use it" volume Mount '{"Name":"web","ID":"second"}'

    # No shell, and not one program of the first.
    make_bundle second pattern pattern sha256sum cat watch-state
    require "a container of another bundle runs" start_container second
    check "it sees that there was an update" equal updated "$(in_container second cat /session/kexecfs.state)"
    check "it has the memory of the container before, the counter aside" in_container second pattern check /session/ram0 1M 7 8
    check "and the copied file" equal "$(sed -n 's,  plain$,,p' /state/sums)" "$(in_container second sha256sum /session/plain | cut -d ' ' -f 1)"
    sums $dir >/run/sums
    check "all contents are as they were" same /state/sums /run/sums
    lasting_facts $dir >/run/facts
    check "owners, modes and times, too" same /state/facts /run/facts

    in_container second watch-state poll /session/kexecfs.state >/run/watched &
    check "it polls the state" wait_for 20 holds '^updated$' /run/watched
    check "the host finishes, with every file claimed" write_control $dir finish strict
    check "and the container is told" wait_for 20 holds '^normal$' /run/watched
    check "the container ends" end_container second
    check "nobody uses the volume" volume Unmount '{"Name":"web","ID":"second"}'
    check "it is removed" volume Remove '{"Name":"web"}'
    check "with its session" equal "" "$(luo_sessions)"
    check "and its record" equal "" "$(find /var/lib/kexecfs/volumes -name '*.json*')"
    check "nothing more is preserved" test "$(kho_preserved_pages)" -le "$before"
    check "the kernel complains of nothing" kernel_is_content
}

start_plugin() {
    kexecfs docker-plugin >/run/plugin.log 2>&1 &
    require "the plugin listens" timed "start of the plugin" wait_for 120 test -S $plugin
}

# volume METHOD JSON
volume() { http-post $plugin "/VolumeDriver.$1" "$2"; }

answer_of() { # METHOD JSON
    volume "$@" >/run/answer
    echo /run/answer
}

# --- containers

# make_bundle NAME ARGUMENT PROGRAM...: a bundle whose container waits in its first program, and has these.
make_bundle() {
    bundle=/run/bundles/$1
    bundle_command=$2
    shift 2
    mkdir -p "$bundle/rootfs/bin" "$bundle/rootfs/proc" "$bundle/rootfs/dev" "$bundle/rootfs/session" "$bundle/rootfs/tmp"
    for program; do
        cp "/usr/bin/$program" "$bundle/rootfs/bin/$program"
    done
    case $bundle_command in
        sh)
            for applet in sh cp sed sleep touch; do ln -s busybox "$bundle/rootfs/bin/$applet"; done
            arguments='"sleep", "100000"'
            ;;
        *) arguments='"watch-state", "epoll", "/session/kexecfs.state"' ;;
    esac
    cat >"$bundle/config.json" <<END
{
  "ociVersion": "1.0.2",
  "process": {
    "user": {"uid": 1000, "gid": 1000},
    "args": [$arguments],
    "env": ["PATH=/bin"],
    "cwd": "/",
    "noNewPrivileges": true
  },
  "root": {"path": "rootfs", "readonly": true},
  "mounts": [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
    {"destination": "/session", "type": "bind", "source": "$dir", "options": ["bind"]}
  ],
  "linux": {
    "namespaces": [
      {"type": "mount"}, {"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network"}, {"type": "cgroup"}
    ]
  }
}
END
}

# Its output goes to a file: the container has it open, too, and a check would wait for its end.
start_container() { # NAME
    runc run --detach --no-new-keyring --bundle "/run/bundles/$1" "$1" >"/run/$1.log" 2>&1 </dev/null && return
    cat "/run/$1.log"
    return 1
}

in_container() { # NAME COMMAND...
    container=$1
    shift
    runc exec "$container" "$@"
}

end_container() { runc delete --force "$1"; }
