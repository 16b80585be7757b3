# shellcheck shell=sh
# The recipes of kexecfs/doc/cookbook.md and comparison.md, as they stand there: with plain files of two mounts, with the ioctls
# as commands, and with the ioctls in C. Those without a JVM, which takes its time under strace, are counted by it on the way,
# and compared with what comparison.md says.

PATH=$PATH:/usr/share/kexecfs-guest/cookbook:/usr/share/kexecfs-guest/comparison
input=/dev/null
files=/mnt/files
cache=/mnt/cache

stage_1() {
    keep memory "$(own_memory)"
    before=$(kho_preserved_pages)
    make_what_is_saved
    # Both are a user's, who may prepare the one as well.
    mkdir -p /run/db
    start_mount files $files -o uid=1000,control_uid=1000
    start_mount cache $cache -o uid=1000
    require "a session is mounted" await_mount files $files
    require "another is mounted" await_mount cache $cache

    check "plain files: state is saved" counted "save-state" save-state $files /state/before/*
    check "plain files: a directory is saved" counted "save-directory" save-directory $files tree /state/tree
    check "plain files: a database has its cache there" counted "with-cache cold" with-cache $cache 1M /run/db/pages true
    printf warm | dd of=/run/db/pages bs=4096 seek=3 conv=notrunc 2>/dev/null
    check "plain files: who asks again sees the state" counted "await-state" await-state $files normal 0
    check "plain files: who polls sees the state" counted "poll-state" poll-state $files normal
    as_a_user_and_in_error

    check "commands: state is saved" stays luo-save-state cmd-state /state/before/*
    check "commands: a directory is saved" stays luo-save-directory cmd-tree /state/tree
    check "commands: a cache is kept" stays luo-cache-cold cmd-cache 1M sh -c \
        'printf warm | dd of=/proc/self/fd/3 bs=4096 seek=3 conv=notrunc 2>/dev/null; echo held; exec tail -f /dev/null'

    check "C: state is saved" held "luo-state save" luo-state save c-state /state/before/*
    input=/state/tree.tar
    check "C: a directory is saved" held "luo-pipe save" luo-pipe save c-tree
    input=/dev/null
    check "C: a cache is made" counted "luo-cache cold" luo-cache measured 1048576 true
    check "C: a cache is kept" stays luo-cache c-cache 1048576 sh -c \
        'printf warm | dd of=/proc/self/fd/3 bs=4096 seek=3 conv=notrunc 2>/dev/null; echo held; exec tail -f /dev/null'

    check "the sessions of all three are held" equal "c-cache c-state c-tree cache cmd-cache cmd-state cmd-tree files" \
        "$(luo_sessions | tr '\n' ' ' | sed 's/ $//')"
    poll-state $files prepared &
    check "all sessions are prepared" prepare-all $files $cache
    check "who polled wakes" wait $!
    note "pages that the kernel preserves: $before before, $(kho_preserved_pages) with all"
}

stage_2() {
    start_mount files $files -o uid=1000,control_uid=1000
    start_mount cache $cache -o uid=1000
    require "a session is mounted after the kexec" await_mount files $files
    require "another is mounted after the kexec" await_mount cache $cache
    mkdir -p /run/db /run/plain /run/cmd /run/c

    check "plain files: a directory is restored" counted "restore-directory" restore-directory $files tree /run/plain/tree
    rm $files/tree.tar
    check "plain files: state is restored" counted "restore-state" restore-state $files /run/plain
    check "plain files: the cache is warm" warm counted "with-cache warm" with-cache $cache 1M /run/db/pages \
        dd if=/run/db/pages bs=4096 skip=3 count=1

    check "commands: state is restored" luo-restore-state cmd-state /run/cmd
    check "commands: a directory is restored" luo-restore-directory cmd-tree /run/cmd/tree
    check "commands: the cache is warm" warm kept_output luo-cache-warm cmd-cache \
        dd if=/proc/self/fd/3 bs=4096 skip=3 count=1

    check "C: state is restored" counted "luo-state restore" luo-state restore c-state /run/c
    check "C: a directory is restored" counted "luo-pipe restore" luo-pipe restore c-tree
    mkdir -p /run/c/tree
    tar -x -p -f /run/counted.out -C /run/c/tree
    check "C: the cache is warm" warm counted "luo-cache warm" luo-cache c-cache 1048576 \
        dd if=/proc/self/fd/3 bs=4096 skip=3 count=1

    for way in plain cmd c; do
        check "$way: state is as it was" same_state /state/before /run/$way
        check "$way: the directory is as it was" same_tree /state/tree /run/$way/tree
    done
    check "C: what did not come over is told by an exit code" sh -c 'luo-state restore none /run; [ $? = 2 ]'
    check "plain files: and so is it" sh -c "restore-state $files /run; [ \$? = 2 ]"
    check "a session is retrieved once" fails ENOENT kexecfs luo retrieve cmd-tree -- true
    check "a mount ends" end_mount files $files
    check "another ends" end_mount cache $cache
    check "the kernel has no session" equal "" "$(luo_sessions)"
    check "all memory is the kernel's own again" own_memory_is_back "$(kept memory)"
    check "the kernel complains of nothing" kernel_is_content
    check "comparison.md counts what was counted here" as_documented
}

make_what_is_saved() {
    mkdir -p /state/before /state/tree/a/b
    echo one >/state/before/one
    head -c 100000 /dev/urandom >"/state/before/t w o"
    chmod 640 /state/before/one
    chown 1000:1000 /state/before/*
    touch -d @1234567890 /state/before/*
    echo deep >/state/tree/a/b/file
    ln -s a/b/file /state/tree/link
    chmod 700 /state/tree/a
    tar -c -f /state/tree.tar -C /state/tree .
}

# comparison.md, "What an error looks like", and who may.
as_a_user_and_in_error() {
    check "plain files: a user may save" su user -s /bin/sh -c "PATH=$PATH; save-state $files /state/before/one"
    check "plain files: and prepare, and let go" su user -s /bin/sh -c "PATH=$PATH; prepare-all $files && echo 1 >$files/kexecfs.cancel"
    check "plain files: but not prepare the other" fails ermission su user -s /bin/sh -c "PATH=$PATH; echo 1 >$cache/kexecfs.prepare"
    check "C: a user may not" fails 'liveupdate: Permission denied' su user -s /bin/sh -c 'luo-state save x /state/before/one'
    check "commands: a user may not" fails EACCES su user -s /bin/sh -c 'kexecfs luo create x -- true'
    check "plain files: a file on disk is told to be none" fails EOPNOTSUPP kexecfs send $files/disk </etc/passwd
    check "commands: a file on disk is ENOENT" fails ENOENT kexecfs luo create x -- kexecfs luo preserve 1 </etc/passwd
    check "C: preserved memory cannot grow" fails 'not permitted' luo-cache x 4096 truncate -s 8k /proc/self/fd/3
    check "plain files: the memory itself is received" equal one "$(kexecfs recv $files/one -- cat {})"
}

# counted NAME COMMAND...: runs it, and notes how many system calls it made; its output is in /run/counted.out.
counted() {
    counted_name=$1
    shift
    strace -f -c -o /run/strace "$@" >/run/counted.out 2>/run/counted.err
    counted_status=$?
    cat /run/counted.err
    note_calls
    return $counted_status
}

note_calls() { echo "$counted_name $(awk 'END { print $4 }' /run/strace)" >>/state/calls; }

# held NAME COMMAND SUBCOMMAND|SESSION ...: the same for a COMMAND that stays: with its session, once it says "held". It is ended
# to be counted, and starts again, to stay.
held() {
    counted_name=$1
    held_before=$(luo_sessions)
    shift
    strace -f -c -o /run/strace "$@" <$input >/run/counted.out 2>/run/counted.err &
    held_strace=$!
    wait_for 120 grep -q held /run/counted.out || cat /run/counted.err
    for held_file in /proc/[0-9]*/status; do
        if grep -qs "^TracerPid:.$held_strace\$" "$held_file"; then
            held_pid=${held_file#/proc/}
            kill -9 "${held_pid%/status}"
        fi
    done
    wait $held_strace
    note_calls
    wait_for 10 sessions_are "$held_before"
    stays "$@"
}

sessions_are() { [ "$(luo_sessions)" = "$1" ]; }

# stays COMMAND...: in the background, and has said "held".
stays() {
    "$@" <$input >/run/stays.out 2>/run/stays.err &
    wait_for 120 grep -q held /run/stays.out && return
    cat /run/stays.err
    return 1
}

kept_output() { "$@" >/run/counted.out; }

# warm COMMAND...: it shows what was written to the cache before the kexec.
warm() {
    "$@" && equal warm "$(head -c 4 /run/counted.out)"
}

same_state() { # DIR DIR
    for same_file in one "t w o"; do
        cmp "$1/$same_file" "$2/$same_file" || return
        equal "$(stat -c '%a %u %g %Y' "$1/$same_file")" "$(stat -c '%a %u %g %Y' "$2/$same_file")" || return
    done
}

same_tree() { # DIR DIR
    equal "$(shape_of "$1")" "$(shape_of "$2")"
}

shape_of() { (cd "$1" && find . | sort | xargs stat -c '%n %F %a' && readlink link && cat a/b/file); }

# Rows of the table: | `PROGRAM`, WORD | WAY | LINES | CALLS |
as_documented() {
    sed -n 's/^| `\(.*\) | [^|]* | [0-9]* | \([0-9]*\) |$/\1 \2/p' /usr/share/kexecfs-guest/comparison.md | tr -d '`,' | sort >/run/documented
    sort /state/calls | while read -r line; do note "calls: $line"; done
    sort /state/calls >/run/calls
    equal "$(sed 's/ [0-9]*$//' /run/calls)" "$(sed 's/ [0-9]*$//' /run/documented)" || return
    paste -d ' ' /run/calls /run/documented | awk '
        { counted = $(NF / 2); told = $NF; if (counted > told * 1.25 || counted < told * 0.75) { print; wrong = 1 } }
        END { exit wrong }'
}
