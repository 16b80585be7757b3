package org.kexecfs.docker;

import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The engine's plugin protocol: what each request comes to. Everything is answered, and nothing thrown.
 *
 * @param volumes what it is about
 */
record Protocol(Volumes volumes) {
    private static final Logger log = LoggerFactory.getLogger(Protocol.class);

    /**
     * Does what a request asks for.
     *
     * @param method HTTP's
     * @param path of the request
     * @param body of the request
     */
    Reply answer(String method, String path, byte[] body) {
        try {
            if (!method.equals("POST")) {
                throw new ErrnoException(
                        Errno.EOPNOTSUPP, "HTTP method " + method + "; the plugin protocol knows POST");
            }
            return answer(Call.parse(path, body));
        } catch (ErrnoException e) {
            // The engine asks for many a volume that it is then going to create: nothing for the log.
            return Reply.failed(e);
        } catch (SessionException e) {
            log.warn("{}: {}", path, e.getMessage());
            return Reply.failed(e);
        } catch (RuntimeException | Error e) {
            log.error("{} failed in a way it should not; please report this", path, e);
            return Reply.failed(500, "the log of kexecfs docker-plugin says more: " + e);
        }
    }

    private Reply answer(Call call) {
        return switch (call) {
            case Call.Activate activate -> Reply.activated();
            case Call.Capabilities capabilities -> Reply.capabilities();
            case Call.Create create -> {
                volumes.create(create.name(), create.options());
                yield Reply.done();
            }
            case Call.Remove remove -> {
                volumes.remove(remove.name());
                yield Reply.done();
            }
            case Call.Mount mount -> Reply.mountpoint(volumes.mount(mount.name(), mount.user()));
            case Call.Unmount unmount -> {
                volumes.unmount(unmount.name(), unmount.user());
                yield Reply.done();
            }
            case Call.Where where ->
                Reply.mountpoint(volumes.path(volumes.get(where.name()).name()));
            case Call.Get get -> Reply.volume(volumes.get(get.name()), volumes);
            case Call.List list -> Reply.all(volumes.list(), volumes);
        };
    }
}
