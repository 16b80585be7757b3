/** {@code kexecfsd}: one process that serves all mounts of a host, and how the commands talk to it. */
package org.kexecfs.daemon;
