/**
 * The engine's volume plugin: sessions as volumes of containers. What the engine asks comes in as a {@link
 * org.kexecfs.docker.Call}, {@link org.kexecfs.docker.Volumes} does it, and {@link org.kexecfs.docker.PluginServer} is the
 * HTTP around both. How a session is mounted and ended is not known here: {@link org.kexecfs.docker.Sessions}.
 */
package org.kexecfs.docker;
