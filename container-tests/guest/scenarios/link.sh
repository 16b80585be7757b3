# shellcheck shell=sh
# preserve=link: no prepare at all. Programs make, change, rename and remove files, and the kernel goes away under them at
# some moment, four times; what they were told was done is there. A witness in memory of its own says what they were told.

# shellcheck disable=SC2154 # stage is init's
: "$stage"

dir=/mnt/link
writers=4

stage_1() {
    unmounted=$(kho_preserved_pages)
    keep unmounted "$unmounted"
    keep memory "$(own_memory)"
    start_mount link $dir -o preserve=link
    require "the session is mounted" await_mount link $dir
    check "it says when files are preserved" holds '^preserve link$' $dir/kexecfs.info

    echo plain >$dir/plain
    check "a file that was closed is preserved" equal preserved "$(entry get $dir/plain user.kexecfs.status)"
    check "its LUO session is named after the mount's" luo_has_session_of $dir/plain
    check "a program links its memfd in" link-memfd $dir ram 1M 7
    check "it is preserved" equal preserved "$(entry get $dir/ram user.kexecfs.status)"
    check "what the program writes then is in it" counter_passes $dir/ram "$(pattern counter $dir/ram)"
    check "a mapped file of the mount is preserved too" head_and_map $dir/mapped
    check "a file is made longer" append $dir/plain "and longer"
    check "and is preserved again" equal preserved "$(entry get $dir/plain user.kexecfs.status)"
    pages=$(kho_preserved_pages)
    check "a file of 4 MiB is made" pattern write $dir/gone 4M 3
    check "its pages are preserved" test $(($(kho_preserved_pages) - pages)) -ge 1024
    check "it is removed" rm $dir/gone
    check "and its pages are not" preserved_as_before "$pages"
    check "a directory with an attribute" entry set $dir user.color blue

    echo "here before" >$dir/growing
    check "a program has files open" load hold $dir
    check "the one that it makes longer is not preserved" wait_for 5 status_is $dir/growing linked
    check "nor is the one that it makes" wait_for 5 status_is $dir/new linked
    load_until_some_moment
}

stage_2() {
    start_mount link $dir -o preserve=link
    require "the session is mounted after the first kexec" await_mount link $dir
    as_they_were_told
    check "the memfd is there" pattern check $dir/ram 1M 7 8
    check "what its program wrote last is, too" test "$(pattern counter $dir/ram)" -gt 0
    check "the mapped file is there" test "$(pattern counter $dir/mapped)" -gt 0
    check "the closed file is there" holds "and longer" $dir/plain
    check "the directory's attribute is" equal blue "$(entry get $dir user.color)"
    check "the file that was never closed is not" test ! -e $dir/new
    check "the file that was growing is missing" equal missing "$(entry get $dir/growing user.kexecfs.status)"
    check "which is told" holds '^missing: .*growing' $dir/kexecfs.error
    show cat $dir/kexecfs.error
    check "reading it says EIO" fails 'Input/output error' cat $dir/growing
    check "finish is accepted" write_control $dir finish 1
    check "and drops it" test ! -e $dir/growing
    check "everything is preserved again" statuses_are $dir preserved
    load_until_some_moment
}

stage_3() {
    start_mount link $dir -o preserve=link
    require "the session is mounted after the second kexec" await_mount link $dir
    as_they_were_told
    check "finish is accepted again" write_control $dir finish 1
    load_until_some_moment
}

stage_4() {
    start_mount link $dir -o preserve=link
    require "the session is mounted after the third kexec" await_mount link $dir
    as_they_were_told
    check "finish is accepted a third time" write_control $dir finish 1
    load_until_some_moment
}

stage_5() {
    before=$(kho_preserved_pages)
    # The other layout's mount restores this one's.
    start_mount link $dir
    start_mount linked /mnt/linked -o preserve=link
    require "the session is mounted with preserve=prepare after the fourth kexec" await_mount link $dir
    require "another one is mounted with preserve=link" await_mount linked /mnt/linked
    as_they_were_told
    check "the memfd is there still" pattern check $dir/ram 1M 7 8
    check "finish is accepted by the other kind of mount" write_control $dir finish 1
    check "which preserves nothing then" statuses_are $dir linked
    figures $dir "preserve=prepare"
    figures /mnt/linked "preserve=link"
    check "the session is unmounted" end_mount link $dir
    check "the other one is unmounted" end_mount linked /mnt/linked
    check "the kernel has no session" equal "" "$(luo_sessions)"
    check "nothing is preserved" preserved_as_before "$before"
    check "all memory is the kernel's own again" own_memory_is_back "$(kept memory)"
    check "the kernel complains of nothing" kernel_is_content
}

# What runs here runs up to the kexec.
load_until_some_moment() {
    seed=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
    keep seed "$seed"
    mkdir $dir/load-"$stage"
    require "programs work on files of the session" load write $dir/load-"$stage" $writers "$seed"
    moment=$(echo "$seed" | awk '{ printf "%.3f", 1 + $1 % 4000 / 1000 }')
    note "seed $seed, $moment s before the next kernel is loaded"
    sleep "$moment"
    check "no program has given up in stage $stage" equal "" "$(cat /run/load.log)"
}

as_they_were_told() {
    check "the state is updated in stage $stage" state_is $dir updated
    check "what programs were told was done before kexec $((stage - 1)) is there, in full" \
        load check $dir/load-$((stage - 1)) $writers "$(kept seed)"
    note "$(tail -n 1 /run/check.out)"
    note "kexecfs.error: $(cat $dir/kexecfs.error)"
}

luo_has_session_of() { # FILE
    luo_sessions | grep -qx "link/$(entry get "$1" user.kexecfs.token)"
}

head_and_map() { # FILE
    head -c 65536 /dev/zero >"$1" && entry map "$1" && status_is "$1" preserved && counter_passes "$1" 0
}

append() { echo "$2" >>"$1"; }
status_is() { equal "$2" "$(entry get "$1" user.kexecfs.status)"; }

figures() { # DIR KIND
    # Java is slow at first.
    load time "$1/warm" 4K 50 >/run/check.out
    for size in 4K 64M; do
        check "files of $size are changed, $2" load time "$1/time-$size" $size 20
        note "figure - $2, $size: $(tr '\n' ' ' </run/check.out)"
    done
}
