package org.kexecfs.keep;

import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;

/** The rule for names, which is systemd's (sd_pid_notify_with_fds(3), FDNAME=). */
final class KeptName {
    private KeptName() {}

    /**
     * Returns the name if it is one.
     *
     * @throws ErrnoException EINVAL
     */
    static String check(String name) {
        boolean good = !name.isEmpty()
                && name.length() <= Keep.LONGEST_NAME
                && name.chars().allMatch(c -> c >= ' ' && c < 0x7f && c != ':');
        if (!good) {
            throw new ErrnoException(
                    Errno.EINVAL,
                    "a name to keep a descriptor under has 1 to " + Keep.LONGEST_NAME
                            + " printable characters of ASCII, and no ':'");
        }
        return name;
    }
}
