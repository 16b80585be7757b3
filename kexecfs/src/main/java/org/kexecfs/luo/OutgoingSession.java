package org.kexecfs.luo;

import java.nio.file.Path;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.FileStatus;

/** A session of the emulation for the next kernel. */
final class OutgoingSession extends EmulatedSession {
    OutgoingSession(Path machine, EmulatedKernel kernel, SessionDirectory directory, Fd fd) {
        super(machine, kernel, directory, fd);
    }

    @Override
    public synchronized void preserve(Fd file, long token) {
        try (EmulatedKernel kernel = enter()) {
            file.number();
            if (directory.has(token)) {
                throw new ErrnoException(Errno.EEXIST, "the token is in use");
            }
            FileStatus status = Memory.checkType(file);
            if (kernel.holds(status.id())) {
                throw new ErrnoException(Errno.EBUSY, "LUO has this file already");
            }
            Memory.preserve(file, status);
            take(file.dup(), token, status, kernel);
        } catch (ErrnoException e) {
            throw failed(e, token);
        }
    }

    private void take(Fd reference, long token, FileStatus status, EmulatedKernel kernel) {
        Path record = directory.file(token);
        try {
            new OutgoingFile(reference.number(), status.id(), status.size()).write(record);
            kernel.hold(status.id(), record);
            references.put(token, reference);
        } catch (ErrnoException e) {
            reference.close();
            kernel.discard(record);
            throw e;
        }
    }

    @Override
    public Fd retrieve(long token) {
        enter().close();
        throw wrongKind(Request.RETRIEVE_FD);
    }

    @Override
    public void finish() {
        enter().close();
        throw wrongKind(Request.FINISH);
    }
}
