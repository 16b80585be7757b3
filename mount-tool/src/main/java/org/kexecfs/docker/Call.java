package org.kexecfs.docker;

import java.util.Map;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.posix.ErrnoException;

/** What the engine asks for: a method of its plugin protocol, with its arguments. */
sealed interface Call {
    /** The methods, as a request's path names them. */
    java.util.List<String> METHODS = java.util.List.of(
            "/Plugin.Activate",
            "/VolumeDriver.Capabilities",
            "/VolumeDriver.Create",
            "/VolumeDriver.Remove",
            "/VolumeDriver.Mount",
            "/VolumeDriver.Unmount",
            "/VolumeDriver.Path",
            "/VolumeDriver.Get",
            "/VolumeDriver.List");

    /** What kind of plugin this is. */
    record Activate() implements Call {}

    /** What its volumes can do. */
    record Capabilities() implements Call {}

    /** A volume is wanted. */
    record Create(VolumeName name, Map<String, String> options) implements Call {}

    /** A volume is no longer wanted. */
    record Remove(VolumeName name) implements Call {}

    /** A container is to use a volume. */
    record Mount(VolumeName name, String user) implements Call {}

    /** A container no longer uses it. */
    record Unmount(VolumeName name, String user) implements Call {}

    /** Where is it mounted? */
    record Where(VolumeName name) implements Call {}

    /** What is it? */
    record Get(VolumeName name) implements Call {}

    /** Which are there? */
    record List() implements Call {}

    /**
     * Reads a call.
     *
     * @param path of the request
     * @param json its body
     * @throws ErrnoException ENOSYS for a method that is none of these; EINVAL for a body that does not fit it
     */
    static Call parse(String path, byte[] json) {
        if (!METHODS.contains(path)) {
            throw new ErrnoException(
                    Errno.ENOSYS,
                    "'" + path + "' is no method of a volume plugin; there are " + String.join(" ", METHODS));
        }
        Body body = Body.parse(json);
        return switch (path.substring(path.indexOf('.') + 1)) {
            case "Activate" -> new Activate();
            case "Capabilities" -> new Capabilities();
            case "Create" -> new Create(body.requiredName(), body.options());
            case "Remove" -> new Remove(body.requiredName());
            case "Mount" -> new Mount(body.requiredName(), body.requiredId());
            case "Unmount" -> new Unmount(body.requiredName(), body.requiredId());
            case "Path" -> new Where(body.requiredName());
            case "Get" -> new Get(body.requiredName());
            case "List" -> new List();
            default -> throw new IllegalStateException(path);
        };
    }
}
