package org.kexecfs.fuse;

import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.ProcessStatus;
import ru.serce.jnrfuse.struct.FuseContext;

/**
 * Who is asking: built once a callback, from what the kernel says of the request.
 *
 * @param thread the calling thread's id in our PID namespace; 0 if our namespace cannot see it. It waits for our answer,
 *     so the id stays its own until then
 * @param uid its filesystem uid
 * @param gid its filesystem gid
 */
record Caller(int thread, int uid, int gid) {
    /** Of the request that this thread serves. */
    static Caller of(LibFuse fuse) {
        FuseContext context = fuse.fuse_get_context();
        return new Caller(context.pid.intValue(), context.uid.intValue(), context.gid.intValue());
    }

    /** What /proc says of the calling thread and its process: EPERM if we cannot see it. */
    ProcessStatus process() {
        if (thread == 0) {
            throw new ErrnoException(
                    Errno.EPERM, "the caller is in a PID namespace that the server of this mount cannot see");
        }
        return ProcessStatus.read(thread);
    }
}
