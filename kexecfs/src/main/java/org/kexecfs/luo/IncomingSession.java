package org.kexecfs.luo;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/** A session of the emulation from the kernel before. */
final class IncomingSession extends EmulatedSession {
    private final Map<Long, ErrnoException> failures = new HashMap<>();

    IncomingSession(Path machine, EmulatedKernel kernel, SessionDirectory directory, Fd fd) {
        super(machine, kernel, directory, fd);
    }

    @Override
    public void preserve(Fd file, long token) {
        enter().close();
        file.number();
        throw wrongKind(Request.PRESERVE_FD);
    }

    @Override
    public synchronized Fd retrieve(long token) {
        try (EmulatedKernel kernel = enter()) {
            if (!directory.has(token)) {
                throw new ErrnoException(Errno.ENOENT, "no such token");
            }
            if (failures.containsKey(token)) {
                throw failures.get(token);
            }
            Fd reference = references.get(token);
            return (reference == null ? restore(token, kernel) : reference).dup();
        } catch (ErrnoException e) {
            throw failed(e, token);
        }
    }

    private Fd restore(long token, EmulatedKernel kernel) {
        Path record = directory.file(token);
        try {
            Fd file = Memory.restore(IncomingFile.read(record), directory.contents(token));
            references.put(token, file);
            kernel.hold(file.status().id(), record);
            return file;
        } catch (ErrnoException e) {
            // A want of descriptors passes, and the kernel notices it before it tries.
            if (!e.is(Errno.EMFILE, Errno.ENFILE)) {
                failures.put(token, e);
            }
            throw e;
        }
    }

    @Override
    public synchronized void finish() {
        try (EmulatedKernel kernel = enter()) {
            directory.finish(kernel);
        }
        dropReferences();
    }
}
