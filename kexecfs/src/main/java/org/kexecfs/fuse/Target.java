package org.kexecfs.fuse;

import java.util.List;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.manifest.Name;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.session.EntryPath;

/** What a path in the mount means. */
sealed interface Target {
    /** An entry of the session, there or not; the root, too. */
    record InSession(EntryPath path) implements Target {}

    /** A control file. */
    record Control(ControlFile file) implements Target {}

    /** {@code kexecfs.sock}. */
    record Socket() implements Target {}

    /** {@code kexecfs.fd}. */
    record Sources() implements Target {}

    /** {@code kexecfs.fd/self}. */
    record Self() implements Target {}

    /** {@code kexecfs.fd/PID}, as the caller's PID namespace counts. */
    record OfProcess(int pid) implements Target {}

    /** {@code kexecfs.fd/PID/N}. */
    record Source(int pid, int number) implements Target {}

    /** The directory of link sources. */
    Name SOURCES = Name.of("kexecfs.fd");

    /** The link to the caller's own. */
    Name SELF = Name.of("self");

    /**
     * Reads a path.
     *
     * @throws ErrnoException ENOENT for what cannot be in {@code kexecfs.fd}; EINVAL, ENAMETOOLONG for no name
     */
    static Target of(byte[] path) {
        EntryPath entry = EntryPath.of(path);
        List<Name> names = entry.names();
        if (names.isEmpty()) {
            return new InSession(entry);
        }
        if (names.getFirst().equals(SOURCES)) {
            return source(names);
        }
        if (names.getFirst().equals(SocketName.NAME) && names.size() == 1) {
            return new Socket();
        }
        Optional<ControlFile> control = ControlFile.named(names.getFirst());
        if (control.isPresent() && names.size() == 1) {
            return new Control(control.get());
        }
        return new InSession(entry);
    }

    /** The entry, where no other will do: EPERM for what is kexecfs's own. */
    default EntryPath entry() {
        if (this instanceof InSession entry) {
            return entry.path();
        }
        throw new ErrnoException(Errno.EPERM, "this name is kexecfs's own");
    }

    private static Target source(List<Name> names) {
        return switch (names.size()) {
            case 1 -> new Sources();
            case 2 -> names.get(1).equals(SELF) ? new Self() : new OfProcess(number(names.get(1)));
            case 3 -> new Source(number(names.get(1)), number(names.get(2)));
            default -> throw new ErrnoException(Errno.ENOTDIR, "a link source is no directory");
        };
    }

    private static int number(Name name) {
        String text = name.toString();
        // No sign, no leading zero: one file, one name.
        if (!text.matches("0|[1-9][0-9]{0,8}")) {
            throw new ErrnoException(Errno.ENOENT, "no process or open file " + text);
        }
        return Integer.parseInt(text);
    }
}
