# shellcheck shell=sh
# All that an entry is besides its bytes, twice through a kexec: names of any bytes, hard links, directories,
# extended attributes, what it requires; seals and positions; mappings; and who has claimed it.

dir=/mnt/attributes
name255=$(printf '%0255d' 7)
newline=$(printf 'a line\nand another')
bytes=$(printf 'no UTF-8: \377\376\200')

stage_1() {
    unmounted=$(kho_preserved_pages)
    keep unmounted "$unmounted"
    start_mount attributes $dir
    require "the session is mounted" await_mount attributes $dir
    require "the mount has passthrough" holds '^passthrough yes$' $dir/kexecfs.info
    check "it has been through no update" holds '^cycle 0$' $dir/kexecfs.info

    echo contents >$dir/plain
    check "a file has a second name" ln $dir/plain $dir/second
    check "directories are made in one another" mkdir -p $dir/a/b/c
    check "and files in them" files_in_directories
    check "and a second name in another directory" ln $dir/plain $dir/a/b/third
    for name in "$newline" "$bytes" "$name255" "with some spaces" '-dash' '\backslash'; do
        echo "in $name" >"$dir/$name"
    done
    check "kexecfs.files escapes names" holds 'a line\\012and another' $dir/kexecfs.files
    link-memfd $dir sealed 300000 5 --position 77 --seals write,grow,shrink >/dev/null
    link-memfd $dir placed 64K 6 --position 65537 --seals seal,write >/dev/null
    head -c 65536 /dev/zero >$dir/mapped
    check "a program maps a file of the mount, shared" entry map $dir/mapped
    check "what it stores is in the file" counter_passes $dir/mapped 0
    check "a file of 16 MiB is made" pattern write $dir/big 16M 4

    check "an attribute is set" entry set $dir/plain user.color 'blue, or so'
    check "its other name has it" equal 'blue, or so' "$(entry get $dir/second user.color)"
    check "a directory has an attribute" entry set $dir/a user.of-a-directory yes
    check "an attribute can be empty" entry set "$dir/$bytes" user.empty ''
    check "an attribute is removed" removed_again $dir/plain
    check "no attributes but user.* are taken" fails EOPNOTSUPP entry set $dir/plain trusted.x 1
    check "the token cannot be changed" fails EPERM entry set $dir/plain user.kexecfs.token 99
    check "the status of a new entry is linked" equal linked "$(entry get $dir/plain user.kexecfs.status)"

    entry set $dir/plain user.kexecfs.requires 'a/b/in-b not\ yet'
    check "prepare fails while a required entry is missing" fails 'No such file' write_control $dir prepare 1
    check "and says which" holds 'entry .* requires not yet, which is not there' $dir/kexecfs.error
    note "kexecfs.error: $(cat $dir/kexecfs.error)"
    check "the state is still normal" state_is $dir normal
    check "the required entry comes" touch "$dir/not yet"
    set_modes_and_times
    require "prepare is accepted then" write_control $dir prepare 1
    check "kexecfs.error is empty again" equal '' "$(cat $dir/kexecfs.error)"
    check "the status of a preserved entry is preserved" equal preserved "$(entry get $dir/plain user.kexecfs.status)"
    check "no attribute can be set while prepared" fails EBUSY entry set $dir/plain user.late 1
    check "the mapping is stored to while prepared" counter_passes $dir/mapped "$(pattern counter $dir/mapped)"
    remember_all /state
}

