package org.kexecfs.luo;

import jnr.constants.platform.linux.Errno;
import jnr.ffi.Pointer;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/** A session of the kernel's LUO. The kernel serializes its ioctls; nothing is kept here. */
final class DeviceSession implements LiveUpdateSession {
    private final SessionName name;
    private final Fd fd;

    DeviceSession(SessionName name, Fd fd) {
        this.name = name;
        this.fd = fd;
    }

    @Override
    public String name() {
        Pointer argument = Request.GET_NAME.argument();
        try {
            Request.GET_NAME.on(fd, argument);
            return Request.name(argument);
        } catch (ErrnoException e) {
            // Before Linux 7.2 its number is out of range; what the session was asked for by is as good.
            if (e.is(Errno.EINVAL, Errno.ENOTTY)) {
                return name.text();
            }
            throw e;
        }
    }

    @Override
    public void preserve(Fd file, long token) {
        Pointer argument = Request.PRESERVE_FD.argument();
        argument.putInt(Request.FD_AT, file.number());
        argument.putLong(Request.TOKEN_AT, token);
        ioctl(Request.PRESERVE_FD, argument, token);
    }

    @Override
    public Fd retrieve(long token) {
        Pointer argument = Request.RETRIEVE_FD.argument();
        argument.putLong(Request.TOKEN_AT, token);
        ioctl(Request.RETRIEVE_FD, argument, token);
        return Fd.own(argument.getInt(Request.FD_AT));
    }

    private void ioctl(Request request, Pointer argument, long token) {
        try {
            request.on(fd, argument);
        } catch (ErrnoException e) {
            throw new ErrnoException(e, "session '" + name + "', token " + Long.toUnsignedString(token));
        }
    }

    @Override
    public void finish() {
        try {
            Request.FINISH.on(fd, Request.FINISH.argument());
        } catch (ErrnoException e) {
            throw new ErrnoException(e, "session '" + name + "'");
        }
    }

    @Override
    public Fd fd() {
        return fd;
    }

    @Override
    public void close() {
        fd.close();
    }

    @Override
    public String toString() {
        return "session '" + name + "'";
    }
}
