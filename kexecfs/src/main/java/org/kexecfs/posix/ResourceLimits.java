package org.kexecfs.posix;

import static org.kexecfs.posix.Libc.C;
import static org.kexecfs.posix.Syscall.check;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;

/** What this process may use (getrlimit(2)). */
public final class ResourceLimits {
    private static final int RLIMIT_NOFILE = 7;
    private static final int SIZE_OF_RLIMIT = 16;
    private static final Path MOST_OPEN_FILES = Path.of("/proc/sys/fs/nr_open");

    private ResourceLimits() {}

    /**
     * How many files a process may have open.
     *
     * @param soft the limit that holds
     * @param hard how far it may be raised without CAP_SYS_RESOURCE
     */
    public record OpenFiles(long soft, long hard) {
        /** Ours now. */
        public static OpenFiles current() {
            Pointer limit = Fd.allocate(SIZE_OF_RLIMIT);
            check(() -> C.prlimit(0, RLIMIT_NOFILE, null, limit), () -> "getrlimit(RLIMIT_NOFILE)");
            return new OpenFiles(limit.getLong(0), limit.getLong(8));
        }

        /** Makes this ours, and that of the programs that are started then. What is open stays open. */
        public void set() {
            Pointer limit = Fd.allocate(SIZE_OF_RLIMIT);
            limit.putLong(0, soft);
            limit.putLong(8, hard);
            check(() -> C.prlimit(0, RLIMIT_NOFILE, limit, null), () -> "setrlimit(RLIMIT_NOFILE, " + soft + ")");
        }
    }

    /**
     * Lets this process have as many open files as it may: the kernel's limit with CAP_SYS_RESOURCE, else its own hard limit.
     *
     * @return how many those are
     */
    public static long raiseOpenFiles() {
        long hard = OpenFiles.current().hard();
        long most = mostOpenFiles(hard);
        try {
            new OpenFiles(most, most).set();
            return most;
        } catch (ErrnoException e) {
            if (!e.is(Errno.EPERM)) {
                throw e;
            }
            new OpenFiles(hard, hard).set();
            return hard;
        }
    }

    private static long mostOpenFiles(long otherwise) {
        try {
            return Math.max(
                    otherwise, Long.parseLong(Files.readString(MOST_OPEN_FILES).strip()));
        } catch (IOException e) {
            return otherwise;
        }
    }
}
