package org.kexecfs.docker;

import java.nio.file.Path;

/** How sessions are mounted and ended, as volumes need it. Safe for use by several threads, for one session by one at a time. */
public interface Sessions {
    /**
     * Mounts a session; nothing, if it is mounted there and its server lives.
     *
     * @param session its name
     * @param directory where; made if it is missing
     * @param options as after {@code mount -o}
     * @throws SessionException busy if it is mounted elsewhere; and as a mount fails
     */
    void mount(String session, Path directory, String options);

    /** Whether a mount of the session is at the directory, be its server alive or not. */
    boolean isMounted(String session, Path directory);

    /**
     * Ends a session that is mounted, and takes the directory away. Nothing that is waited for is lost by it.
     *
     * @throws SessionException busy if it is prepared, or updated with files that nobody has claimed, or if somebody uses it
     */
    void end(String session, Path directory);
}
