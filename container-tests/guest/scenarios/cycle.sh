# shellcheck shell=sh
# The main thing, twice round: a memfd of a running program and copied files, in one mount, through a
# kexec, and what came back through the next one. Each kernel is left with nothing preserved at the end.

dir=/mnt/cycle

stage_1() {
    keep memory "$(own_memory)"
    unmounted=$(kho_preserved_pages)
    start_mount cycle $dir
    require "a session is mounted" timed "mount, with nothing cached" await_mount cycle $dir
    check "a new session is normal" state_is $dir normal
    check "LUO has the session" equal cycle "$(luo_sessions)"
    mounted=$(kho_preserved_pages)
    note "pages that the kernel preserves: $unmounted before the mount, $mounted with it"
    # What the kernel itself needs for a session with no file in it.
    keep empty-session $((mounted - unmounted))

    require "a program links its memfd in" link-memfd $dir ram0 1M 7 --position 4242 --seals shrink
    count=$(pattern counter $dir/ram0)
    check "what it writes after the link is in the file" counter_passes $dir/ram0 "$count"
    check "a memfd that may not be written is linked in" link-memfd $dir ram1 100000 8 --position 11 --seals write,grow,shrink
    check "a file is copied in" cp /boot/bzImage $dir/plain
    check "the copy is what was copied" cmp /boot/bzImage $dir/plain
    check "a file of 0 bytes is made" touch $dir/empty
    check "a name has spaces and letters of any kind" cp /etc/passwd "$dir/grüße, 世界"
    chmod 640 $dir/plain
    chown 1000:65534 $dir/plain
    chmod 4755 $dir/ram1
    chown 7:8 "$dir/grüße, 世界"
    file-facts --touch 1234567890.123456789 $dir/empty
    check "modes, owners and times are what they were set to" facts_contain $dir \
        "plain mode=100640 owner=1000:65534" "ram1 mode=104755" "empty mode=100644 owner=0:0 links=1 size=0 atime=1234567890.123456789 mtime=1234567890.123456789"
    as_a_reader_sees_it
    check "nothing is preserved before prepare" equal "$mounted" "$(kho_preserved_pages)"
    prepare_and_remember $dir
    check "names are fixed while prepared" fails busy touch $dir/late
    check "no file can go while prepared" fails busy rm $dir/plain
    check "sizes are fixed while prepared" fails 'not permitted' truncate -s 8M $dir/plain
    check "the preserved pages are the contents and more" test $(($(kho_preserved_pages) - mounted)) -ge "$(pages_of $dir)"
    check "a preserved file is written on" counter_passes $dir/ram0 "$(pattern counter $dir/ram0)"
    remember_the_counter
}

stage_2() {
    comes_back 1048576 4242 2
    check "both times that were set are as they were" holds "^empty .* atime=1234567890.123456789 mtime=1234567890.123456789" /run/first.facts
    check "finish is accepted" write_control $dir finish 1
    check "after finish the session is normal" state_is $dir normal
    check "after finish nothing more is preserved than for an empty session" preserved_as_before $((unmounted + $(kept empty-session)))

    check "a file from the last kernel grows again" grows $dir/plain
    check "and is removed" rm $dir/empty
    check "and is renamed" mv "$dir/grüße, 世界" $dir/renamed
    check "a new file comes to it" cp /etc/group $dir/second
    check "a new memfd comes to it" link-memfd $dir ram2 64K 9 --position 7 --seals write
    prepare_and_remember $dir
    remember_the_counter
}

stage_3() {
    comes_back 65536 7 8
    check "the files of the second round are there" equal "plain ram0 ram1 ram2 renamed second" "$(names $dir)"
    check "finish is accepted a second time" write_control $dir finish 1
    check "umount ends the session" end_mount cycle $dir
    check "after umount the kernel has no session" equal "" "$(luo_sessions)"
    check "after umount nothing is preserved" preserved_as_before "$unmounted"
    check "after umount all memory is the kernel's own again" own_memory_is_back "$(kept memory)"
    check "the kernel complains of nothing" kernel_is_content
}

# What is checked in both of the next kernels; the arguments are of one memfd that only shows inside.
comes_back() { # SIZE POSITION SEALS
    unmounted=$(kho_preserved_pages)
    start_mount cycle $dir
    require "the session is mounted after the kexec" timed "mount after a kexec" await_mount cycle $dir
    check "its state is updated" state_is $dir updated
    # Before anything is read.
    facts $dir >/run/first.facts
    lasting_facts $dir | without_times_of_ram0 >/run/facts
    check "names, modes, owners, sizes and times are as they were" same /state/facts /run/facts
    check "the SHA-256 sums are as they were" sums_are_as_they_were
    check "the linked memfd has its contents" pattern check $dir/ram0 1M 7 8
    counted=$(pattern counter $dir/ram0)
    check "it has what was written until the kexec" test "$counted" -ge "$(kept counter)"
    note "the counter: $(kept counter) at the end of the last stage, $counted after the kexec"
    memfds-of "$(mount_pid cycle)" >/run/memfds
    check "the fd has its position and seals" holds "size=$1 position=$2 seals=$3 " /run/memfds
    check "the fd that may not be written has its own" holds "size=100000 position=11 seals=14 " /run/memfds
    check "the kernel complains of nothing" kernel_is_content
}

prepare_and_remember() {
    require "prepare is accepted" timed "prepare" write_control "$1" prepare 1
    check "the state is prepared" state_is "$1" prepared
    check "every entry is preserved" statuses_are "$1" preserved
    sums "$1" empty | grep -v ' ram0$' >/state/sums
    lasting_facts "$1" | without_times_of_ram0 >/state/facts
}

sums_are_as_they_were() {
    sums $dir empty | grep -v ' ram0$' >/run/sums
    same /state/sums /run/sums
}

# A program writes to ram0 up to the kexec, so its times are nobody's to say.
without_times_of_ram0() { sed '/^ram0 /s/ mtime=.*//'; }

remember_the_counter() { keep counter "$(pattern counter $dir/ram0)"; }

facts_contain() { # DIR PATTERN...
    facts "$1" >/run/facts
    shift
    for pattern; do holds "$pattern" /run/facts || return; done
}

grows() {
    grown=$(($(stat -c %s "$1") + 5))
    echo more >>"$1" && equal "$grown" "$(stat -c %s "$1")"
}

names() { user_files "$1" | sed 's,.*/,,' | tr '\n' ' ' | sed 's/ $//'; }

pages_of() { user_files "$1" | tr '\n' '\0' | xargs -0 stat -c %s | awk '{ n += int(($1 + 4095) / 4096) } END { print n }'; }

as_a_reader_sees_it() {
    # shellcheck disable=SC2012 # for people
    ls -l $dir | while read -r line; do note "$line"; done
}