stage_2() {
    start_mount attributes $dir
    require "the session is mounted after the kexec" await_mount attributes $dir
    check "it is updated" state_is $dir updated
    as_it_was 1
    check "the status of a restored entry is restored" equal restored "$(entry get $dir/plain user.kexecfs.status)"
    check "finish, strict, is refused while files are unclaimed" fails 'busy' write_control $dir finish strict
    note "kexecfs.error: $(cat $dir/kexecfs.error)"
    check "and says for which" holds 'is restored and nobody has opened it' $dir/kexecfs.error
    check "the state is still updated" state_is $dir updated
    check "prepare is refused before finish" fails 'busy' write_control $dir prepare 1
    check "the contents are as they were" contents_are_as_they_were
    check "the status of an opened entry is claimed" equal claimed "$(entry get $dir/plain user.kexecfs.status)"
    check "what was stored through the mapping is there" test "$(pattern counter $dir/mapped)" -ge "$(kept counter)"
    note "the mapped counter: $(kept counter) before the kexec, $(pattern counter $dir/mapped) after it"
    memfds-of "$(mount_pid attributes)" >/run/memfds
    check "seals and position are as they were" holds 'size=300000 position=77 seals=14 ' /run/memfds
    check "a position past the end too, and the seal of seals" holds 'size=65536 position=65537 seals=9 ' /run/memfds
    check "the same file cannot be written" fails EPERM pattern write $dir/sealed 8 1

    check "a file is renamed before the finish" mv $dir/second $dir/a/moved
    check "which is the same file still" equal "$(stat -c %i $dir/plain)" "$(stat -c %i $dir/a/moved)"
    check "a file is removed before the finish" rm "$dir/$newline"
    check "a directory is moved, with what is in it" mv $dir/a/b/c $dir/d
    check "finish, strict, is accepted once all are claimed" write_control $dir finish strict
    check "a file is removed after the finish" rm $dir/placed
    check "a new mapping of a restored file" entry map $dir/mapped
    require "the session is prepared again" write_control $dir prepare 1
    remember_all /state
}

stage_3() {
    start_mount attributes $dir
    require "the session is mounted after the second kexec" await_mount attributes $dir
    as_it_was 2
    check "the mapped file is claimed by reading" test "$(pattern counter $dir/mapped)" -ge "$(kept counter)"
    before=$(shmem)
    check "finish with release is accepted" write_control $dir finish release
    check "of the files only the claimed one is left" equal $dir/mapped "$(entries_below $dir -type f | tr '\0' '\n')"
    check "the directories are" equal "a a/b d" "$(cd $dir && entries_below . -type d | tr '\0' '\n' | cut -c 3- | tr '\n' ' ' | sed 's/ $//')"
    check "their memory is free" wait_for 5 shmem_is_below $((before - 16000))
    check "the session is unmounted" end_mount attributes $dir
    check "nothing is preserved" preserved_as_before "$(kept unmounted)"
    check "the kernel complains of nothing" kernel_is_content
}

files_in_directories() {
    echo a >$dir/a/in-a && echo b >$dir/a/b/in-b && echo c >$dir/a/b/c/in-c
}

removed_again() {
    entry set "$1" user.gone 1 && entry remove "$1" user.gone && fails ENODATA entry get "$1" user.gone
}

set_modes_and_times() {
    chmod 2750 $dir/a
    chmod 1777 $dir/a/b
    chown 1000:65534 $dir/a/b
    chmod 600 "$dir/$bytes"
    file-facts --touch 1000000000.000000001 $dir/a/b/c
    file-facts --touch 1100000000.999999999 $dir/a/b
    file-facts --touch 1200000000.500000000 $dir/a
    file-facts --touch 1300000000.123456789 "$dir/$bytes"
}

# entries_below DIR [CONDITION]...: all that is the user's, in order, each ended by a NUL.
entries_below() {
    below=$1
    shift
    find "$below" -mindepth 1 -name 'kexecfs.*' -prune -o "$@" -print0 | sort -z
}

# Paths of a mount begin alike in every stage. A program stores to the mapped file up to the kexec.
all_facts() {
    entries_below $dir | xargs -0 file-facts | sed 's/ atime=[^ ]*//; /^mapped /s/ mtime=.*//'
    entries_below $dir | xargs -0 stat -c '%i %F %n'
    entries_below $dir | xargs -0 entry list | grep -v ' user.kexecfs.status='
}

remember_all() { # DIRECTORY
    all_facts >"$1/facts"
    contents >"$1/sums"
    keep counter "$(pattern counter $dir/mapped)"
}

contents() { entries_below $dir -type f ! -name mapped | xargs -0 sha256sum; }

as_it_was() { # CYCLE
    check "it has been through $1 updates" holds "^cycle $1\$" $dir/kexecfs.info
    all_facts >/run/facts
    check "names, inodes, links, modes, owners, times and attributes are as they were" same /state/facts /run/facts
    check "a file of three names is one" equal 3 "$(stat -c %h $dir/plain)"
}

contents_are_as_they_were() {
    contents >/run/sums
    same /state/sums /run/sums
}

shmem() { awk '/^Shmem:/ { print $2 }' /proc/meminfo; }
shmem_is_below() { [ "$(shmem)" -lt "$1" ]; }
